"""Overlap of masks, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vos.ops.iou import mask_iou, pairwise_mask_iou


def strips(*spans: tuple[int, int]) -> NDArray[np.bool_]:
    """(N, 1, 20) masks of the columns ``first`` to ``last - 1``."""
    masks = np.zeros((len(spans), 1, 20), bool)
    for mask, (first, last) in zip(masks, spans, strict=True):
        mask[0, first:last] = True
    return masks


@pytest.mark.parametrize(
    ("one", "other", "expected"), [((0, 10), (5, 10), 1 / 2), ((0, 10), (8, 13), 2 / 13), ((3, 4), (5, 6), 0)]
)
def test_overlap_of_two(one: tuple[int, int], other: tuple[int, int], expected: float) -> None:
    """Pixels of both over pixels of either, whatever empty masks have."""
    a, b = strips(one, other)
    for empty in (0.0, 1.0):
        assert mask_iou(a, b, empty=empty) == mask_iou(b, a, empty=empty) == expected
        assert mask_iou(a, a, empty=empty) == 1
        assert mask_iou(a, np.zeros_like(a), empty=empty) == 0


def test_two_empty_masks() -> None:
    """0, or what the caller says."""
    nothing = np.zeros((3, 4), bool)
    assert mask_iou(nothing, nothing) == 0
    assert mask_iou(nothing, nothing, empty=1.0) == 1


def test_overlaps_of_every_two() -> None:
    """Empty masks overlap nothing, not even each other."""
    found = pairwise_mask_iou(strips((0, 10), (5, 10), (8, 13), (0, 0), (3, 3)))
    expected = np.zeros((5, 5))
    expected[:3, :3] = [[1, 1 / 2, 2 / 13], [1 / 2, 1, 2 / 8], [2 / 13, 2 / 8, 1]]
    np.testing.assert_allclose(found, expected)


def test_large_masks_are_counted_exactly() -> None:
    """More pixels than are counted in one part."""
    masks = np.zeros((2, 600, 600), bool)
    masks[0, :599], masks[1, 1:] = True, True
    assert pairwise_mask_iou(masks)[0, 1] == 598 / 600
