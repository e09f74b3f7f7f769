"""An object that is partly hidden, and where its hidden part may come out.

A bus that passes behind a tree comes out on the other side of it, apart from what is still seen of it and
farther away than an object grows in a frame. There it is accepted at no cost, as far as the hidden part is
large, where the image moves as the object does: something else that looks like it moves differently. Where
there are several objects, their shapes say this better (:mod:`vos.trackers.classical.shape`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...arrays import Floats
from ...results import Labels
from ..flow_warping import WarpedMasks
from .state import ObjectState


@dataclass(frozen=True)
class OcclusionSettings:
    """Where the hidden part of an object is looked for.

    Distances are in usual sizes (the root of the usual area) times the hidden share of that area.
    """

    margin: float = 1.0
    """Room added around the object. Half of it is not enough for a bus behind a tree."""
    distance: float = 2.0
    """How far the object may lie from what is seen of it without cost: what is hidden of a long object is
    longer than the root of its area."""
    min_motion: float = 2.0
    """Least motion score there, in nats. With 0.5 a second rider was taken for the first (bmx-bumps -9)."""
    ignored: float = 0.1
    """A hidden share up to this is taken for a change of pose: nothing is expected to come out."""
    max_objects: int = 1
    """With more objects than this, shapes are used in its place."""


def hidden_share(area: float, usual: float, ignored: float = 0.0) -> float:
    """In 0..1: by how much of its usual area, less ``ignored``, an object is smaller than usual."""
    return max(0.0, 1 - area / usual - ignored) if usual > 0 else 0.0


def hidden_margin(labels: Labels, objects: Sequence[ObjectState], settings: OcclusionSettings) -> int:
    """Room around the objects, in pixels of the frame, in which hidden parts may come out.

    Args:
        labels: (H, W) ids in the previous frame.
        objects: the objects after it.
    """
    if len(objects) > settings.max_objects:
        return 0
    sizes = [
        math.sqrt(o.usual_area) * hidden_share(float(np.count_nonzero(labels == o.object_id)), o.usual_area)
        for o in objects
    ]
    return int(settings.margin * max(sizes, default=0.0))


def hidden_reach(
    warped: WarpedMasks, usual: Sequence[float], moving: Floats, settings: OcclusionSettings
) -> Floats:
    """(K, h, w) float32: how far from what is seen of it an object may lie, in pixels of the working crop.

    Where there are more than ``max_objects`` it is (K, 1, 1) and 0.

    Args:
        warped: the objects' masks, warped to this image.
        usual: their usual areas in pixels of the crop.
        moving: (K, h, w) float32 motion scores.
    """
    if len(usual) > settings.max_objects:
        return np.zeros((len(usual), 1, 1), np.float32)
    result = np.zeros_like(warped.masks)
    for k, (mask, whole) in enumerate(zip(warped.masks, usual, strict=True)):
        share = hidden_share(float(mask.sum()), whole, settings.ignored)
        result[k] = settings.distance * share * math.sqrt(whole) * (moving[k] >= settings.min_motion)
    return result
