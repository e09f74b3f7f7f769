"""Attention flow through the layers of a causal language model (VL-SAM, Lin et al. 2024).

Letters: N tokens of the sequence, H heads, L layers, R rows of interest, K key columns of interest.
S[i, j] is how much query i attends to key j: softmaxed, causally masked, rows sum to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

Regularisation = Literal["per_layer", "final", "none"]
"""Where columns are weighed against collapse: in every layer's S', once on the result, or nowhere."""


def head_weights(attention: torch.Tensor) -> torch.Tensor:
    """W (..., H) of S (..., H, N, N): the mean over queries of the largest weight. Sharp heads weigh more."""
    return attention.amax(dim=-1).mean(dim=-1)


def aggregate_heads(attention: torch.Tensor) -> torch.Tensor:
    """S' (..., N, N) of S (..., H, N, N): the mean over heads of S times the head's weight."""
    weights = head_weights(attention)
    return (attention * weights[..., None, None]).mean(dim=-3)


def column_factors(length: int, *, like: torch.Tensor | None = None) -> torch.Tensor:
    """(N,) factor of each column, ``1 - (L0 - 1)/N = (j + 1)/N`` where L0 = N - j entries are unmasked.

    Early columns are seen by many queries and would gather mass whatever they show.
    """
    dtype, device = (like.dtype, like.device) if like is not None else (torch.float64, None)
    return torch.arange(1, length + 1, dtype=dtype, device=device) / length


def flow_full(aggregated: torch.Tensor, regularisation: Regularisation = "per_layer") -> torch.Tensor:
    """T_L (N, N) of S' (L, N, N) by the whole product ``T_l = (I + S'_l)(I + T_{l-1})``, T_0 = 0.

    The plain statement of the definition: O(L N^3). :func:`flow_rows` and :class:`FlowStream` give the
    parts that are needed for less.
    """
    length = aggregated.shape[-1]
    factors = column_factors(length, like=aggregated)
    identity = torch.eye(length, dtype=aggregated.dtype, device=aggregated.device)
    flow = torch.zeros_like(identity)
    for layer in aggregated:
        weighed = layer * factors if regularisation == "per_layer" else layer
        flow = (identity + weighed) @ (identity + flow)
    return flow * factors if regularisation == "final" else flow


def flow_rows(
    aggregated: Sequence[torch.Tensor] | torch.Tensor,
    rows: Sequence[int],
    regularisation: Regularisation = "per_layer",
) -> torch.Tensor:
    """Rows T_L[i] (R, N) of S' (L, N, N) by recursion from the last layer to the first: O(L N^2) a row.

    ``T_L[i] = sum_l u_l`` with ``u_L = e_i (I + S'_L)`` and ``u_{l-1} = u_l (I + S'_{l-1})``.
    """
    like = aggregated[0]
    factors = column_factors(like.shape[-1], like=like)
    u = torch.zeros(len(rows), like.shape[-1], dtype=like.dtype, device=like.device)
    u[torch.arange(len(rows)), list(rows)] = 1
    flow = torch.zeros_like(u)
    for number in reversed(range(len(aggregated))):
        message = u @ aggregated[number]
        u = u + (message * factors if regularisation == "per_layer" else message)
        flow += u
    return flow * factors if regularisation == "final" else flow


class FlowStream:
    """Columns ``span`` of T_L, built up while the layers arrive from the first to the last.

    Only the columns of the image tokens are ever read, and the columns of a product depend on those
    columns alone: ``T_l[:, K] = (I + S'_l)(I[:, K] + T_{l-1}[:, K])``. So N x K numbers are kept in all,
    instead of N x N for each of L layers, and any rows can be read at the end.
    """

    def __init__(self, span: tuple[int, int], regularisation: Regularisation = "per_layer") -> None:
        self.span = span
        self.regularisation = regularisation
        self.layers = 0
        self._flow: torch.Tensor | None = None

    def add(self, aggregated: torch.Tensor) -> None:
        """Take in S' (N, N) of the next layer; it is not kept."""
        start, stop = self.span
        length = aggregated.shape[-1]
        if self.regularisation == "per_layer":
            aggregated = aggregated * column_factors(length, like=aggregated)
        if self._flow is None:
            self._flow = aggregated.new_zeros(length, stop - start)
        below = self._flow
        below[start:stop].diagonal().add_(1)  # I[:, K] + T_{l-1}[:, K]
        self._flow = below + aggregated @ below
        self.layers += 1

    def rows(self, rows: Sequence[int]) -> torch.Tensor:
        """T_L[rows, span] (R, K)."""
        assert self._flow is not None  # a model has at least one layer
        picked = self._flow[list(rows)]
        if self.regularisation == "final":
            picked = picked * column_factors(len(self._flow), like=picked)[self.span[0] : self.span[1]]
        return picked


def object_map(rows: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """(h, w) map in 0..1 of image columns (R, h*w): mean of the rows, then min-max; zeros if constant."""
    plain = rows.mean(dim=0).reshape(grid)
    low, high = plain.min(), plain.max()
    if not high > low:
        return torch.zeros_like(plain)
    return (plain - low) / (high - low)
