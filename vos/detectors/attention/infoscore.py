"""InfoScore: rank layers by how informative their attention is, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .class_maps import enlarge

EPSILON = 1e-6


@dataclass(frozen=True, eq=False)
class LayerScores:
    """InfoScore of L layers with its three terms; all arrays are (L,) float64."""

    layers: tuple[int, ...]
    dataset_entropy: NDArray[np.float64]
    """H_D, nats: high where the images differ in what they show."""
    image_entropy: NDArray[np.float64]
    """Mean of H_i, nats: low where each image is decided."""
    variation: NDArray[np.float64]
    """CoV, the coefficient of variation between images, summed over prompts."""
    score: NDArray[np.float64]
    """(H_D / max(mean H_i, eps)) CoV; higher is better."""

    @property
    def ranking(self) -> tuple[int, ...]:
        """Layer numbers, best first; the earlier layer first on a tie."""
        return tuple(self.layers[i] for i in np.argsort(-self.score, kind="stable"))

    def rows(self) -> list[dict[str, float]]:
        """Rank (from 1), layer and all terms of every layer, best first."""
        index = {layer: row for row, layer in enumerate(self.layers)}
        return [
            {
                "rank": rank,
                "layer": layer,
                "infoscore": float(self.score[index[layer]]),
                "dataset_entropy": float(self.dataset_entropy[index[layer]]),
                "image_entropy": float(self.image_entropy[index[layer]]),
                "variation": float(self.variation[index[layer]]),
            }
            for rank, layer in enumerate(self.ranking, start=1)
        ]


def prompt_marginals(prompt_maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """m (N, P): how much of the canvas each prompt takes, of (N, P, h, w) gated maps (steps 1 and 2)."""
    maps = enlarge(prompt_maps, size)
    shares = maps / maps.sum(dim=1, keepdim=True).clamp_min(EPSILON)
    return shares.clamp_min(EPSILON).mean(dim=(2, 3))


def infoscore(marginals: NDArray[np.floating], layers: tuple[int, ...] | None = None) -> LayerScores:
    """Scores of marginals (L, n, P) of L layers, n images, P prompts (steps 3 to 6).

    Images that are all alike have CoV 0 and score 0.
    """
    m = np.asarray(marginals, dtype=np.float64)
    image_entropy = -(m * np.log(m)).sum(axis=2).mean(axis=1)
    mean = m.mean(axis=1)
    dataset_entropy = -(mean * np.log(mean)).sum(axis=1)
    variation = (m.std(axis=1) / np.maximum(mean, EPSILON)).sum(axis=1)
    score = dataset_entropy / np.maximum(image_entropy, EPSILON) * variation
    numbers = layers if layers is not None else tuple(range(len(m)))
    return LayerScores(numbers, dataset_entropy, image_entropy, variation, score)
