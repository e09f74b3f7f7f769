"""Where an object that is out of sight may come back: re-identification by motion, and by looks.

An object that went behind something goes on as it went before, for some frames; one that left the picture
comes back where it left. The longer it is gone, the farther from there it may be. What tells how far is
whether its looks can be trusted: an object like no other is known by them wherever it turns up, one that has
a double among the objects is known by its place alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...ops.crop import Crop

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ReappearanceSettings:
    """How far from its predicted place an object is believed to be back; lengths are in object sizes."""

    momentum: float = 0.7
    """Part of the velocity that is kept from frame to frame; the rest is the newest one."""
    slowing: float = 0.9
    """Factor on the velocity of an object out of sight, per frame."""
    reach: float = 1.0
    """Distance that costs nothing in the first frame out of sight."""
    growth: float = 0.3
    """Added to it per frame."""
    double_growth: float = 0.05
    """The same for an object that looks like another one."""
    cost: float = 30.0
    """Cost in nats per object size beyond it. 0 lets objects come back anywhere."""


@dataclass(frozen=True)
class Trajectory:
    """Where an object is, seen or not, and how it moves."""

    centre: tuple[float, float]
    """(x, y) in pixels of the frame."""
    velocity: tuple[float, float] | None = None
    """(dx, dy) in pixels per frame; None until it has been seen twice."""

    def seen(self, centre: tuple[float, float], visible: float, settings: ReappearanceSettings) -> Trajectory:
        """After a frame with the object at ``centre``; ``visible``, in 0..1: how much of it is to be seen."""
        step = centre[0] - self.centre[0], centre[1] - self.centre[1]
        if self.velocity is None:
            return Trajectory(centre, step)
        new = (1 - settings.momentum) * visible
        dx, dy = ((1 - new) * v + new * d for v, d in zip(self.velocity, step, strict=True))
        return Trajectory(centre, (dx, dy))

    def unseen(self, size: tuple[int, int], settings: ReappearanceSettings) -> Trajectory:
        """After a frame of (height, width) in which it is out of sight."""
        dx, dy = self.velocity or (0.0, 0.0)
        x, y = self.centre[0] + dx, self.centre[1] + dy
        return Trajectory(
            (float(np.clip(x, 0, size[1] - 1)), float(np.clip(y, 0, size[0] - 1))),
            (settings.slowing * dx, settings.slowing * dy),
        )

    def cost(
        self, crop: Crop, area: float, frames_lost: int, double: float, settings: ReappearanceSettings
    ) -> Floats:
        """(h, w) float32 cost in nats of coming back at each pixel of the crop.

        Args:
            crop: what is worked on.
            area: usual area of the object in pixels of the frame.
            frames_lost: for how many frames it has been out of sight.
            double: 0..1, how much it looks like another object.
        """
        size = max(4.0, area**0.5)
        growth = (1 - double) * settings.growth + double * settings.double_growth
        x = (np.arange(crop.width) + 0.5) * (crop.x1 - crop.x0) / crop.width + crop.x0 - self.centre[0]
        y = (np.arange(crop.height) + 0.5) * (crop.y1 - crop.y0) / crop.height + crop.y0 - self.centre[1]
        distance = np.hypot(x[None], y[:, None]).astype(np.float32) / np.float32(size)
        free = settings.reach + growth * frames_lost
        return np.float32(settings.cost) * np.maximum(distance - np.float32(free), 0)
