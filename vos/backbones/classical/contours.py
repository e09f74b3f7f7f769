"""Hypotheses near a mask prompt: its contour, refined to image edges.

Three unary terms for every region: its signed distance to the contour of the mask, the likelihood of its
colour under the mask as a whole, and under the nearest part of it. The last is a density in colour and
position, as in bilateral space: two parts of one colour have no influence on each other across the image.
"""

from __future__ import annotations

import cv2
import numpy as np

from ...arrays import Bools, Floats
from .energy import CERTAIN, density_unary, local_unary, minimum_cut
from .regions import Regions
from .unary import UnaryTerms

UNCERTAIN = 0.04
"""Uncertainty of the contour in square roots of the mask's area."""
FARTHEST = 3.0
"""Clip of the signed distance, in uncertainties."""
DEPTH_WEIGHT = 0.4
COLOUR_WEIGHT = 0.5
LOCAL_WEIGHT = 0.2
REACH = 0.25
"""Range of the local term, in square roots of the mask's area."""
KEPT = 0.5
"""Weight of the mask prompt in the labelling that the next round's densities are estimated from."""
ROUNDS = 3
BIASES = (0.0, -0.3, 0.3)
"""Constant added to the unary term; one hypothesis for each, the likeliest first."""


def refine_contour(regions: Regions, terms: UnaryTerms, mask_prompt: Floats, costs: Floats) -> list[Bools]:
    """(n,) labellings close to the mask prompt, which is (h, w) 0..1: one for each of :data:`BIASES`."""
    side = max(float(mask_prompt.sum()) ** 0.5, 2.0)
    depth = np.clip(regions.mean(_depth(mask_prompt > 0.5)) / (UNCERTAIN * side), -FARTHEST, FARTHEST)
    given = 1 / (1 + np.exp(-2 * depth))
    affinity = regions.similarity * regions.proximity(REACH * side)
    found = []
    for bias in BIASES:
        on, chosen = given, given > 0.5
        for _ in range(ROUNDS):
            unary = (
                DEPTH_WEIGHT * depth
                + COLOUR_WEIGHT * density_unary(regions, on, 1 - on)
                + LOCAL_WEIGHT * local_unary(regions, on, 1 - on, affinity)
                + terms.unary
                + np.float32(bias)
            )
            unary[terms.background], unary[terms.seeds] = -CERTAIN, CERTAIN
            chosen = minimum_cut(regions, unary, costs)
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
