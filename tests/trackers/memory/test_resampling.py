"""Pillow's resize, repeated with tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from vos.trackers.memory.resampling import resize_bicubic, rows_first

SIZES = [
    ((480, 854), (1024, 1024)),  # both sides grow
    ((1080, 1920), (1024, 1024)),  # both shrink
    ((240, 1500), (512, 512)),  # one each
    ((1024, 333), (1024, 1024)),  # one stays
    ((7, 5), (64, 64)),  # fewer pixels than the filter has taps
    ((2160, 3840), (64, 64)),  # many taps
    ((640, 360), (1024, 1024)),  # taller than wide
    ((1300, 1300), (512, 512)),
    ((64, 64), (64, 64)),
]


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_every_byte_is_pillows(old, new):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*old, 3), dtype=np.uint8)
    image[: old[0] // 2, : old[1] // 2] = 255 * (image[: old[0] // 2, : old[1] // 2] > 127)  # overshoots
    assert rows_first(old, new[0])
    expected = np.array(Image.fromarray(image).resize(new[::-1], Image.Resampling.BICUBIC))
    assert np.array_equal(resize_bicubic(torch.from_numpy(image), *new).numpy(), expected)


def test_tall_images_that_shrink_are_left_to_pillow():
    """It resamples them in another order since version 13."""
    assert not rows_first((1920, 1080, 3), 1024)
    assert not rows_first((1280, 720, 3), 1024)
