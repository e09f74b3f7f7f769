"""Where to look, and how closely: the part of the frame that a step works on.

A small object is worked on at full resolution, a large one or several scattered ones at a lower one, so
that a step costs about the same whatever there is to follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..ops.boxes import tight_box
from ..results import Labels, object_ids

SMALLEST = 8
"""A window has at least this many rows and columns, or as many as the frame."""
GRID = 8
"""Window edges lie on multiples of this, so that a window does not tremble with the outline."""


@dataclass(frozen=True)
class Crop:
    """A box of the frame and the size at which it is worked on."""

    y0: int
    x0: int
    y1: int
    x1: int
    """Rows y0..y1-1 and columns x0..x1-1 of the frame."""
    height: int
    width: int
    """Rows and columns of the working crop, never more than those of the box."""

    @property
    def scale(self) -> float:
        """Size of the working crop over size of the box."""
        return float(np.sqrt(self.height * self.width / ((self.y1 - self.y0) * (self.x1 - self.x0))))

    def cut(self, values: NDArray[Any]) -> NDArray[Any]:
        """The window's part of (H, W) or (H, W, C) ``values``, resized by averaging."""
        part = np.ascontiguousarray(values[self.y0 : self.y1, self.x0 : self.x1])
        if part.shape[:2] == (self.height, self.width):
            return part
        resized: NDArray[Any] = cv2.resize(part, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return resized

    def enlarge(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, height, width) values at the resolution of the frame: (N, y1 - y0, x1 - x0)."""
        size = (self.x1 - self.x0, self.y1 - self.y0)
        if values.shape[1:] == (size[1], size[0]):
            return values
        return np.stack([cv2.resize(v, size, interpolation=cv2.INTER_LINEAR) for v in values])

    def transfer(self, values: NDArray[np.float32], other: Crop) -> list[NDArray[np.float32]]:
        """(N, height, width) values of this window as N pictures of the ``other``, 0 where this one does
        not reach."""
        down = self.height / (self.y1 - self.y0), other.height / (other.y1 - other.y0)
        right = self.width / (self.x1 - self.x0), other.width / (other.x1 - other.x0)
        # Pixel centres lie at half coordinates, here as in cv2.resize.
        matrix = np.array(
            [
                [right[0] / right[1], 0, (0.5 / right[1] + other.x0 - self.x0) * right[0] - 0.5],
                [0, down[0] / down[1], (0.5 / down[1] + other.y0 - self.y0) * down[0] - 0.5],
            ]
        )
        size, flags = (other.width, other.height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return [cv2.warpAffine(v, matrix, size, flags=flags, borderMode=cv2.BORDER_CONSTANT) for v in values]


def choose_crop(
    labels: Labels, margin: float, margin_pixels: int, pixels: int, everywhere: bool = False
) -> Crop:
    """The window around all objects.

    Args:
        labels: (H, W), where the objects are believed to be.
        margin: room on each side, as a fraction of the longest side of the largest object.
        margin_pixels: room on each side added to that, in pixels of the frame.
        pixels: how many pixels a working crop has at most, about.
        everywhere: take the whole frame; so it is when no object is to be seen.
    """
    height, width = labels.shape
    boxes = [tight_box(labels == object_id) for object_id in object_ids(labels)]
    found = [box for box in boxes if box is not None]
    if everywhere or not found:
        y0, x0, y1, x1 = 0, 0, height, width
    else:
        longest = max(max(b[2] - b[0], b[3] - b[1]) + 1 for b in found)
        room = int(margin * longest) + margin_pixels
        x0, x1 = _span(min(b[0] for b in found), max(b[2] for b in found), room, width)
        y0, y1 = _span(min(b[1] for b in found), max(b[3] for b in found), room, height)
    scale = min(1.0, float(np.sqrt(pixels / ((y1 - y0) * (x1 - x0)))))
    rows = max(min(SMALLEST, y1 - y0), round((y1 - y0) * scale))
    columns = max(min(SMALLEST, x1 - x0), round((x1 - x0) * scale))
    return Crop(y0, x0, y1, x1, rows, columns)


def _span(first: int, last: int, room: int, size: int) -> tuple[int, int]:
    """``first`` to ``last`` with room on both sides, on the grid, inside 0..size."""
    low = max(0, (first - room) // GRID * GRID)
    high = min(size, -(-(last + 1 + room) // GRID) * GRID)
    return low, high
