"""J, region similarity: intersection over union of two masks (Perazzi et al. 2016, section 4.1)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .pair import LabelPair, pair_masks


def region_similarity(truth: NDArray, prediction: NDArray, void: NDArray | None = None) -> float:
    """J of two binary masks (H, W), any dtype, not 0 is foreground; 1 if both are empty.

    ``void`` (H, W) marks pixels that do not count.
    """
    return float(region_similarities(pair_masks(truth, prediction, void), np.array([[1, 1]]))[0])


def region_similarities(labels: LabelPair, pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    """J of several objects of one frame.

    Args:
        labels: the label maps.
        pairs: (N, 2) object ids: of the prediction, of the truth.

    Returns:
        (N,) float64 in 0..1; 1 where both masks are empty.
    """
    predicted, true = pairs[:, 0], pairs[:, 1]
    # One pass over the pixels serves all objects: overlap[p, t] pixels are p in one map and t in the other.
    overlap = _joint_histogram(labels, pairs.max(axis=0, initial=0))
    intersection = overlap[predicted, true]
    union = overlap.sum(axis=1)[predicted] + overlap.sum(axis=0)[true] - intersection
    return np.where(union == 0, 1.0, intersection / np.maximum(union, 1))


def _joint_histogram(labels: LabelPair, highest: NDArray[np.intp]) -> NDArray[np.float64]:
    """(P, T) whole numbers: pixels with this predicted and that true label; at least up to ``highest``."""
    if labels.truth.size == 0:
        return np.zeros(highest + 1)
    rows = max(int(labels.prediction.max()), int(highest[0])) + 1
    columns = max(int(labels.truth.max()), int(highest[1])) + 1
    # OpenCV counts in int32 and answers in float32: exact up to 2^24, all pixels of a 4096x4096 image.
    histogram = cv2.calcHist(
        [labels.prediction, labels.truth], [0, 1], None, [rows, columns], [0, rows, 0, columns]
    )
    return histogram.astype(np.float64)
