"""Mask perturbation: the inputs from which a network learns to refine masks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats


@dataclass(frozen=True)
class PerturbationSettings:
    """How rough; lengths are in object sizes (the square root of the area)."""

    shift: float = 0.08
    """Spread of the displacement."""
    bend: float = 0.06
    """Spread of the local displacement, on top of it."""
    swell: float = 0.06
    """Spread of growing or shrinking."""
    blobs: int = 4
    """Most pieces taken off or added at the outline, and most holes."""
    blob: tuple[float, float] = (0.06, 0.35)
    """Least and greatest half axes of a piece."""
    soft: float = 0.04
    """Greatest blur."""

    def times(self, factor: float) -> PerturbationSettings:
        """So much as rough."""
        least, most = self.blob
        return PerturbationSettings(
            factor * self.shift,
            factor * self.bend,
            factor * self.swell,
            round(factor * self.blobs),
            (least, max(least, factor * most)),
            self.soft,
        )


def perturb_mask(
    mask: NDArray[np.bool_], rng: np.random.Generator, settings: PerturbationSettings | None = None
) -> Floats:
    """(h, w) float32 in 0..1: an (h, w) bool mask moved, bent, grown or shrunk, with holes and spill.

    An empty mask stays empty.
    """
    settings = settings or PerturbationSettings()
    if not mask.any():
        return mask.astype(np.float32)
    size = max(4.0, float(np.sqrt(mask.sum())))
    moved = _bent(mask.astype(np.float32), size, rng, settings)
    distance = _signed_distance(moved >= 0.5)
    rough = (distance > rng.normal(0, settings.swell) * size).astype(np.float32)
    for _ in range(int(rng.integers(settings.blobs + 1))):
        _repaint(rough, size, rng, settings)
    blur = rng.uniform(0.1, max(0.2, settings.soft * size))
    result: Floats = cv2.GaussianBlur(rough, (0, 0), float(blur))
    return result


def _bent(mask: Floats, size: float, rng: np.random.Generator, settings: PerturbationSettings) -> Floats:
    """The mask, displaced by a smooth random field."""
    height, width = mask.shape
    field = rng.normal(0, settings.bend * size, (2, 4, 4)).astype(np.float32)
    shift = rng.normal(0, settings.shift * size, 2).astype(np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    dx, dy = (cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in field)
    moved: Floats = cv2.remap(mask, columns + dx + shift[0], rows + dy + shift[1], cv2.INTER_LINEAR)
    return moved


def _signed_distance(mask: NDArray[np.bool_]) -> Floats:
    """(h, w) float32 pixels to the outline, above 0 inside."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(inside - outside, np.float32)


def _repaint(rough: Floats, size: float, rng: np.random.Generator, settings: PerturbationSettings) -> None:
    """Paint an ellipse near the outline, or inside, as the object or as not, in place."""
    outline = cv2.morphologyEx(rough, cv2.MORPH_GRADIENT, np.ones((3, 3), np.float32)) > 0
    rows, columns = np.nonzero(outline if rng.random() < 0.75 else rough > 0.5)
    if not len(rows):
        return
    at = int(rng.integers(len(rows)))
    axes = tuple(max(1, int(size * np.exp(rng.uniform(*np.log(settings.blob))))) for _ in range(2))
    value = float(rng.random() < 0.5)
    cv2.ellipse(rough, (int(columns[at]), int(rows[at])), axes, float(rng.uniform(0, 180)), 0, 360, value, -1)
