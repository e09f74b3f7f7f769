"""Two label maps of one frame, cut down to where there is anything to score."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ..results import VOID


@dataclass(frozen=True, eq=False)
class LabelPair:
    """Truth and prediction of one frame: the part of the image where either has a label.

    The part is one pixel wider than the labels on every side, except where the image itself ends, so
    contours inside it are the contours of the whole image. It may be empty, (0, 0).
    """

    truth: NDArray[np.uint8]
    """(h, w) uint8 label map."""
    prediction: NDArray[np.uint8]
    """(h, w) uint8 label map."""
    size: tuple[int, int]
    """(height, width) of the whole image in pixels."""

    def as_one_object(self) -> LabelPair:
        """Every label but 0 becomes 1, in both maps."""
        truth, prediction = ((labels != 0).view(np.uint8) for labels in (self.truth, self.prediction))
        return replace(self, truth=truth, prediction=prediction)

    def without_void(self) -> LabelPair:
        """Background in both maps wherever the truth says void (255)."""
        void = self.truth == VOID
        if not void.any():
            return self
        return replace(
            self, truth=np.where(void, 0, self.truth), prediction=np.where(void, 0, self.prediction)
        )


def pair_labels(truth: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> LabelPair:
    """Cut two (H, W) uint8 label maps to where either is not background. The result may share their memory.

    Raises:
        ValueError: the shapes differ, or are not (H, W).
    """
    if truth.shape != prediction.shape or truth.ndim != 2:
        raise ValueError(f"truth {truth.shape} and prediction {prediction.shape} must be two maps (H, W)")
    x, y, width, height = cv2.boundingRect(cv2.bitwise_or(truth, prediction))
    if width == 0:
        return LabelPair(truth[:0, :0], prediction[:0, :0], truth.shape)
    window = np.s_[max(y - 1, 0) : y + height + 1, max(x - 1, 0) : x + width + 1]
    return LabelPair(truth[window], prediction[window], truth.shape)


def pair_masks(truth: NDArray, prediction: NDArray, void: NDArray | None = None) -> LabelPair:
    """The same for two binary masks (H, W) of any dtype: what is not 0 is object 1.

    ``void`` (H, W) marks pixels that belong to no object: both masks are empty there.

    Raises:
        ValueError: the shapes differ, or are not (H, W).
    """
    truth, prediction = (np.asarray(mask) != 0 for mask in (truth, prediction))
    if void is not None:
        counts = np.asarray(void) == 0
        if counts.shape != truth.shape:
            raise ValueError(f"void {counts.shape} must be as large as truth {truth.shape}")
        truth, prediction = truth & counts, prediction & counts
    return pair_labels(truth.view(np.uint8), prediction.view(np.uint8))
