"""Mean IoU of label maps over classes, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vos.errors import EvaluationError
from vos.evaluation.semantic import SemanticCounts, semantic_counts


def test_semantic_counts_by_hand():
    """Void is removed from the prediction too; an absent class has IoU 0 and counts in the mean."""
    truth = np.array([[0, 1, 1, 255]], np.uint8)
    predicted = np.array([[0, 1, 0, 1]], np.uint8)
    counts = semantic_counts(predicted, truth, 3)
    assert counts.intersection.tolist() == [1, 1, 0]
    assert counts.union.tolist() == [2, 2, 0]
    assert counts.mean_iou == pytest.approx(1 / 3)


def test_semantic_counts_refuse_what_does_not_fit():
    """Different shapes, and labels beyond the classes, are errors that say so."""
    with pytest.raises(EvaluationError, match="different shapes"):
        semantic_counts(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), 2)
    with pytest.raises(EvaluationError, match="label 7"):
        semantic_counts(np.zeros((1, 1), np.uint8), np.full((1, 1), 7, np.uint8), 2)


def test_images_add_up() -> None:
    """The counts of two images are those of both side by side; the IoU is of the sums."""
    truth = np.array([[0, 1, 1, 2], [2, 2, 1, 0]], np.uint8)
    predicted = np.array([[0, 1, 2, 2], [1, 2, 1, 1]], np.uint8)
    parts = [semantic_counts(predicted[row : row + 1], truth[row : row + 1], 4) for row in (0, 1)]
    total = sum(parts, start=SemanticCounts.zeros(4))
    assert (
        total.intersection.tolist()
        == semantic_counts(predicted, truth, 4).intersection.tolist()
        == [1, 2, 2, 0]
    )
    assert total.union.tolist() == [2, 5, 4, 0]
    assert total.iou.tolist() == pytest.approx([1 / 2, 2 / 5, 1 / 2, 0])
