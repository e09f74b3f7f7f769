"""Mean intersection over union of label maps over all classes (Segmentation From Attention, 6). NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import EvaluationError
from ..results import VOID


@dataclass(frozen=True, eq=False)
class SemanticCounts:
    """Pixels per class, in whole numbers, so that any number of images can be added up exactly."""

    intersection: NDArray[np.int64]
    """(C,) pixels where prediction and truth agree on the class."""
    union: NDArray[np.int64]
    """(C,) pixels where either has the class; void pixels of the truth count nowhere."""

    @classmethod
    def zeros(cls, num_classes: int) -> SemanticCounts:
        """Nothing counted yet."""
        return cls(np.zeros(num_classes, np.int64), np.zeros(num_classes, np.int64))

    def __add__(self, other: SemanticCounts) -> SemanticCounts:
        return SemanticCounts(self.intersection + other.intersection, self.union + other.union)

    @property
    def iou(self) -> NDArray[np.float64]:
        """(C,) I / (U + 1e-16): a class that never occurs has 0, not "not a number"."""
        iou: NDArray[np.float64] = self.intersection / (self.union + 1e-16)
        return iou

    @property
    def mean_iou(self) -> float:
        """Mean over all classes, background and classes that never occur included, as in the reference."""
        return float(self.iou.mean())


def semantic_counts(
    predicted: NDArray[np.uint8], truth: NDArray[np.uint8], num_classes: int, *, void: int = VOID
) -> SemanticCounts:
    """Counts of one or more label maps of the same shape; pixels where ``truth`` is void count nowhere.

    Raises:
        EvaluationError: if the shapes differ, or a label outside void is not below ``num_classes``.
    """
    if predicted.shape != truth.shape:
        raise EvaluationError(f"prediction {predicted.shape} and truth {truth.shape} have different shapes")
    counted = truth != void
    a, b = predicted[counted].astype(np.int64), truth[counted].astype(np.int64)
    for what, labels in (("prediction", a), ("truth", b)):
        if labels.size and labels.max() >= num_classes:
            raise EvaluationError(
                f"the {what} has label {labels.max()}, but there are {num_classes} classes "
                f"(0..{num_classes - 1}, and {void} for void in the truth)"
            )
    confusion = np.bincount(a * num_classes + b, minlength=num_classes**2).reshape(num_classes, num_classes)
    intersection = np.diagonal(confusion).copy()
    return SemanticCounts(intersection, confusion.sum(axis=0) + confusion.sum(axis=1) - intersection)
