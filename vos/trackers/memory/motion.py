"""The motion model of SAMURAI (Yang et al. 2024, arXiv 2411.11922): a Kalman filter on boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import Doubles
from ...ops.boxes import tight_box

_POSITION, _VELOCITY = 1 / 20, 1 / 160
"""Standard deviations of position and velocity, as shares of the box's height."""
_STEP = np.eye(8) + np.eye(8, k=4)
"""Constant velocity for one frame."""


class BoxFilter:
    """A box as centre x, centre y, width / height and height, with their velocities.

    Args:
        mean: (8,) float64.
        covariance: (8, 8) float64.
    """

    def __init__(self, mean: Doubles, covariance: Doubles) -> None:
        self.mean, self.covariance = mean, covariance

    @classmethod
    def start(cls, box: Doubles) -> BoxFilter:
        """At a box (x0, y0, x1, y1), at rest."""
        measured = _measurement(box)
        height = measured[3]
        near, slow = 2 * _POSITION * height, 10 * _VELOCITY * height
        deviations = np.array([near, near, 1e-2, near, slow, slow, 1e-5, slow])
        return cls(np.concatenate((measured, np.zeros(4))), np.diag(deviations**2))

    def predict(self) -> BoxFilter:
        """One frame later."""
        height = self.mean[3]
        near, slow = _POSITION * height, _VELOCITY * height
        noise = np.diag(np.array([near, near, 1e-2, near, slow, slow, 1e-5, slow]) ** 2)
        return BoxFilter(_STEP @ self.mean, _STEP @ self.covariance @ _STEP.T + noise)

    def update(self, box: Doubles) -> BoxFilter:
        """After a box was seen."""
        near = _POSITION * self.mean[3]
        noise = np.diag(np.array([near, near, 1e-1, near]) ** 2)
        expected = self.covariance[:4, :4] + noise
        gain = np.linalg.solve(expected, self.covariance[:4]).T
        mean = self.mean + gain @ (_measurement(box) - self.mean[:4])
        return BoxFilter(mean, self.covariance - gain @ expected @ gain.T)

    @property
    def box(self) -> Doubles:
        """(x0, y0, x1, y1)."""
        x, y, ratio, height = self.mean[:4]
        width = ratio * height
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])

    def to_dict(self) -> dict[str, Any]:
        """Its arrays."""
        return {"mean": self.mean, "covariance": self.covariance}


def _measurement(box: Doubles) -> Doubles:
    x0, y0, x1, y1 = (float(value) for value in box)
    height = y1 - y0 or 1.0
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / height, height])


def mask_box(mask: NDArray[np.bool_]) -> Doubles:
    """(4,) x0, y0, x1, y1 of a mask's pixels, inclusive indices; zeros for an empty one."""
    return np.array(tight_box(mask) or (0, 0, 0, 0), np.float64)


def corner_iou(one: Doubles, other: Doubles) -> float:
    """IoU of two boxes by the distances of their corners, as SAMURAI computes it; 0 where either is empty.

    A box of inclusive indices is so a pixel smaller on each axis than for :func:`vos.ops.boxes.box_iou`.
    """
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    inner = float(np.prod(np.maximum(sides, 0)))
    areas = [float(np.prod(np.maximum(box[2:] - box[:2], 0))) for box in (one, other)]
    union = sum(areas) - inner
    return inner / union if inner > 0 and union > 0 else 0.0
