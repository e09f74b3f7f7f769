"""Boxes around masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1: inclusive pixel indices."""


def inclusive_box(x: float, y: float, width: float, height: float) -> Box:
    """The box of a corner and a size, as COCO and many others have it, rounded to pixels."""
    return round(x), round(y), round(x + width) - 1, round(y + height) - 1


def tight_box(mask: NDArray[np.bool_]) -> Box | None:
    """(x0, y0, x1, y1) of the True pixels of an (H, W) mask, inclusive indices; None for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def box_iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes with inclusive pixel indices: ``(3, 3, 3, 3)`` is one pixel."""
    width = min(one[2], other[2]) - max(one[0], other[0]) + 1
    height = min(one[3], other[3]) - max(one[1], other[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = ((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (one, other))
    return width * height / (sum(areas) - width * height)
