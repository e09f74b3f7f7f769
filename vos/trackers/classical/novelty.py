"""Novelty: how unlike the background of the newest frames a pixel is.

A classifier is as sure of what it has never seen as of what it knows. When an object turns, the side that
comes into view is most often called background, and once lost it is learned as background. So scores against
an object count less where a pixel moves with it and is unlike all background around it in the newest frames.
What is like the background (water around a swan, a car's shadow) is not novel, and neither is ground that
comes into view behind the object: it does not move along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...arrays import Floats
from ...backbones.classical.descriptors import OWN_SIZE, Descriptors
from ...ops.distances import squared_distances
from .appearance import Appearance, Examples


@dataclass(frozen=True)
class NoveltySettings:
    """Settings of novelty."""

    discount: float = 0.8
    """Part of the appearance score against an object that does not count at a novel pixel. 0 switches novelty
    off."""
    motion: float = 1.0
    """Motion score of an object, in nats, at which a pixel can be fully novel; at 0 and below none is. Ground
    between the legs of a bear, or behind a ball, would be novel otherwise (1.5 points less on each)."""
    margin: float = 8.0
    """Pixels of the working crop on both sides of the outline that are never novel: descriptors mix both
    sides there."""
    most_objects: int = 1
    """With more there is no novelty: what moves along may be part of a neighbour (clips of several objects
    lost 0 to 10 points)."""
    reach: float = 0.3
    """Novelty is computed up to this distance from the objects, in object sizes."""
    stride: int = 3
    """It is computed at every third pixel in both directions."""
    examples: int = 600
    """Background pixels of the newest frames that others are compared with."""
    usual: float = 0.8
    """Quantile of the distances of the newest background to older background: the unit of distance."""
    full: float = 1.5
    """Novelty rises from 0 at a distance of 1 to 1 at this distance."""
    seed: int = 0
    """Of the pixels that are drawn: fixed, so that equal runs give equal masks."""


def novelty(
    descriptors: Descriptors,
    masks: Floats,
    moving: Floats,
    model: Appearance,
    recent: Sequence[Examples],
    settings: NoveltySettings,
) -> Floats:
    """How unlike the background a pixel is.

    Args:
        descriptors: of the (h, w) image.
        masks: (K, h, w) float32 in 0..1, where the objects are expected.
        moving: (K, h, w) float32 motion scores of the objects.
        model: whose normalisation the examples have.
        recent: of the newest frames, oldest first.

    Returns:
        (h, w) float32 in 0..1; 0 far from the objects, on pixels that move with none, with too many objects,
        and where there is too little to compare with.
    """
    result = np.zeros(descriptors.shape, np.float32)
    if settings.discount == 0 or len(masks) > settings.most_objects:
        return result
    rng = np.random.default_rng(settings.seed)
    background = [_background(e, settings.examples, rng) for e in recent]
    inside = masks.max(axis=0) > 0.5
    if len(background) < 2 or not inside.any():
        return result
    older, newest = np.concatenate(background[:-1]), background[-1]
    if min(len(older), len(newest)) == 0:
        return result
    older = older[rng.permutation(len(older))[: settings.examples]]
    unit = float(np.quantile(_nearest(newest, older), settings.usual))
    outside = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 3)
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
    evidence = np.clip(moving.max(axis=0) / settings.motion, 0, 1)
    near = outside < settings.reach * np.sqrt(np.count_nonzero(inside))
    possible = near & (evidence > 0) & ((outside > settings.margin) | (depth > settings.margin))
    if not possible.any():
        return result
    known = np.concatenate([older, newest])
    known = known[rng.permutation(len(known))[: settings.examples]]
    coarse = near[:: settings.stride, :: settings.stride]
    rows, columns = np.nonzero(coarse)
    positions = settings.stride * (rows * near.shape[1] + columns)
    own = slice(0, OWN_SIZE)
    inputs = (descriptors.at(positions, OWN_SIZE) - model.mean[own]) / model.spread[own]
    distance = _nearest(inputs, known) / max(unit, 1e-6)
    small = np.zeros(coarse.shape, np.float32)
    small[coarse] = np.clip((distance - 1) / (settings.full - 1), 0, 1)
    enlarged = cv2.resize(small, near.shape[::-1], interpolation=cv2.INTER_LINEAR)
    result[possible] = (enlarged * evidence)[possible]
    return result


def discounted(scores: Floats, novel: Floats, settings: NoveltySettings) -> Floats:
    """(1 + K, h, w) float32 log-scores of appearance, the background's lowered where a pixel is novel.

    Args:
        scores: (1 + K, h, w) of background and objects.
        novel: (h, w) in 0..1, see :func:`novelty`.
    """
    lead = np.maximum(0, scores[0] - scores[1:].max(axis=0))
    return np.concatenate([scores[:1] - settings.discount * novel * lead, scores[1:]])


def _background(examples: Examples, count: int, rng: np.random.Generator) -> Floats:
    """(N, OWN_SIZE) float32, up to ``count`` of the background examples."""
    found = np.flatnonzero(examples.classes == 0)
    chosen = found[rng.permutation(len(found))[:count]]
    return examples.inputs[chosen, :OWN_SIZE].astype(np.float32)


def _nearest(points: Floats, others: Floats) -> Floats:
    """(N,) float32 distance of each of (N, C) points to the nearest of (M, C) others."""
    return np.sqrt(np.maximum(squared_distances(points, others).min(axis=1), 0))
