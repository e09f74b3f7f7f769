"""An object that is almost hidden where it is given, and comes out later.

From a strip of some pixels at the edge of another object the classifier learns that edge, and is sure that
all the rest is background; flow gives the strip the motion of what hides it. So near such an object the
colours of single pixels decide (a kernel density of those that were its own, of the background and of other
objects when it was given; Parzen, 1962).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...backbones.classical.descriptors import to_lab
from ...ops.distances import squared_distances
from ...results import VOID, Labels
from ..flow_warping import WarpedMasks

COARSE = 0.5
"""Colours are rounded to this part of the bandwidth: so many pixels have few colours."""


@dataclass(frozen=True)
class EmergenceSettings:
    """Which objects are almost hidden where they are given, and how they come out."""

    max_area: float = 150.0
    """Most pixels of the working crop that are seen of such an object: of more the classifier learns enough.
    0 switches it off."""
    max_share: float = 0.2
    """Most of its area, as a share of the area of the object that hides it."""
    min_contact: float = 0.25
    """Least share of its surroundings that is other objects."""
    bandwidth: float = 6.0
    """Standard deviation of the kernels in Lab units."""
    min_density: float = 1e-4
    """Added to a density, relative to that at one of its colours: colours that nothing has say nothing."""
    limit: float = 5.0
    """Clip of the log-probabilities in nats."""
    distance: float = 5.0
    """Colours decide up to this distance from the object in pixels of the working crop,"""
    near: float = 0.3
    """and this one, in object sizes, beyond that."""
    background: int = 1500
    """Background pixels that are compared with; of other objects half as many."""
    own: int = 600
    """Most pixels of the object that are compared with."""
    seed: int = 0
    """Of the pixels that are drawn: fixed, so that equal runs give equal masks."""


@dataclass(frozen=True, eq=False)
class Emerging:
    """Colours of an object that is coming out and of all else, in the frame in which it was given."""

    own: Floats
    """(N, 3) float32 Lab."""
    background: Floats
    """(M, 3) float32 Lab."""
    others: Floats
    """(L, 3) float32 Lab, of the other objects."""


def emerging(
    image: NDArray[np.uint8], labels: Labels, object_id: int, scale: float, settings: EmergenceSettings
) -> Emerging | None:
    """What is known of an object that is almost hidden by another one; None where it is not.

    Args:
        image: (H, W, 3) uint8 RGB, the frame in which it is given.
        labels: (H, W) ids.
        scale: size of the working crop over that of the part of the frame that it shows.
    """
    mask = labels == object_id
    area = int(np.count_nonzero(mask))
    if not 0 < area * scale**2 <= settings.max_area:
        return None
    beside = (cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~mask
    others = (labels > 0) & (labels != VOID) & ~mask
    touched = labels[beside & others]
    largest = max((int(np.count_nonzero(labels == k)) for k in np.unique(touched)), default=0)
    if touched.size < settings.min_contact * np.count_nonzero(beside) or area > settings.max_share * largest:
        return None
    rng = np.random.default_rng(settings.seed)
    lab = to_lab(image)
    return Emerging(
        _some(lab[mask], settings.own, rng),
        _some(lab[labels == 0], settings.background, rng),
        _some(lab[others], settings.background // 2, rng),
    )


def with_emerging(
    log_prob: Floats,
    objects: Sequence[Emerging | None],
    warped: WarpedMasks,
    lab: Floats,
    settings: EmergenceSettings,
) -> Floats:
    """(1 + K, h, w) log-probabilities by appearance; near an object that is coming out those by its colours.

    Args:
        log_prob: (1 + K, h, w) float32 of the classifier; not changed.
        lab: (h, w, 3) float32.
    """
    result = log_prob
    step = np.float32(COARSE * settings.bandwidth)
    for k, (one, mask) in enumerate(zip(objects, warped.masks, strict=True), start=1):
        inside = mask > 0.5
        if one is None or not inside.any():
            continue
        reach = int(settings.distance + settings.near * math.sqrt(np.count_nonzero(inside)))
        near = cv2.dilate(inside.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
        coarse, index = np.unique(np.round(lab[near] / step).astype(np.int32), axis=0, return_inverse=True)
        at = step * coarse.astype(np.float32)
        densities = np.stack(
            [_log_density(at, colours, settings) for colours in (one.background, one.own, one.others)]
        )
        densities = np.maximum(densities - densities.max(axis=0), -settings.limit)[:, index.ravel()]
        result = result.copy() if result is log_prob else result
        result[0][near], result[k][near] = densities[:2]
    return result


def _some(colours: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Up to ``count`` of (N, 3) colours, in random order."""
    return colours[rng.permutation(len(colours))[:count]]


def _log_density(colours: Floats, known: Floats, settings: EmergenceSettings) -> Floats:
    """(N,) float32 log of the mean of Gaussian kernels around ``known`` (M, 3) at ``colours`` (N, 3)."""
    if len(known) == 0:
        return np.full(len(colours), np.log(settings.min_density), np.float32)
    kernels = np.exp(squared_distances(colours, known) * np.float32(-0.5 / settings.bandwidth**2))
    result: Floats = np.log(kernels.mean(axis=1) + np.float32(settings.min_density))
    return result
