"""Labels that agree with their neighbours where the image is smooth, and may differ across its edges.

Mean-field inference (Krähenbühl and Koltun, 2011) in a model whose pairs are a fixed set of short steps, as
in convolutional CRFs (Teichmann and Cipolla, 2018): every pixel is pulled towards the labels of its
neighbours, the more the more alike their colours are. All objects share one energy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NEAR = [(dy, dx) for dy in range(3) for dx in range(-2, 3) if (dy, dx) > (0, 0)]
FAR = [(0, 4), (4, 0), (4, 4), (4, -4), (0, 7), (7, 0), (5, 5), (5, -5)]
STEPS = (*NEAR, *FAR)
"""(rows, columns) from a pixel to its neighbours; each step counts in both directions."""


@dataclass(frozen=True)
class CrfSettings:
    """How much neighbours count."""

    strength: float = 3.0
    """Pull, in nats, of neighbours that all have one label; 5 eats thin parts."""
    colour: float = 8.0
    """Lab distance at which the pull between two pixels has fallen to 0.6."""
    rounds: int = 4
    """Rounds of mean field; none costs 2 points."""


def mean_field(scores: Floats, lab: Floats, settings: CrfSettings) -> Floats:
    """Label probabilities (L, h, w) float32 from unary log-scores (L, h, w), not normalised, and Lab
    colours (h, w, 3), both float32."""
    unary, cropped = torch.from_numpy(scores), torch.from_numpy(lab)
    _, height, width = unary.shape
    pairs = []
    total = torch.zeros(height, width)
    for dy, dx in STEPS:
        if dy >= height or abs(dx) >= width:
            continue
        here = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        there = (slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
        alike = torch.exp(-((cropped[here] - cropped[there]) ** 2).sum(-1) / (2 * settings.colour**2))
        total[here] += alike
        total[there] += alike
        pairs.append(((slice(None), *here), (slice(None), *there), alike))
    # A pixel unlike all its neighbours (total below 2) is pulled less, not as hard by chance resemblances.
    pull = settings.strength / total.clamp_min(2.0)
    belief = torch.softmax(unary, 0)
    for _ in range(settings.rounds):
        message = torch.zeros_like(belief)
        for here3, there3, alike in pairs:
            message[here3] += alike * belief[there3]
            message[there3] += alike * belief[here3]
        belief = torch.softmax(unary + pull * message, 0)
    return belief.numpy()
