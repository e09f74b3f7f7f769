"""Target embedding: one vector from the features under the target's mask (Zhang et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

Pooling = Literal["mean", "max_mean"]
"""``mean`` is PerSAM's; ``max_mean`` (half the per-channel maximum, half the mean) PerSAM-F's and video's."""


@dataclass(frozen=True, eq=False)
class TargetEmbedding:
    """A target as one vector of features."""

    vector: Tensor
    """(C,) not normalised; all zero where ``support`` is 0."""
    support: int
    """Grid cells under the mask. 0 is legal: a target too small or absent, similar to nothing."""

    @property
    def direction(self) -> Tensor:
        """(C,) of unit length, or all zero where ``support`` is 0."""
        return F.normalize(self.vector, dim=0)


def embed_target(features: Tensor, cells: Tensor, pooling: Pooling = "mean") -> TargetEmbedding:
    """The embedding of the target on the (h, w) bool ``cells`` of (C, h, w) ``features``."""
    support = int(cells.sum())
    if support == 0:
        return TargetEmbedding(features.new_zeros(features.shape[0]), 0)
    columns = features[:, cells].T
    mean = columns.mean(dim=0)
    if pooling == "mean":
        return TargetEmbedding(mean, support)
    return TargetEmbedding(columns.max(dim=0).values / 2 + mean / 2, support)


def similarity_map(features: Tensor, direction: Tensor) -> Tensor:
    """(h, w) cosine similarity of (C, h, w) ``features`` with a unit ``direction`` (C,)."""
    channels, height, width = features.shape
    columns = F.normalize(features, dim=0).reshape(channels, height * width)
    return (direction @ columns).reshape(height, width)
