"""Where a lost object may reappear: re-identification by motion and appearance.

An occluded object is assumed to keep its velocity for some frames; one that left the image, to reappear where
it left. The longer it is lost, the farther from its predicted position it may reappear. That distance grows
quickly for an object of unique appearance, and slowly for one that looks like another object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...arrays import Floats
from ...ops.crop import Crop


@dataclass(frozen=True)
class ReappearanceSettings:
    """How far from its predicted position an object may reappear; lengths are in object sizes."""

    RENAMED: ClassVar = {
        "slowing": "velocity_decay",
        "reach": "free_distance",
        "growth": "distance_growth",
        "double_growth": "lookalike_growth",
    }

    momentum: float = 0.7
    """Momentum of the velocity: the part that is kept from frame to frame."""
    velocity_decay: float = 0.9
    """Factor on the velocity of a lost object, per frame."""
    free_distance: float = 1.0
    """Distance that costs nothing in the first frame in which the object is lost."""
    distance_growth: float = 0.3
    """Added to it per frame."""
    lookalike_growth: float = 0.05
    """The same for an object that looks like another one."""
    cost: float = 30.0
    """Cost in nats per object size beyond it. 0 lets objects reappear anywhere."""


@dataclass(frozen=True)
class Trajectory:
    """Position and velocity of an object, visible or lost."""

    centre: tuple[float, float]
    """(x, y) in pixels of the frame."""
    velocity: tuple[float, float] | None = None
    """(dx, dy) in pixels per frame; None until it has been visible twice."""

    def seen(self, centre: tuple[float, float], visible: float, settings: ReappearanceSettings) -> Trajectory:
        """After a frame with the object at ``centre``; ``visible``, in 0..1: how much of it is visible."""
        step = centre[0] - self.centre[0], centre[1] - self.centre[1]
        if self.velocity is None:
            return Trajectory(centre, step)
        new = (1 - settings.momentum) * visible
        dx, dy = ((1 - new) * v + new * d for v, d in zip(self.velocity, step, strict=True))
        return Trajectory(centre, (dx, dy))

    def unseen(self, size: tuple[int, int], settings: ReappearanceSettings) -> Trajectory:
        """After a frame of (height, width) in which it is lost."""
        dx, dy = self.velocity or (0.0, 0.0)
        x, y = self.centre[0] + dx, self.centre[1] + dy
        return Trajectory(
            (float(np.clip(x, 0, size[1] - 1)), float(np.clip(y, 0, size[0] - 1))),
            (settings.velocity_decay * dx, settings.velocity_decay * dy),
        )

    def ahead(self, point: tuple[float, float], area: float) -> float:
        """In -1..1: how far ahead of the object, along its way, a point (x, y) of the frame is.

        Args:
            area: usual area of the object in pixels of the frame; 1 is its size ahead.
        """
        dx, dy = self.velocity or (0.0, 0.0)
        speed = float(np.hypot(dx, dy))
        if speed == 0:
            return 0.0
        way = ((point[0] - self.centre[0]) * dx + (point[1] - self.centre[1]) * dy) / speed
        return float(np.clip(way / max(4.0, area**0.5), -1, 1))

    def cost(
        self, crop: Crop, area: float, frames_lost: int, likeness: float, settings: ReappearanceSettings
    ) -> Floats:
        """(h, w) float32 cost in nats of reappearing at each pixel of the crop.

        Args:
            crop: the working crop.
            area: usual area of the object in pixels of the frame.
            frames_lost: frames for which it has been lost.
            likeness: in 0..1, to the object that looks most like it.
        """
        size = max(4.0, area**0.5)
        growth = (1 - likeness) * settings.distance_growth + likeness * settings.lookalike_growth
        x = (np.arange(crop.width) + 0.5) * (crop.x1 - crop.x0) / crop.width + crop.x0 - self.centre[0]
        y = (np.arange(crop.height) + 0.5) * (crop.y1 - crop.y0) / crop.height + crop.y0 - self.centre[1]
        distance = np.hypot(x[None], y[:, None]).astype(np.float32) / np.float32(size)
        free = settings.free_distance + growth * frames_lost
        return np.float32(settings.cost) * np.maximum(distance - np.float32(free), 0)
