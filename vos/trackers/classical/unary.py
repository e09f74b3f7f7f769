"""Unary terms of the classical tracker's energy: motion and appearance, as log-scores that add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...backbones.classical.descriptors import blur
from ...ops.crop import Crop
from ..flow_warping import WarpedMasks


@dataclass(frozen=True)
class FusionSettings:
    """Weights of the unary terms; that of warped labels is 1."""

    RENAMED: ClassVar = {
        "looks": "appearance",
        "heard": "temporal_discount",
        "carried_blur": "warped_blur",
        "doubt": "min_probability",
        "loose_blur": "inconsistent_blur",
        "bad_blur": "poor_flow_blur",
        "bad_free": "poor_flow_distance",
    }

    appearance: float = 2.0
    """Weight of the appearance log-probabilities."""
    temporal_discount: float = 0.5
    """The appearance score is discounted by this part of its previous score at that pixel, since a classifier
    that errs at a pixel errs there in every frame. 0.8 discounts too much."""
    min_probability: float = 0.02
    """Probability left to every label where the warped labels exclude it."""
    warped_blur: float = 1.5
    """Blur in pixels of warped labels: flow is not better than that along outlines."""
    inconsistent_blur: float = 0.03
    """Blur of warped labels where forward and backward flow disagree, in object sizes."""
    free_distance: float = 0.08
    """An object may grow by this much per frame without cost, in object sizes."""
    distance_cost: float = 30.0
    """Cost in nats of lying farther away, per object size."""
    poor_flow_blur: float = 0.15
    """Added to ``inconsistent_blur`` in proportion to how poor the object's flow is as a whole."""
    poor_flow_distance: float = 0.4
    """Added to ``free_distance`` in the same way: an object that was lost may be anywhere near."""


@dataclass(frozen=True, eq=False)
class PreviousAppearance:
    """The appearance scores of a crop, kept for the next frame."""

    crop: Crop
    appearance_log_prob: Floats
    """(1 + K, h, w) float32 log-probabilities."""


def motion_unary(
    warped: WarpedMasks,
    expected: NDArray[np.bool_],
    lost: Sequence[bool],
    reach: Floats,
    min_quality: float,
    settings: FusionSettings,
) -> Floats:
    """(1 + K, h, w) float32 log-scores of background and objects from the warped labels and their distance.

    Args:
        warped: the labels of earlier frames.
        expected: (K, h, w) bool, from where distance is measured.
        lost: K times, whether the object was out of sight in the previous frame. Distance from its older
            labels then costs nothing: flow has moved them along with whatever hides the object.
        reach: (K, h, w) or (K, 1, 1) float32, pixels that cost nothing beside the usual ones.
        min_quality: quality of an object's flow from which on it does not count as poor.
    """
    count, height, width = warped.masks.shape
    scores = np.empty((1 + count, height, width), dtype=np.float32)
    cost = np.zeros_like(scores)
    parts = zip(warped.masks, warped.consistencies, warped.qualities, lost, strict=True)
    for k, (moved, consistency, value, unseen) in enumerate(parts, start=1):
        poor = max(0.0, 1 - value / min_quality)
        size = float(np.sqrt(moved.sum()))
        mask = blur(moved, max(0.1, min(settings.warped_blur, 0.1 * size)))  # keep tiny objects
        size = max(4.0, size)
        wide = blur(mask, max(2.0, (settings.inconsistent_blur + settings.poor_flow_blur * poor) * size))
        scores[k] = consistency * mask + (1 - consistency) * wide
        inside = (mask >= 0.5) | expected[k - 1]
        if inside.any() and not unseen:
            distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
            distance = (distance - reach[k - 1]) / size
            free = settings.free_distance + settings.poor_flow_distance * poor
            cost[k] = settings.distance_cost * np.maximum(0, distance - free)
    scores[0] = np.maximum(0, 1 - scores[1:].sum(axis=0))
    result: Floats = np.log(scores + np.float32(settings.min_probability)) - cost
    return result


def appearance_unary(
    appearance_log_prob: Floats,
    crop: Crop,
    before: PreviousAppearance | None,
    warped: WarpedMasks,
    temporal_discount: float,
) -> Floats:
    """(1 + K, h, w) float32 log-scores of appearance, discounted by a part of the previous ones.

    Args:
        appearance_log_prob: (1 + K, h, w) float32 log-probabilities in ``crop``.
        before: of the previous frame, in a crop of its own; None where there is none.
    """
    if (
        before is None
        or temporal_discount == 0
        or len(before.appearance_log_prob) != len(appearance_log_prob)
    ):
        return appearance_log_prob
    found = warped.correspondence
    here = before.crop.transfer(before.appearance_log_prob, crop)
    return appearance_log_prob - temporal_discount * found.consistency * np.stack(
        [found.warp(plane) for plane in here]
    )
