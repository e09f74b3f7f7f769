"""Suppression of masks, by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vos.ops.nms import suppress


def strips(*spans: tuple[int, int]) -> NDArray[np.bool_]:
    """(N, 1, 20) masks of the columns ``first`` to ``last - 1``."""
    masks = np.zeros((len(spans), 1, 20), bool)
    for mask, (first, last) in zip(masks, spans, strict=True):
        mask[0, first:last] = True
    return masks


def test_the_best_stay() -> None:
    """An overlap of just the threshold is none; what is suppressed suppresses nothing."""
    masks = strips((0, 10), (5, 10), (6, 11), (14, 18))
    assert suppress(masks, [0.9, 0.8, 0.7, 0.95], threshold=0.5) == [3, 0, 1]
    assert suppress(masks, [0.9, 0.8, 0.7, 0.95], threshold=0.49) == [3, 0, 2]
    assert suppress(masks, [0.7, 0.8, 0.9, 0.1], threshold=0.6) == [2, 0, 3]
    assert suppress(masks[:0], []) == []


def test_only_masks_of_one_name_rival() -> None:
    masks = strips((0, 10), (0, 10), (0, 9), (0, 9))
    assert suppress(masks, [1, 1, 0.5, 0.9], names=["cat", "dog", "cat", "cow"]) == [0, 1, 3]
