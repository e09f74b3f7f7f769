"""What time and looks say of every pixel, as scores that add up."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...backbones.classical.descriptors import blur
from ...ops.crop import Window
from ..flow_warping import Carried

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FusionSettings:
    """Weights of the unary terms; that of warped labels is 1."""

    looks: float = 2.0
    """Weight of log-probabilities by looks."""
    heard: float = 0.5
    """Part of what looks said of the same spot in the frame before that is taken off again: a classifier that
    errs about a spot errs in every frame, and must not win by repeating itself. 0.8 forgives too much."""
    doubt: float = 0.02
    """Probability left to every label where the carried labels exclude it."""
    carried_blur: float = 1.5
    """Blur in pixels of carried labels: flow is not better than that along outlines."""
    loose_blur: float = 0.03
    """Blur of carried labels where flow is not trusted, in object sizes."""
    free_distance: float = 0.08
    """An object may grow by this much in a frame without cost, in object sizes."""
    distance_cost: float = 30.0
    """Cost in nats of lying farther away, per object size."""
    bad_blur: float = 0.15
    """Added to ``loose_blur`` in proportion to how bad the object's flow is as a whole."""
    bad_free: float = 0.4
    """Added to ``free_distance`` in the same way: an object lost sight of may be anywhere near."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What looks said of a window, kept for the next frame."""

    window: Window
    log_looks: Floats
    """(1 + K, h, w) float32 log-probabilities."""


def from_the_past(carried: Carried, good: float, settings: FusionSettings) -> Floats:
    """(1 + K, h, w) float32 log-scores of background and objects from the carried labels and their distance.

    ``good`` is the quality of an object's flow from which on it counts as not bad at all.
    """
    count, height, width = carried.masks.shape
    scores = np.empty((1 + count, height, width), dtype=np.float32)
    cost = np.zeros_like(scores)
    pairs = zip(carried.masks, carried.trusts, carried.qualities, strict=True)
    for k, (moved, trust, value) in enumerate(pairs, start=1):
        bad = max(0.0, 1 - value / good)
        size = float(np.sqrt(moved.sum()))
        mask = blur(moved, max(0.1, min(settings.carried_blur, 0.1 * size)))  # tiny objects stay
        size = max(4.0, size)
        loose = blur(mask, max(2.0, (settings.loose_blur + settings.bad_blur * bad) * size))
        scores[k] = trust * mask + (1 - trust) * loose
        inside = mask >= 0.5
        if inside.any():
            distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3) / size
            free = settings.free_distance + settings.bad_free * bad
            cost[k] = settings.distance_cost * np.maximum(0, distance - free)
    scores[0] = np.maximum(0, 1 - scores[1:].sum(axis=0))
    result: Floats = np.log(scores + np.float32(settings.doubt)) - cost
    return result


def from_looks(
    log_looks: Floats, window: Window, before: Evidence | None, carried: Carried, heard: float
) -> Floats:
    """(1 + K, h, w) float32 log-scores from looks, less the part ``heard`` of what they said before.

    Args:
        log_looks: (1 + K, h, w) float32 log-probabilities in ``window``.
        before: of the previous frame, in a window of its own; None where there is none.
    """
    if before is None or heard == 0 or len(before.log_looks) != len(log_looks):
        return log_looks
    found = carried.correspondence
    here = before.window.transfer(before.log_looks, window)
    return log_looks - heard * found.trust * np.stack([found.pull(said) for said in here])
