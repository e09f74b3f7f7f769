"""First masks: evidence of the network, of motion, of colours and of position, joined over image regions.

The log-odds that a region belongs to the object are a weighted sum. Its colours are compared with those of
the regions that are likely on the object and off it, and again with what follows from that, as in GrabCut
(Rother et al., 2004), but with probabilities in place of a labelling. A minimum cut makes a mask of them.
Constants added to the log-odds make a smaller and a larger one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...prompts import Prompt
from ..classical.energy import CERTAIN, border_costs, colour_unary, connected_to, geodesic, minimum_cut
from ..classical.quality import agreement_with
from ..classical.unary import clicked_regions, enclosure, regions_outside
from ..classical.working_crop import RegionCrop
from ..image_crop import Floats, resized
from .choice import LARGE

Bools = NDArray[np.bool_]

NEAREST = 0.1
"""Added to the length of ways, whose logarithm is taken."""
PER_PIXEL = 0.05
"""What a pixel of way costs beside contrast."""
LIMIT = 3.0
"""Log-odds at most in the cut, either way."""


@dataclass(frozen=True)
class FusionSettings:
    """Weights of log-odds.

    Between two logistic fits over regions, with and without motion, on first frames of DAVIS 2016/dev and
    DAVIS-2016-train, rounded; cross-validated over sequences, the fits themselves are no better.
    """

    network: float = 0.3
    motion: float = 0.3
    colour: float = 0.85
    near: float = 1.4
    """Of the logarithm of the way from a point, along which contrast counts."""
    enclosed: float = 0.5
    """Of the contrast between a region and the outside of a box."""
    point_bias: float = 2.9
    """Constant, for points."""
    box_bias: float = -0.2
    """Constant, for a box."""
    rounds: int = 2
    """How often colours are compared."""
    smoothness: float = 2.0
    """Cost of the outline, as in :func:`~vos.backbones.classical.energy.border_costs`."""
    extent: float = 1.2
    """Constant taken off for the smaller candidate, and added for the larger one."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the network and motion say in the pixels of a crop; (h, w), at any resolution."""

    logits: Floats
    """Of the network, with motion among its inputs."""
    probability: Floats
    """Of the network and motion together."""
    motion: Floats | None
    """Log-odds; None where there are none."""


def fuse(
    crop: RegionCrop, prompt: Prompt, evidence: Evidence, settings: FusionSettings
) -> list[tuple[Bools, float]]:
    """(h, w) masks in the pixels of the crop and the IoU expected of each; the first one is meant.

    The expected IoU is the soft one with the probabilities of the regions.

    Args:
        crop: regions of the surroundings.
        prompt: points, at least one of them on the object, or a box.
        evidence: for the same part of the image.
        settings: weights.
    """
    regions = crop.regions
    inside, outside = clicked_regions(crop, prompt)
    if prompt.box is not None:
        outside |= regions_outside(regions, crop.edges(prompt.box)) & ~inside
        fixed = settings.enclosed * enclosure(regions, outside) + settings.box_bias
    else:
        way = geodesic(regions, inside, threshold=0.0, per_pixel=PER_PIXEL) if inside.any() else 1.0
        fixed = settings.point_bias - settings.near * np.log(NEAREST + way)

    def mean(values: Floats) -> Floats:
        return regions.mean(resized(values, regions.size))

    fixed = fixed + settings.network * mean(evidence.logits)
    if evidence.motion is not None:
        fixed = fixed + settings.motion * mean(evidence.motion)
    probability = _constrained(mean(evidence.probability), inside, outside)
    odds = fixed
    for _ in range(settings.rounds):
        odds = fixed + settings.colour * colour_unary(regions, probability, 1 - probability)
        probability = _constrained(1 / (1 + np.exp(-odds)), inside, outside)

    found = []
    costs = border_costs(regions, settings.smoothness)
    for constant in (0.0, -settings.extent, settings.extent):
        unary = np.clip(odds + constant, -LIMIT, LIMIT).astype(np.float32)
        unary[outside], unary[inside] = -CERTAIN, CERTAIN
        chosen = minimum_cut(regions, unary, costs)
        if prompt.box is None and inside.any():
            chosen = connected_to(regions, chosen, inside)
        if not chosen.any():
            chosen[int(np.where(outside, -np.inf, odds).argmax())] = True
        found.append(chosen)
    quality = agreement_with(regions, np.stack(found), probability)
    answers = [(chosen[regions.labels], float(q)) for chosen, q in zip(found, quality, strict=True)]
    return answers if prompt.box is not None else _large_last(answers)


def _large_last(answers: Sequence[tuple[Bools, float]]) -> list[tuple[Bools, float]]:
    return sorted(answers, key=lambda answer: float(answer[0].mean()) > LARGE)


def _constrained(probability: Floats, inside: Bools, outside: Bools) -> Floats:
    values = np.where(outside, 0, np.where(inside, 1, probability))
    return values.astype(np.float32)
