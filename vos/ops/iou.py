"""Intersection over union of masks; of boxes see :mod:`.boxes`. NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PART = 1 << 18


def mask_iou(one: NDArray[np.bool_], other: NDArray[np.bool_], *, empty: float = 0.0) -> float:
    """Intersection over union of two bool masks of one shape, in 0..1.

    Args:
        one, other: the masks, of any number of axes.
        empty: what two empty masks have. As a measure of agreement that is 1, as in DAVIS; as evidence that
            two masks are of one object it is 0.
    """
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else empty


def pairwise_mask_iou(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N, N) intersection over union of (N, H, W) masks; two empty masks have 0."""
    flat = masks.reshape(len(masks), -1)
    # Whole numbers up to 2^24 are exact in float32. Parts of 2^18 pixels keep hundreds of masks in memory.
    intersection = np.zeros((len(masks), len(masks)))
    for start in range(0, flat.shape[1], _PART):
        part = flat[:, start : start + _PART].astype(np.float32)
        intersection += (part @ part.T).astype(np.float64)
    areas = intersection.diagonal()
    union = areas[:, None] + areas[None] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
