"""Boxes have inclusive pixel indices, x before y."""

from __future__ import annotations

import numpy as np
import pytest

from vos.ops.boxes import Box, box_iou, inclusive_box, tight_box


def test_a_tight_box_touches_the_outermost_pixels() -> None:
    mask = np.zeros((7, 11), bool)
    mask[2, 4] = mask[5, 8] = True
    assert tight_box(mask) == (4, 2, 8, 5)
    mask[6, 10] = True
    assert tight_box(mask) == (4, 2, 10, 6)
    assert tight_box(np.zeros((7, 11), bool)) is None


def test_a_corner_and_a_size() -> None:
    """A box one pixel wide ends where it begins; halves are rounded."""
    assert inclusive_box(3, 5, 1, 2) == (3, 5, 3, 6)
    assert inclusive_box(2.6, 4.4, 3.8, 1.2) == (3, 4, 5, 5)


@pytest.mark.parametrize(
    ("one", "other", "iou"),
    [
        ((0, 0, 3, 1), (0, 0, 3, 1), 1.0),
        ((0, 0, 3, 1), (3, 1, 4, 5), 1 / (8 + 10 - 1)),
        ((0, 0, 3, 1), (4, 0, 6, 1), 0.0),
        ((0, 0, 3, 1), (0, 2, 3, 3), 0.0),
        ((0, 0, 9, 9), (2, 3, 4, 8), 18 / 100),
    ],
)
def test_overlap_is_that_of_the_pixels(one: Box, other: Box, iou: float) -> None:
    assert box_iou(one, other) == box_iou(other, one) == pytest.approx(iou)
