"""Masks by hand: brush, eraser and polygons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Mask
from ..errors import InputError

SHIFT = 4
"""Binary digits behind the point of coordinates: sixteenths of a pixel."""
LARGEST = 1e5
TOOLS = {"brush": True, "eraser": False, "polygon": True, "cut": False}
"""Tool -> what its pixels become."""


def paint(mask: Mask, strokes: Sequence[Any]) -> Mask:
    """A copy of an (H, W) mask with strokes painted on it, in order.

    Args:
        mask: what to paint on.
        strokes: ``{"tool": "brush" | "eraser", "points": [[x, y], ...], "size": diameter}``, a line with
            round ends, or ``{"tool": "polygon" | "cut", "points": [...]}``; in pixels, the centre of the
            first pixel is (0, 0).

    Raises:
        InputError: for a malformed stroke.
    """
    canvas = np.ascontiguousarray(mask, np.uint8)
    canvas = canvas.copy() if canvas.base is not None or canvas is mask else canvas
    for stroke in strokes:
        if not isinstance(stroke, dict) or stroke.get("tool") not in TOOLS:
            raise InputError(f"a stroke needs a 'tool': {', '.join(TOOLS)}; got {stroke!r:.100}")
        points = _points(stroke)
        value = int(TOOLS[stroke["tool"]])
        if stroke["tool"] in ("polygon", "cut"):
            if len(points) < 3:
                raise InputError(f"a {stroke['tool']} needs at least 3 points, got {len(points)}")
            fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
            cv2.fillPoly(canvas, [fixed], value, shift=SHIFT)
        else:
            _line(canvas, points, _size(stroke), value)
    return canvas.astype(bool)


def fill_holes(mask: Mask) -> Mask:
    """The mask with everything filled that is enclosed by it."""
    height, width = mask.shape
    outside = np.zeros((height + 2, width + 2), np.uint8)
    outside[1:-1, 1:-1] = mask
    cv2.floodFill(outside, None, (0, 0), 2)
    return np.asarray(outside[1:-1, 1:-1] != 2)


def _line(canvas: NDArray[np.uint8], points: NDArray[np.float64], size: float, value: int) -> None:
    fixed = np.rint(points * (1 << SHIFT)).astype(np.int32)
    radius = max(0, round((size - 1) / 2 * (1 << SHIFT)))
    for point in fixed:
        cv2.circle(canvas, point.tolist(), radius, value, cv2.FILLED, shift=SHIFT)
    if len(fixed) > 1:
        cv2.polylines(canvas, [fixed], False, value, max(1, round(size)), shift=SHIFT)


def _points(stroke: dict[str, Any]) -> NDArray[np.float64]:
    try:
        points = np.array(stroke.get("points"), np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not (abs(points) < LARGEST).all():
        raise InputError("the points of a stroke must be a list of [x, y]")
    return points


def _size(stroke: dict[str, Any]) -> float:
    size = stroke.get("size", 1)
    if isinstance(size, bool) or not isinstance(size, int | float) or not math.isfinite(size):
        raise InputError(f"the size of a stroke must be a number, got {size!r}")
    if not 0 < size <= 4096:
        raise InputError(f"the size of a stroke must be above 0 and at most 4096 pixels, got {size}")
    return float(size)
