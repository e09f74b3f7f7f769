"""Sizes that users ask for, and resizing to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..limits import check_pixels

Size = tuple[int, int] | int
"""(width, height) in pixels, or the length of the shorter side."""


def parse_size(text: str) -> Size:
    """``WxH``, or the length of the shorter side.

    Raises:
        InputError: for anything else.
    """
    match = re.fullmatch(r"([0-9]{1,7})(?:[xX×]([0-9]{1,7}))?", text.strip())
    sides = [int(side) for side in match.groups() if side] if match else []
    if not sides or min(sides) < 1:
        raise InputError(
            f"size {text[:40]!r} is not a size; give WIDTHxHEIGHT such as 854x480, "
            "or the shorter side such as 480"
        )
    return (sides[0], sides[1]) if len(sides) == 2 else sides[0]


def target_size(size: Size | None, width: int, height: int) -> tuple[int, int]:
    """(width, height) that a ``width`` x ``height`` frame gets; one number scales the shorter side to it.

    Raises:
        InputError: if a side is not a whole number of pixels, or not positive.
    """
    if size is None:
        return width, height
    sides = tuple(size) if isinstance(size, Sequence) else (size,)
    if not 1 <= len(sides) <= 2 or not all(isinstance(side, Integral) for side in sides):
        raise InputError(
            f"size {size!r:.60} is not a size: give (width, height), or the shorter side, in whole pixels"
        )
    if min(sides) < 1:
        raise InputError(f"size {size} is not a size: every side is at least one pixel")
    if len(sides) == 1:
        scale = sides[0] / min(width, height)
        sides = max(1, round(width * scale)), max(1, round(height * scale))
    try:
        return check_pixels(*map(int, sides))
    except ValueError as error:
        raise InputError(f"size {size}: {error}") from None


def resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """``image`` at (width, height): averaged over areas where it shrinks, else linear."""
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    shrinks = size[0] <= width and size[1] <= height
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
