"""Hypotheses near a rough mask: its contour, moved to where looks change.

Three things speak for every region: how deep within the mask it lies (or how far off), how much it looks
like the mask as a whole, and how much like the nearest part of it. The last is a density in looks and
places at once, as in bilateral space: two parts of one colour do not speak for each other across the picture.
"""

from __future__ import annotations

import cv2
import numpy as np

from .energy import CERTAIN, Bools, density_evidence, local_evidence, minimum_cut
from .regions import Floats, Regions
from .unary import Evidence

UNCERTAIN = 0.04
"""Uncertainty of the contour in square roots of the mask's area."""
FARTHEST = 3.0
"""Depth, in uncertainties, beyond which a region is not any surer."""
DEPTH_WEIGHT = 0.4
COLOUR_WEIGHT = 0.5
LOCAL_WEIGHT = 0.2
REACH = 0.25
"""How far a region speaks for others, in square roots of the mask's area."""
KEPT = 0.5
"""Share of the mask as it was given in what the next round learns from."""
ROUNDS = 3
BIASES = (0.0, -0.3, 0.3)
"""Evidence added to every region; one hypothesis for each, the likeliest first."""


def retrace(regions: Regions, evidence: Evidence, rough: Floats, costs: Floats) -> list[Bools]:
    """(n,) labellings close to the rough mask, which is (h, w) 0..1: one for each of :data:`BIASES`."""
    side = max(float(rough.sum()) ** 0.5, 2.0)
    depth = np.clip(regions.mean(_depth(rough > 0.5)) / (UNCERTAIN * side), -FARTHEST, FARTHEST)
    given = 1 / (1 + np.exp(-2 * depth))
    affinity = regions.alike * regions.nearby(REACH * side)
    found = []
    for bias in BIASES:
        on, chosen = given, given > 0.5
        for _ in range(ROUNDS):
            pull = (
                DEPTH_WEIGHT * depth
                + COLOUR_WEIGHT * density_evidence(regions, on, 1 - on)
                + LOCAL_WEIGHT * local_evidence(regions, on, 1 - on, affinity)
                + evidence.lean
                + np.float32(bias)
            )
            pull[evidence.barred], pull[evidence.seeds] = -CERTAIN, CERTAIN
            chosen = minimum_cut(regions, pull, costs)
            if not chosen.any():
                break
            on = KEPT * given + (1 - KEPT) * chosen
        found.append(chosen)
    return found


def _depth(mask: Bools) -> Floats:
    """(h, w) pixels to the contour of an (h, w) mask, positive inside."""
    inside, outside = (cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 3) for m in (mask, ~mask))
    limit = float(max(mask.shape))  # without any contour OpenCV says very far
    depth: Floats = np.minimum(inside, limit) - np.minimum(outside, limit)
    return depth
