"""From maps to masks: a backbone prompted with point pairs, refined twice (VL-SAM)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...backbones.base import Backbone, FrameFeatures
from ...backbones.refinement import keep_best, refine
from ..points import PointPair, point_pair


@dataclass(frozen=True)
class RefineSettings:
    """What the paper leaves open, as options."""

    threshold: float = 0.5
    """tau: share of a map's maximum that a pixel needs to be part of an object."""
    masked_map: Literal["suppress_inside", "keep_inside"] = "suppress_inside"
    """Refinement B: zero the map inside the mask (finds further instances) or outside it (sharper point)."""
    rounds: int = 3
    """Rounds of refinement B at most, the first mask included; 1 switches it off."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold must be above 0 and at most 1, got {self.threshold}")
        if self.rounds < 1:
            raise ValueError(f"rounds must be 1 or more, got {self.rounds}")


@dataclass(frozen=True, eq=False)
class MapInstance:
    """One object's mask."""

    mask: NDArray[np.bool_]
    """(H, W) bool."""
    quality: float
    """The backbone's own estimate of the mask, 0..1."""
    pair: PointPair


def find_instances(
    backbone: Backbone,
    features: FrameFeatures,
    values: NDArray[np.float32],
    settings: RefineSettings = RefineSettings(),
) -> list[MapInstance]:
    """Masks of the objects on an (H, W) map in 0..1 at image size, in the order they were found.

    Each round takes the pair of the masked map, cascades it to a mask (:func:`cascade`) and masks the map
    with the result; the remaining maximum must reach the threshold. With "keep_inside" the last round's
    mask replaces the earlier ones. A map that points nowhere has no instance.
    """
    found: list[MapInstance] = []
    remaining = values
    for _ in range(settings.rounds):
        pair = point_pair(remaining, settings.threshold)
        if pair is None:
            break
        instance = cascade(backbone, features, pair)
        if not instance.mask.any():
            break
        if settings.masked_map == "keep_inside":
            found = [instance]
            remaining = np.where(instance.mask, values, np.float32(0))
        else:
            found.append(instance)
            # The positive area goes too: a mask that misses its own point must not be found again.
            remaining = np.where(instance.mask | pair.area, np.float32(0), remaining)
    return found


def cascade(backbone: Backbone, features: FrameFeatures, pair: PointPair) -> MapInstance:
    """Refinement A: points, then points with the first mask's logits, then with its box as well.

    Where a pass finds nothing, the mask of the pass before it stays.
    """
    prompts = [pair.prompt()]
    found = keep_best(backbone.decode(features, prompts))
    for use_box in (False, True):
        found = refine(backbone, features, prompts, found, use_box=use_box)
    return MapInstance(found.masks[0], float(found.scores[0]), pair)
