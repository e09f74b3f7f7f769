"""What a clip is to the renderer. Time counts in frames and may be fractional."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .solid import Solid

FPS = 24


@dataclass(frozen=True)
class Camera:
    """A thin-lens camera."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    width: float
    """Width of the picture over its distance: twice the tangent of half the horizontal angle."""
    focus: float
    """Distance of the plane in focus."""
    lens: float
    """Radius of the lens: depth of field."""


@dataclass(frozen=True)
class Story:
    """What happens in a clip: where the camera and everything that stands on the floor are at a time."""

    num_frames: int
    camera: Callable[[float], Camera]
    toys: Callable[[float], list[Solid]]
    size: tuple[int, int] = (360, 640)
    """(height, width) that the clip is rendered in."""
    num_samples: int = 9
    """Rays per pixel."""
    shared: int = 3
    """So many samples share one look at soft light and reflections."""


def keyed(t: float, keys: list[tuple[float, float]]) -> float:
    """A smooth curve through (time, value) keys that never overshoots (Fritsch and Carlson 1980)."""
    x, y = np.array(keys, dtype=float).T
    if t <= x[0] or t >= x[-1]:
        return float(y[0] if t <= x[0] else y[-1])
    h, slope = np.diff(x), np.diff(y) / np.diff(x)
    tangent = np.zeros(len(x))
    tangent[0], tangent[-1] = slope[0], slope[-1]
    for i in range(1, len(x) - 1):
        if slope[i - 1] * slope[i] > 0:
            a, b = 2 * h[i] + h[i - 1], h[i] + 2 * h[i - 1]
            tangent[i] = (a + b) / (a / slope[i - 1] + b / slope[i])
    i = int(np.searchsorted(x, t, side="right") - 1)
    s = (t - x[i]) / h[i]
    return float(
        y[i] * (1 + 2 * s) * (1 - s) ** 2
        + y[i + 1] * s * s * (3 - 2 * s)
        + h[i] * (tangent[i] * s * (1 - s) ** 2 - tangent[i + 1] * s * s * (1 - s))
    )
