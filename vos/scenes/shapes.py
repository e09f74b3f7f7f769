"""Moving textured shapes: where each one is at every frame is a formula, so its mask is exact.

All coordinates are (x, y) in image pixels, with pixel centres at whole numbers. A pixel belongs to a shape
exactly when its centre lies strictly inside the outline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..results import MAX_OBJECTS
from .texture import sample, texture

Path = Callable[[float], tuple[float, float]]
"""Position (x, y) in pixels at a frame index; the index may lie between frames."""

Plane = NDArray[np.float64]


def line(start: tuple[float, float], velocity: tuple[float, float] = (0.0, 0.0)) -> Path:
    """At ``start`` in frame 0, then straight on by ``velocity`` pixels per frame."""
    return lambda t: (start[0] + velocity[0] * t, start[1] + velocity[1] * t)


def loop(centre: tuple[float, float], radii: tuple[float, float], period: float, phase: float = 0.0) -> Path:
    """Round an ellipse once in ``period`` frames; ``phase`` is a fraction of a turn, 0 is the right end."""

    def position(t: float) -> tuple[float, float]:
        angle = 2 * np.pi * (t / period + phase)
        return centre[0] + radii[0] * float(np.cos(angle)), centre[1] + radii[1] * float(np.sin(angle))

    return position


def shuttle(start: tuple[float, float], turn: tuple[float, float], period: float) -> Path:
    """From ``start`` to ``turn`` and back in ``period`` frames, gently, over and over."""

    def position(t: float) -> tuple[float, float]:
        share = 0.5 - 0.5 * float(np.cos(2 * np.pi * t / period))
        return start[0] + (turn[0] - start[0]) * share, start[1] + (turn[1] - start[1]) * share

    return position


OUTLINES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "disc": lambda u, v: np.hypot(u, v) - 1,
    "box": lambda u, v: np.maximum(np.abs(u), np.abs(v)) - 1,
    "triangle": lambda u, v: np.maximum(v - 0.8, (1.8 * np.abs(u) - v - 1) / 2.06),
    "cross": lambda u, v: np.minimum(
        np.maximum(np.abs(u) - 1, np.abs(v) - 0.36), np.maximum(np.abs(v) - 1, np.abs(u) - 0.36)
    ),
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.7) - 0.3,
    "star": lambda u, v: np.hypot(u, v) - (0.7 + 0.3 * np.cos(5 * np.arctan2(v, u))),
    "blob": lambda u, v: (
        np.hypot(u, v) - (0.8 + 0.13 * np.sin(3 * np.arctan2(v, u)) + 0.07 * np.cos(5 * np.arctan2(v, u)))
    ),
}
"""Name -> signed function of unit coordinates, negative inside, about the distance to the edge. None reaches
beyond 1 in either coordinate."""


@dataclass(frozen=True)
class Shape:
    """One moving shape; ``object_id`` 0 makes it part of the background (something to hide behind)."""

    object_id: int
    """1..254 as in the label map, or 0."""
    path: Path
    """Centre in image pixels."""
    radius: float
    """Half the width in pixels, before ``stretch``."""
    outline: str = "disc"
    """A key of :data:`OUTLINES`."""
    stretch: tuple[float, float] = (1.0, 1.0)
    """Factors along the shape's own axes."""
    angle: float = 0.0
    """Turn at frame 0, radians clockwise on screen."""
    spin: float = 0.0
    """Radians per frame."""
    growth: float = 0.0
    """Relative change of size a frame: 0.01 grows by 1 % of the first size each frame."""
    wobble: float = 0.0
    """Elastic bending in units of the radius, at most 0.3."""
    wobble_period: float = 16.0
    """Frames in which a wobble repeats."""
    colour: tuple[int, int, int] = (200, 80, 60)
    """Mean RGB."""
    contrast: float = 28.0
    """Standard deviation of the texture in grey levels; 0 is a plain colour."""
    texture_seed: int = 1
    """Shapes with the same colour, contrast and seed look exactly alike."""

    def __post_init__(self) -> None:
        if not 0 <= self.object_id <= MAX_OBJECTS:
            raise ValueError(f"object_id must be 0..{MAX_OBJECTS}, got {self.object_id}")
        if self.outline not in OUTLINES:
            raise ValueError(f"outline {self.outline!r} is not one of {', '.join(OUTLINES)}")
        if not self.radius > 0 or not 0 <= self.wobble <= 0.3:
            raise ValueError(f"need radius > 0 and wobble in 0..0.3, got {self.radius} and {self.wobble}")

    def centre(self, t: float) -> tuple[float, float]:
        """(x, y) in image pixels."""
        return self.path(t)

    def signed_distance(self, t: float, x: Plane, y: Plane) -> Plane:
        """About the distance in pixels of image points to the edge at frame ``t``; negative inside."""
        u, v = self.to_unit(t, x, y)
        scale = self._radius_at(t) * min(self.stretch)
        return OUTLINES[self.outline](u, v) * scale

    def shade(self, t: float, x: Plane, y: Plane) -> NDArray[np.float32]:
        """(..., 3) float32 colour in 0..255 of image points; the texture moves with the shape."""
        u, v = self.to_unit(t, x, y)
        texels = texture(self.texture_seed, self.colour, self.contrast)
        # One texel a pixel at the first size: shapes carry detail of the same grain as the background.
        return sample(texels, u * self.radius * self.stretch[0], v * self.radius * self.stretch[1])

    def reach(self, t: float) -> float:
        """No point of the shape is further than this from its centre, in pixels."""
        return self._radius_at(t) * max(self.stretch) * (1 + self.wobble) * float(np.sqrt(2)) + 1

    def to_unit(self, t: float, x: Plane, y: Plane) -> tuple[Plane, Plane]:
        """Image points in the shape's own coordinates, where the outline lies within -1..1."""
        centre_x, centre_y = self.path(t)
        angle = self.angle + self.spin * t
        cosine, sine = np.cos(angle), np.sin(angle)
        dx, dy = x - centre_x, y - centre_y
        radius = self._radius_at(t)
        u = (dx * cosine + dy * sine) / (radius * self.stretch[0])
        v = (dy * cosine - dx * sine) / (radius * self.stretch[1])
        if self.wobble:
            phase = 2 * np.pi * t / self.wobble_period
            u = u + self.wobble * np.sin(2 * v + phase)
            v = v + self.wobble * np.sin(2 * u + 1.7 * phase)
        return u, v

    def _radius_at(self, t: float) -> float:
        # Never smaller than a thousandth of a pixel: a shape may shrink to nothing but not turn inside out.
        return max(self.radius * (1 + self.growth * t), 1e-3)
