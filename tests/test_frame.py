"""Frames and their names."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from vos.errors import InputError
from vos.frame import Frame, no_image, own_frame

IMAGE = np.zeros((2, 3, 3), np.uint8)


def test_the_index_names_a_frame_without_a_name() -> None:
    """Five digits, or more."""
    assert [Frame(index, IMAGE).name for index in (0, 41, 123456)] == ["00000", "00041", "123456"]
    assert Frame(3, IMAGE, "dog-3").name == "dog-3"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (IMAGE[..., 0], r"got \(2, 3\) uint8; np.stack"),
        (IMAGE.astype(np.float32), r"got \(2, 3, 3\) float32; \(255"),
        (IMAGE.astype(np.uint16), r"uint16; \(image >> 8\)"),
        (IMAGE[..., :2], r"got \(2, 3, 2\) uint8$"),
        (np.zeros((2, 3, 4), np.uint8), r"leaves alpha out"),
        (np.zeros((3, 5, 7), np.uint8), r"channels last"),
        (IMAGE[:0], r"got \(0, 3, 3\) uint8$"),
        ([[1, 2], [3]], r"got \[\[1, 2\], \[3\]\]"),
        ("clip.mp4", r"got 'clip.mp4'; vos.open_video reads files"),
        (None, r"got None"),
    ],
)
def test_other_images_are_refused(image: Any, message: str) -> None:
    """With what was given, and what makes an image of it."""
    with pytest.raises(InputError, match=message):
        Frame(0, image)


def test_the_advice_makes_images() -> None:
    """Each expression that a message recommends gives an image that is taken."""
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    rgb = np.stack([grey] * 3, axis=-1)
    others = [
        grey,
        rgb / 255,
        rgb.astype(np.uint16) << 8,
        np.concatenate([rgb, rgb[..., :1]], axis=-1),
        np.moveaxis(np.pad(rgb, ((0, 3), (0, 3), (0, 0))), -1, 0),
    ]
    for image in others:
        with pytest.raises(InputError) as caught:
            Frame(0, image)
        code = re.search(r"; (\S.*?\)|image\[.*?\]) (?:puts|leaves|makes)", str(caught.value))
        assert code
        made = Frame(0, eval(code[1], {"np": np, "image": image})).image
        assert np.array_equal(made[:2, :3], rgb)


@pytest.mark.parametrize("index", [-1, 1.5, "1", None, np.float64(0)])
def test_other_indices_are_refused(index: Any) -> None:
    """They are counted from 0."""
    with pytest.raises(InputError, match=f"a whole number from 0 on, got {re.escape(repr(index))}"):
        Frame(index, IMAGE)
    assert type(Frame(np.int64(7), IMAGE).index) is int


def test_a_frame_keeps_its_pixels() -> None:
    """A camera's loop may draw on its image, or read the next one into it."""
    image = np.asfortranarray(IMAGE.copy())
    frame = Frame(0, image)
    image[...] = 9
    assert not frame.image.any()
    assert frame.image.flags.c_contiguous


def test_a_read_only_image_is_not_copied() -> None:
    """An image of no memory stays one."""
    blank = no_image((4, 5))
    assert Frame(0, blank).image is blank
    assert blank.shape == (4, 5, 3)
    assert not any(blank.strides[:2])


def test_the_image_of_a_decoder_is_not_copied() -> None:
    """Two copies of 4K frames take a tenth of the time of reading them."""
    image = IMAGE.copy()
    frame = own_frame(3, image, time=0.5)
    assert frame.image is image
    assert (frame.index, frame.name, frame.time) == (3, "00003", 0.5)
