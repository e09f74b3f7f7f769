"""The ViT image encoder of SAM (Li et al. 2022; Kirillov et al. 2023), under its original entry names.

Attention runs over chunks of queries, so that no (heads, 4096, 4096) matrix is ever held at once: the
published ViT-B needs 0.8 GB for each of those in float32.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..matrix_products import matmul
from .layers import LayerNorm2d, TwoLayers

_CHUNK = 2**28
"""Attention weights held at once, all heads together: a GPU wants large launches."""
_CACHE_ROWS = 512
"""Queries of one head at once on a CPU: 512 x 4096 float32 weights are 8 MB."""


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of a SAM ViT encoder; the defaults are ViT-B's."""

    image_size: int = 1024
    patch: int = 16
    dim: int = 768
    depth: int = 12
    heads: int = 12
    mlp_dim: int = 3072
    window: int = 14
    """Window side of the blocks that do not attend globally, in cells."""
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    out_channels: int = 256

    @property
    def grid(self) -> int:
        """Side of the feature grid."""
        return self.image_size // self.patch


class RelativeAttention(nn.Module):
    """Self attention over a square of cells with decomposed relative positions (MViTv2)."""

    def __init__(self, dim: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads, self.side = heads, side
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))

    def forward(self, x: Tensor) -> Tensor:
        """(B, side, side, C) to the same."""
        b, side, _, c = x.shape
        qkv = self.qkv(x).reshape(b, side * side, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, side^2, C / heads)
        squares = q.reshape(b, self.heads, side, side, -1)
        by_row = torch.einsum("bnhwc,hkc->bnhwk", squares, self._table(self.rel_pos_h)).flatten(2, 3)
        by_column = torch.einsum("bnhwc,wkc->bnhwk", squares, self._table(self.rel_pos_w)).flatten(2, 3)

        attend = _attend_in_cache if x.device.type == "cpu" and side * side > _CACHE_ROWS else _attend
        out = attend(q, k, v, by_row, by_column)
        projected: Tensor = self.proj(out.transpose(1, 2).reshape(b, side, side, c))
        return projected

    def _table(self, positions: Tensor) -> Tensor:
        """(side, side, C / heads): the embedding of each query-minus-key distance."""
        index = torch.arange(self.side, device=positions.device)
        return positions[index[:, None] - index[None] + self.side - 1]


def _attend(q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_column: Tensor) -> Tensor:
    """Attention (B, heads, N, c) with biases (B, heads, N, side) by the row and the column of the key."""
    out = torch.empty_like(q)
    chunk = max(1, _CHUNK // (q.shape[0] * q.shape[1] * k.shape[2]))
    for start in range(0, q.shape[2], chunk):
        rows = slice(start, start + chunk)
        bias = (by_row[:, :, rows, :, None] + by_column[:, :, rows, None, :]).flatten(3)
        out[:, :, rows] = F.scaled_dot_product_attention(q[:, :, rows], k, v, attn_mask=bias)
    return out


def _attend_in_cache(q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_column: Tensor) -> Tensor:
    """The same, head by head and a few rows at a time, so that the weights stay in a CPU's cache."""
    out = torch.empty_like(q)
    side = by_row.shape[-1]
    for b, head in itertools.product(range(q.shape[0]), range(q.shape[1])):
        keys = (k[b, head] / math.sqrt(k.shape[-1])).contiguous()
        columns = v[b, head].mT.contiguous()
        for start in range(0, q.shape[2], _CACHE_ROWS):
            rows = slice(start, start + _CACHE_ROWS)
            logits = matmul(q[b, head, rows], keys.mT)
            square = logits.view(-1, side, side)
            square += by_row[b, head, rows, :, None]
            square += by_column[b, head, rows, None, :]
            out[b, head, rows] = matmul(torch.softmax(logits, dim=-1), columns.mT)
    return out


class Block(nn.Module):
    """Pre-normed attention, within windows of side ``window`` or global where it is 0, then an MLP."""

    def __init__(self, config: ViTConfig, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(config.dim, eps=1e-6)
        self.attn = RelativeAttention(config.dim, config.heads, window or config.grid)
        self.norm2 = nn.LayerNorm(config.dim, eps=1e-6)
        self.mlp = TwoLayers(config.dim, config.mlp_dim, F.gelu)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same."""
        y = self.norm1(x)
        x = x + (self._windowed(y) if self.window else self.attn(y))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out

    def _windowed(self, x: Tensor) -> Tensor:
        """Attention within windows; zeros pad the last ones (they are attended to, as in the original)."""
        b, height, width, c = x.shape
        side = self.window
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        x = x.reshape(b, rows, side, columns, side, c).transpose(2, 3).reshape(-1, side, side, c)
        x = self.attn(x).reshape(b, rows, columns, side, side, c).transpose(2, 3)
        return x.reshape(b, rows * side, columns * side, c)[:, :height, :width]


class PatchEmbed(nn.Module):
    """Non-overlapping patches, projected."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.dim, config.patch, config.patch)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, grid, grid, C)."""
        out: Tensor = self.proj(x).permute(0, 2, 3, 1)
        return out


class ImageEncoderViT(nn.Module):
    """The encoder: patches, absolute positions, blocks, neck."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(config)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.grid, config.grid, config.dim))
        self.blocks = nn.ModuleList(
            Block(config, 0 if i in config.global_blocks else config.window) for i in range(config.depth)
        )
        channels = config.out_channels
        self.neck = nn.Sequential(
            nn.Conv2d(config.dim, channels, 1, bias=False),
            LayerNorm2d(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            LayerNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) normalised image to (B, out_channels, grid, grid)."""
        return self.with_early(x)[0]

    def with_early(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """What ``forward`` gives, and (B, grid, grid, dim) tokens after the first global block, if any."""
        x = self.patch_embed(x) + self.pos_embed
        early: Tensor | None = None
        for block in self.blocks:
            x = block(x)
            if early is None and not block.window:
                early = x
        return self.neck(x.permute(0, 3, 1, 2)), early
