"""One label per pixel, from masks that overlap."""

from __future__ import annotations

import numpy as np

from vos.ops.overlap import (
    argmax_labels,
    argmax_rows,
    logits_to_labels,
    nested_logits_to_labels,
    paint,
    paint_by,
    paint_small_on_top,
)


def test_the_highest_score_wins_and_the_lower_row_of_equals() -> None:
    scores = np.array([[[0.5, 0.2, 0.4]], [[0.5, 0.9, 0.1]], [[0.1, 0.9, 0.8]]], np.float32)
    assert argmax_rows(scores).tolist() == [[0, 1, 2]]
    assert argmax_labels(scores, [7, 300]).tolist() == [[0, 7, 300]]


def test_more_rows_than_a_byte_counts() -> None:
    scores = np.zeros((300, 1, 2), np.float32)
    scores[299, 0, 1] = 1
    assert argmax_rows(scores).tolist() == [[0, 299]]


def test_a_logit_has_to_be_above_zero() -> None:
    """The background counts 0, and wins where nothing is above it."""
    logits = np.array([[[-1, 0, 0.1, 2]], [[-2, -1, 0.1, 3]]], np.float32)
    assert logits_to_labels(logits, [4, 9]).tolist() == [[0, 0, 4, 9]]
    assert logits_to_labels(np.zeros((0, 2, 3), np.float32), []).tolist() == [[0] * 3] * 2


def test_a_mask_within_a_larger_one_is_in_front_of_it() -> None:
    """Though its logits are lower; a neighbour that it only touches is judged by the logits."""
    logits = np.full((3, 1, 10), -1, np.float32)
    logits[0, 0, :6] = 5
    logits[1, 0, 2:4] = 1
    logits[2, 0, 5:10] = (4, 4, 4, 4, 4)
    assert nested_logits_to_labels(logits, [1, 2, 3]).tolist() == [[1, 1, 2, 2, 1, 1, 3, 3, 3, 3]]
    logits[2, 0, 5] = 6
    assert nested_logits_to_labels(logits, [1, 2, 3])[0, 5] == 3


def test_half_of_a_mask_is_enough_to_be_nested() -> None:
    logits = np.full((2, 1, 10), -1, np.float32)
    logits[0, 0, :6] = 5
    logits[1, 0, 4:8] = 1
    assert nested_logits_to_labels(logits, [1, 2]).tolist() == [[1] * 4 + [2] * 4 + [0] * 2]
    logits[1, 0, 8] = 1  # now more than half lies outside
    assert nested_logits_to_labels(logits, [1, 2]).tolist() == [[1] * 6 + [2] * 3 + [0]]


def test_what_lies_on_top() -> None:
    """The later row, the smaller mask, or the smaller key."""
    masks = np.zeros((3, 1, 6), bool)
    masks[0, 0, 1], masks[1, 0, 2:4], masks[2, 0, 1:5] = True, True, True
    assert paint(masks, [1, 2, 3]).tolist() == [[0, 3, 3, 3, 3, 0]]
    assert paint_small_on_top(list(masks), [1, 2, 3]).tolist() == [[0, 1, 2, 2, 3, 0]]
    assert paint_by(list(masks), [1, 2, 3], [5, 9, 7]).tolist() == [[0, 1, 3, 3, 3, 0]]
