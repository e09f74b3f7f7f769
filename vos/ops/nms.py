"""Non-maximum suppression of masks (VL-SAM, Lin et al. 2024). NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .iou import pairwise_mask_iou


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
    iou = pairwise_mask_iou(masks)
    kept: list[int] = []
    for row in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable").tolist():
        rivals = [other for other in kept if names is None or names[other] == names[row]]
        if all(iou[row, other] <= threshold for other in rivals):
            kept.append(row)
    return kept
