"""Boundary IoU: intersection over union of what lies near the contours (Cheng et al. 2021).

Unlike F it knows no tolerance: two contours agree as far as the bands inside them overlap.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

DILATION = 0.02
"""Width of the bands, as a fraction of the image's diagonal."""


def boundary(mask: NDArray[np.bool_], dilation: float = DILATION) -> NDArray[np.bool_]:
    """(H, W) bool: pixels of an (H, W) mask at most d steps (chessboard) from a pixel not in it.

    d is ``dilation`` times the diagonal, rounded, at least 1. Beyond the image nothing is in the mask.
    """
    distance = max(1, round(dilation * math.hypot(*mask.shape)))
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), dtype=np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & (inner == 0)


def boundary_iou(truth: NDArray, prediction: NDArray, void: NDArray | None = None) -> float:
    """Boundary IoU of two masks (H, W), any dtype, not 0 is foreground; 1 if both are empty.

    ``void`` (H, W) marks pixels where both masks count as empty.

    Raises:
        ValueError: the shapes differ, or are not (H, W).
    """
    masks = [np.asarray(mask) != 0 for mask in (truth, prediction)]
    counts = np.ones_like(masks[0]) if void is None else np.asarray(void) == 0
    if len({masks[0].shape, masks[1].shape, counts.shape}) > 1 or masks[0].ndim != 2:
        raise ValueError(f"truth {masks[0].shape} and prediction {masks[1].shape} must be two maps (H, W)")
    if masks[0].size == 0:
        return 1.0
    one, other = (boundary(mask & counts) for mask in masks)
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 1.0
