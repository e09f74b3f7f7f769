"""From an attention map to a positive and a negative point (VL-SAM, Lin et al. 2024). NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..ops.boxes import tight_box
from ..prompts import Prompt


@dataclass(frozen=True, eq=False)
class PointPair:
    """Where an object is, as read off its map; all in pixels of the map."""

    positive: tuple[int, int]
    """(x, y) of the largest value in the positive area."""
    negative: tuple[int, int] | None
    """(x, y) of the smallest value outside it; None if the area is the whole map."""
    area: NDArray[np.bool_]
    """(H, W) bool, the positive area: the largest connected part above the threshold."""
    strength: float
    """The map's value at ``positive``, 0..1."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) around the positive area, inclusive pixel indices."""
        box = tight_box(self.area)
        assert box is not None  # the area holds the positive point
        return box

    def prompt(self) -> Prompt:
        """The pair as a prompt, labels 1 and 0."""
        points = [self.positive] if self.negative is None else [self.positive, self.negative]
        labels = np.array([1, 0][: len(points)], dtype=np.int64)
        return Prompt(points=np.array(points, dtype=np.float32), labels=labels)


def min_max(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """``values`` stretched to 0..1; a constant map becomes zeros, for it points nowhere."""
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return np.zeros(values.shape, dtype=np.float32)
    return ((values - low) / (high - low)).astype(np.float32)


def enlarge_map(values: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W) of a map on the patch grid by bilinear interpolation, min-max normalised to 0..1."""
    large = cv2.resize(
        np.asarray(values, dtype=np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR
    )
    return min_max(large)


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 8-connected part of an (H, W) mask; of equal ones the first in raster order."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros_like(mask)
    areas = stats[1:, cv2.CC_STAT_AREA]
    rivals = np.flatnonzero(areas == areas.max()) + 1
    # OpenCV does not promise to number parts in raster order; where they begin decides.
    first = min(rivals, key=lambda part: int((labels == part).argmax()))
    largest: NDArray[np.bool_] = labels == first
    return largest


def point_pair(values: NDArray[np.float32], threshold: float = 0.5) -> PointPair | None:
    """The pair of an (H, W) map in 0..1, first in raster order on ties; None if all is below ``threshold``.

    A constant map (zeros after min-max) has no pair.
    """
    above = values >= threshold
    if not values.max() > 0 or not above.any():
        return None
    area = largest_component(above)
    inside, outside = np.where(area, values, -np.inf), np.where(area, np.inf, values)
    row, column = divmod(int(inside.argmax()), values.shape[1])
    negative = None
    if not area.all():
        low_row, low_column = divmod(int(outside.argmin()), values.shape[1])
        negative = (low_column, low_row)
    return PointPair((column, row), negative, area, float(values[row, column]))
