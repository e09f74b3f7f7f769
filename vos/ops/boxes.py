"""Boxes around masks."""

from __future__ import annotations

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
