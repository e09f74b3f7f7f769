"""Sizes of images that are read, and those that are refused before anything is made."""

from __future__ import annotations

import pytest

from vos.limits import MAX_PIXELS, MAX_SIDE, check_pixels


def test_the_largest_images_are_read() -> None:
    assert check_pixels(MAX_SIDE, MAX_PIXELS // MAX_SIDE) == (MAX_SIDE, MAX_PIXELS // MAX_SIDE)
    assert check_pixels(1, MAX_SIDE) == (1, MAX_SIDE)


@pytest.mark.parametrize(
    "size", [(0, 5), (5, -1), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (MAX_SIDE, MAX_PIXELS // MAX_SIDE + 1)]
)
def test_others_are_refused_by_their_size(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"claims to be {size[0]}x{size[1]} pixels"):
        check_pixels(*size)
