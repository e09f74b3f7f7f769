"""Similarity with what is remembered of several owners, and the competition between them.

A single mean vector (:mod:`.target_embedding`) cannot tell a target of two colours from one of the colour in
between. Here a target is remembered as the feature columns under its mask, and a cell is as similar to it as
to the few nearest of them. Background is an owner like any other, so a cell belongs to whoever it resembles
most rather than to everybody it resembles somewhat.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEAREST = 4
"""Remembered columns that a cell is compared with: more than one, against chance matches."""


def sample_columns(grid: Tensor, cells: Tensor, limit: int) -> Tensor:
    """(C, m) columns of a (C, h, w) grid under (h, w) bool ``cells``, at most ``limit``, spread evenly."""
    columns = grid[:, cells]
    count = columns.shape[1]
    if count <= limit:
        return columns
    spread = torch.linspace(0, count - 1, limit, device=grid.device).round().long()
    return columns[:, spread]


def knn_similarity(grid: Tensor, remembered: Tensor) -> Tensor:
    """(h, w) mean cosine of each cell of (C, h, w) ``grid`` with its nearest of (C, m) ``remembered``.

    All columns have unit length. -1 everywhere if nothing is remembered.
    """
    if remembered.shape[1] == 0:
        return grid.new_full(grid.shape[1:], -1.0)
    return nearest_cosines(grid, remembered).mean(dim=0)


def nearest_cosines(grid: Tensor, remembered: Tensor) -> Tensor:
    """(n, h, w) cosines of each cell with its n nearest of (C, m), the nearest first; n is at most
    :data:`NEAREST`."""
    channels, height, width = grid.shape
    cosines = grid.reshape(channels, -1).T @ remembered.to(grid)
    nearest = cosines.topk(min(NEAREST, remembered.shape[1]), dim=1).values
    return nearest.T.reshape(-1, height, width)


def soft_assignment(similarities: Tensor, temperature: float) -> Tensor:
    """(N, h, w) probability of each of N owners, from their (N, h, w) similarities; sums to 1."""
    return torch.softmax(similarities / temperature, dim=0)
