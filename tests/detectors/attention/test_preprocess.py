"""Onto the canvas and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.detectors.attention.preprocess import (
    STATISTICS,
    from_canvas,
    image_to_canvas,
    labels_to_canvas,
    place,
)
from vos.errors import MediaError


@pytest.mark.parametrize(
    ("height", "width", "inner"),
    [
        (480, 640, (384, 512)),
        (640, 480, (512, 384)),
        (512, 512, (512, 512)),
        (500, 375, (512, 384)),
        (375, 500, (384, 512)),
        (206, 206, (512, 504)),  # 206 * (512 / 206) is 511.99..., truncated and floored to a multiple of 8
        (214, 214, (512, 504)),
        (253, 253, (512, 504)),
        (200, 200, (512, 512)),
        (333, 500, (336, 512)),
    ],
)
def test_placement(height, width, inner):
    """Ratio first, truncation, multiple of 8; some squares come out 504 wide, as in the reference."""
    assert place(height, width, 512).inner == inner


def test_a_sliver_is_refused():
    """An image of which nothing would be left is an error that says so."""
    with pytest.raises(MediaError, match="1000x10"):
        place(10, 1000, 512)


def test_padding_is_black_before_normalisation():
    """Outside the image the input is (0 - mean) / std, and labels are void."""
    pixels, placement = image_to_canvas(np.full((64, 128, 3), 255, np.uint8), 128)
    mean, std = STATISTICS["imagenet"]
    assert placement.inner == (64, 128)
    np.testing.assert_allclose(
        pixels[:, 64:], np.broadcast_to(-np.divide(mean, std)[:, None, None], (3, 64, 128)), rtol=1e-5
    )
    np.testing.assert_allclose(pixels[:, 0, 0], (1 - np.array(mean)) / std, rtol=1e-5)
    labels = labels_to_canvas(np.ones((64, 128), np.uint8), 128)
    assert (labels[:64] == 1).all()
    assert (labels[64:] == 255).all()


def test_statistics_can_be_those_of_training():
    """The CLIP statistics give another input than the reference's ImageNet ones."""
    image = np.full((16, 16, 3), 100, np.uint8)
    assert not np.allclose(image_to_canvas(image, 16)[0], image_to_canvas(image, 16, "clip")[0])


def test_from_canvas_drops_the_padding():
    """A map that marks the image's place comes back as all ones at the size of the image."""
    placement = place(45, 90, 64)
    canvas = torch.zeros(2, 64, 64)
    canvas[:, : placement.inner[0], : placement.inner[1]] = 1
    back = from_canvas(canvas, placement)
    assert back.shape == (2, 45, 90)
    assert (back == 1).all()
