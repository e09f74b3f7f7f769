"""Several instances of one category in an image: find the target, remove it, search again.

The multi-object script of PerSAM does this by painting found regions black
and encoding the image again. Here the image is encoded once, and found regions are taken out of the
similarity map: no black shapes mislead the features, and another instance costs a few decoder passes only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...backbones.base import Backbone, FrameFeatures
from .feature_geometry import AlignedGeometry, FeatureGeometry
from .images import LearnedTarget, PersamSettings, TargetMatch, find_target

OVERLAP = 0.8
"""A mask with this share of its pixels in earlier ones shows nothing new. An IoU of 0.8 with an earlier mask,
upstream's criterion, is a case of it."""
LIKENESS = 0.5
"""How similar a further instance must be: 0 as the reference's background, 1 as the target there."""


@dataclass(frozen=True, eq=False)
class TargetInstance:
    """One of the things found in an image."""

    mask: NDArray[np.bool_]
    """(H, W) bool, without the pixels of earlier instances."""
    found: TargetMatch


@torch.inference_mode()
def similarity_range(
    features: FrameFeatures,
    mask: NDArray[np.bool_],
    target: LearnedTarget,
    view: FeatureGeometry | None = None,
) -> tuple[float, float]:
    """Mean similarity of the background of the reference image, and of the target there.

    Args:
        features: of the reference image.
        mask: (H, W) bool, the target in it, not empty.
        target: what was learned from the two.
        view: how features are read.
    """
    view = view or AlignedGeometry()
    prior = view.prior(features, view.similarity(features, target.embedding.direction)).cpu().numpy()
    inside = float(prior[mask].mean())
    outside = float(prior[~mask].mean()) if not mask.all() else float(prior.min())
    return outside, inside


def similarity_threshold(
    features: FrameFeatures,
    mask: NDArray[np.bool_],
    target: LearnedTarget,
    view: FeatureGeometry | None = None,
) -> float:
    """The similarity that a further instance needs, :data:`LIKENESS` of the :func:`similarity_range`."""
    outside, inside = similarity_range(features, mask, target, view)
    return outside + LIKENESS * (inside - outside)


def find_instances(
    backbone: Backbone,
    features: FrameFeatures,
    target: LearnedTarget,
    settings: PersamSettings | None = None,
    view: FeatureGeometry | None = None,
    *,
    limit: int,
    threshold: float,
) -> list[TargetInstance]:
    """Up to ``limit`` instances of the target in the image that ``features`` are of, most similar first.

    The first is always there, as with :func:`~vos.trackers.persam.images.find_target`, be its mask empty or
    not. The search ends early where no pixel left is as similar as ``threshold``, where a mask shows
    nothing new, or where what is new in it is on average less similar than ``threshold``.
    """
    first = find_target(backbone, features, target, settings, view)
    instances = [TargetInstance(first.mask, first)]
    taken = first.mask
    while len(instances) < limit and taken.any() and not taken.all():
        found = find_target(backbone, features, target, settings, view, exclude=taken)
        mask, prior = found.mask, found.prior.cpu().numpy()
        new = mask & ~taken
        if prior.max() < threshold or new.sum() <= (1 - OVERLAP) * mask.sum():
            break
        if prior[new].mean() < threshold:
            break
        instances.append(TargetInstance(new, found))
        taken = taken | new
    return instances


def to_labels(instances: list[TargetInstance]) -> NDArray[np.uint8]:
    """(H, W) uint8 instance map: instance n, from 1, where its mask is."""
    labels = np.zeros(instances[0].mask.shape, dtype=np.uint8)
    for number, instance in enumerate(instances, start=1):
        labels[instance.mask] = number
    return labels
