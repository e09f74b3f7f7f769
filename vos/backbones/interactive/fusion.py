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

from ...arrays import Bools, Floats
from ...prompts import Prompt
from ..classical.energy import CERTAIN, border_costs, colour_unary, connected_to, geodesic, minimum_cut
from ..classical.quality import agreement_with
from ..classical.unary import clicked_regions, enclosure, regions_outside
from ..classical.working_crop import RegionCrop
from ..image_crop import resized
from .choice import LARGE

NEAREST = 0.1
"""Added to the length of ways, whose logarithm is taken."""
PER_PIXEL = 0.05
"""What a pixel of way costs beside contrast."""
LIMIT = 3.0
"""Log-odds at most in the cut, either way."""
SEEN = 5.8
"""Size of the network's logits at most, where motion may contradict them."""


@dataclass(frozen=True)
class FusionSettings:
    """Weights of log-odds.

    Between two logistic fits over regions, with and without motion, on first frames of DAVIS 2016/dev and
    DAVIS-2016-train, rounded; the weight of the network and the constants for boxes by the mean IoU on these,
    on objects of other videos and on photographs.
    """

    network: float = 0.6
    motion: float = 0.3
    colour: float = 0.85
    near: float = 1.4
    """Of the logarithm of the way from a point, along which contrast counts."""
    enclosed: float = 0.5
    """Of the contrast between a region and the outside of a box."""
    point_bias: float = 2.9
    """Constant, for points."""
    box_bias: float = 0.1
    """Constant, for a box."""
    moving_box_bias: float = -0.2
    """The same where there is motion, which is positive in the middle of the box by construction."""
    rounds: int = 2
    """How often colours are compared."""
    smoothness: float = 2.0
    """Cost of the outline, as in :func:`~vos.backbones.classical.energy.border_costs`."""
    extent: float = 1.2
    """Constant taken off for the smaller candidate, and added for the larger one."""


class Fusion:
    """The evidence for one prompt, over the regions of a crop around the object."""

    def __init__(
        self, crop: RegionCrop, prompt: Prompt, motion: Floats | None, settings: FusionSettings
    ) -> None:
        """
        Args:
            crop: regions of the surroundings.
            prompt: points, at least one of them on the object, or a box.
            motion: (h, w) log-odds in pixels of the crop, at any resolution; None where there are none.
            settings: weights.
        """
        self.crop, self.settings, self.boxed = crop, settings, prompt.box is not None
        regions = crop.regions
        self.inside, self.outside = clicked_regions(crop, prompt)
        self.motion = np.zeros(len(regions), np.float32) if motion is None else self._mean(motion)
        if prompt.box is not None:
            self.outside |= regions_outside(regions, crop.edges(prompt.box)) & ~self.inside
            bias = settings.box_bias if motion is None else settings.moving_box_bias
            place = settings.enclosed * enclosure(regions, self.outside) + bias
        else:
            way = geodesic(regions, self.inside, threshold=0.0, per_pixel=PER_PIXEL)
            place = settings.point_bias - settings.near * np.log(NEAREST + way)
        self.fixed = place + settings.motion * self.motion

    def odds(self, logits: Floats) -> Floats:
        """(n,) log-odds of the regions, from the network's (h, w) logits, at any resolution."""
        regions, seen = self.crop.regions, self._mean(logits)
        fixed = self.fixed + self.settings.network * seen
        odds = np.clip(seen, -SEEN, SEEN) + self.motion
        for _ in range(self.settings.rounds):
            likely = self._probability(odds)
            odds = fixed + self.settings.colour * colour_unary(regions, likely, 1 - likely)
        return np.asarray(odds, np.float32)

    def masks(self, odds: Floats) -> list[tuple[Bools, float]]:
        """(h, w) masks in the pixels of the crop and the IoU expected of each; the first one is meant.

        The expected IoU is the soft one with the probabilities of the regions.
        """
        regions, inside, outside = self.crop.regions, self.inside, self.outside
        found = []
        costs = border_costs(regions, self.settings.smoothness)
        for constant in (0.0, -self.settings.extent, self.settings.extent):
            unary = np.clip(odds + constant, -LIMIT, LIMIT).astype(np.float32)
            unary[outside], unary[inside] = -CERTAIN, CERTAIN
            chosen = minimum_cut(regions, unary, costs)
            if not self.boxed:
                chosen = connected_to(regions, chosen, inside)
            if not chosen.any():
                chosen[int(np.where(outside, -np.inf, odds).argmax())] = True
            found.append(chosen)
        quality = agreement_with(regions, np.stack(found), self._probability(odds))
        answers = [(chosen[regions.labels], float(q)) for chosen, q in zip(found, quality, strict=True)]
        return answers if self.boxed else _large_last(answers)

    def _mean(self, values: Floats) -> Floats:
        return self.crop.regions.mean(resized(values, self.crop.regions.size))

    def _probability(self, odds: Floats) -> Floats:
        values = np.where(self.outside, 0, np.where(self.inside, 1, 1 / (1 + np.exp(-odds))))
        return values.astype(np.float32)


def _large_last(answers: Sequence[tuple[Bools, float]]) -> list[tuple[Bools, float]]:
    return sorted(answers, key=lambda answer: float(answer[0].mean()) > LARGE)
