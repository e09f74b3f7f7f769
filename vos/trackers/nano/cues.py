"""Results of the classical tracker, real or simulated, as cues for the compact network."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...backbones.nano.cues import APPEARANCE, MASK, MASK_LOGIT, WARPED
from ..classical.frame_context import FrameContext
from .mask_perturbation import PerturbationSettings, perturb_mask
from .region_errors import with_region_errors

ENGINE_CUES = (MASK, WARPED, APPEARANCE)
"""The cues that the classical tracker provides, in the order of :func:`engine_cues`."""
APPEARANCE_LOGIT = 5.0
"""Log-odds of appearance that a cue of 1 stands for."""
LEAST = 1e-6
CERTAINTY = (0.4, 1.0)
"""Least and greatest certainty of simulated cues."""
UNSTEADY = 0.3
"""Standard deviation of the noise of simulated appearance."""


def engine_cues(context: FrameContext) -> Floats:
    """(K, 3, h, w) float32 in -1..1: probability, warped mask and appearance of every object.

    Probability and appearance are log-odds against the strongest rival, so that an object has a cue above 0
    exactly where it wins.
    """
    cues = np.empty((len(context.ids), len(ENGINE_CUES), *context.probabilities.shape[1:]), np.float32)
    cues[:, 0] = np.clip(against_rivals(np.log(context.probabilities + LEAST)) / MASK_LOGIT, -1, 1)
    cues[:, 1] = 2 * context.warped.masks - 1
    for k, (consistency, quality) in enumerate(
        zip(context.warped.consistencies, context.warped.qualities, strict=True)
    ):
        cues[k, 1] *= consistency * quality
    cues[:, 2] = np.clip(against_rivals(context.appearance_log_prob) / APPEARANCE_LOGIT, -1, 1)
    return cues


def made_up_cues(
    mask: NDArray[np.bool_],
    image: NDArray[np.uint8],
    rng: np.random.Generator,
    perturbation: tuple[float, float],
) -> Floats:
    """(3, h, w) float32 cues that the classical tracker might have of an (h, w) mask in an (h, w, 3) RGB
    image.

    They are about as rough, somewhere between the least and the greatest ``roughness``, each in its own way;
    and most of them agree on mistakes that follow the image.
    """
    rough = PerturbationSettings().times(float(rng.uniform(*perturbation)))
    own = np.stack([rng.uniform(*CERTAINTY) * (2 * perturb_mask(mask, rng, rough) - 1) for _ in ENGINE_CUES])
    noise = cv2.resize(rng.standard_normal((10, 10)).astype(np.float32), mask.shape[::-1])
    own[ENGINE_CUES.index(APPEARANCE)] += UNSTEADY * noise
    return with_region_errors(np.clip(own, -1, 1).astype(np.float32), mask, image, rng)


def against_rivals(scores: Floats) -> Floats:
    """(K, h, w) score of each object less that of its strongest rival, from (1 + K, h, w) scores."""
    best, second = np.maximum(scores[0], scores[1]), np.minimum(scores[0], scores[1])
    for more in scores[2:]:  # a tenth of the time of sorting
        second = np.maximum(second, np.minimum(best, more))
        best = np.maximum(best, more)
    rivals = np.where(scores[1:] == best, second, best)
    result: Floats = scores[1:] - rivals
    return result


def changed(probabilities: Floats, change: Floats) -> Floats:
    """(1 + K, h, w) probabilities: ``probabilities`` after a (K, h, w) change of each object's log-odds."""
    scores = np.log(probabilities + LEAST)
    scores[1:] += change
    powers = np.exp(scores - scores.max(axis=0))
    result: Floats = powers / powers.sum(axis=0)
    return result
