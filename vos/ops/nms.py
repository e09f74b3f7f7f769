"""Non-maximum suppression of masks (VL-SAM, Lin et al. 2024). NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_PART = 1 << 18


def mask_iou(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
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


def suppress(
    masks: NDArray[np.bool_],
    scores: Sequence[float],
    *,
    names: Sequence[str] | None = None,
    threshold: float = 0.5,
) -> list[int]:
    """Rows of (N, H, W) masks that stay, best first: each overlaps no better one by more than ``threshold``.

    With ``names`` only masks of the same name rival; without, all do. Equal scores keep their order.
    """
    if len(masks) == 0:
        return []
    iou = mask_iou(masks)
    kept: list[int] = []
    for row in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable").tolist():
        rivals = [other for other in kept if names is None or names[other] == names[row]]
        if all(iou[row, other] <= threshold for other in rivals):
            kept.append(row)
    return kept
