"""SAM's mask decoder with the injections of PerSAM, under the original entry names.

Two things may be injected (PerSAM): a *bias* on the attention of tokens to the image
(target-guided attention) and a *target* embedding added to every token (target-semantic prompting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import MLP, LayerNorm2d, TwoLayers

BiasMode = Literal["post_softmax_double", "pre_softmax"]
"""Where the attention bias goes: added to the softmaxed weights, which are then softmaxed again (the
reference; attention ends within a factor e^2 of uniform), or added to the logits of the only softmax."""


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of the mask decoder; the defaults are those of all published models."""

    dim: int = 256
    depth: int = 2
    heads: int = 8
    mlp_dim: int = 2048
    downsample: int = 2
    """Cross attention works at ``dim / downsample``."""
    masks: int = 4
    """Mask tokens: one for single-mask output and three alternatives."""
    iou_dim: int = 256
    iou_depth: int = 3
    early_dim: int = 0
    """Width of the image encoder, whose early features SAM-HQ's decoder takes; 0: SAM's own decoder."""


@dataclass(frozen=True, eq=False)
class Injection:
    """What PerSAM adds to the decoder."""

    bias: Tensor | None = None
    """(N, h*w) attention bias in 0..1, row-major over the feature grid."""
    target: Tensor | None = None
    """(N, C) target embedding, not normalised."""
    bias_mode: BiasMode = "post_softmax_double"


class Attention(nn.Module):
    """Multi-head attention that may work at fewer dimensions than its inputs have.

    Tokens are few and the image has thousands of cells, so where one side is the image its projection is
    moved to the tokens: ``(x W) . k = x . (W k)``. That halves the work for up to ``inner / heads`` tokens.
    """

    def __init__(self, dim: int, heads: int, downsample: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.inner = dim // downsample
        self.scale = (self.inner // heads) ** -0.5
        self.q_proj = nn.Linear(dim, self.inner)
        self.k_proj = nn.Linear(dim, self.inner)
        self.v_proj = nn.Linear(dim, self.inner)
        self.out_proj = nn.Linear(self.inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, Q, C) queries over (N or 1, K, C) keys and values to (N, Q, C).

        ``mask`` (N, K) bool leaves out keys where it is False.
        """
        q, k, v = (self._split(x) for x in (self.q_proj(q), self.k_proj(k), self.v_proj(v)))
        keep = None if mask is None else mask[:, None, None]
        return self._join(F.scaled_dot_product_attention(q, k, v, attn_mask=keep))

    def tokens_over_image(
        self, tokens: Tensor, placed: Tensor, image: Tensor, bias: Tensor | None, mode: BiasMode
    ) -> Tensor:
        """Tokens (N, T, C) over the image (N or 1, L, C), ``placed`` with its positions, to (N, T, C).

        ``bias`` (N, L) is PerSAM's. The bias of ``k_proj`` moves all logits of a row alike, so it drops out.
        """
        q = self._split(self.q_proj(tokens)) * self.scale
        if not self._folds(tokens.shape[1]):
            logits = q @ self._split(self.k_proj(placed)).transpose(2, 3)
            return self._join(attention_weights(logits, bias, mode) @ self._split(self.v_proj(image)))
        folded = (q @ self._by_head(self.k_proj)).flatten(1, 2)
        logits = (folded @ placed.transpose(1, 2)).unflatten(1, (self.heads, -1))
        seen = attention_weights(logits, bias, mode).flatten(1, 2) @ image
        values = seen.unflatten(1, (self.heads, -1)) @ self._by_head(self.v_proj).transpose(1, 2)
        return self._join(values + self.v_proj.bias.unflatten(0, (self.heads, 1, -1)))

    def image_over_tokens(self, placed: Tensor, keys: Tensor, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """The image (N or 1, L, C) with its positions over tokens (N, T, C) and their keys, to (N, L, C).

        ``mask`` (N, T) bool leaves out tokens where it is False.
        """
        if not self._folds(tokens.shape[1]):
            return self(placed, keys, tokens, mask)
        k = self._split(self.k_proj(keys)) * self.scale
        folded = (k @ self._by_head(self.q_proj)).flatten(1, 2)
        offset = k @ self.q_proj.bias.unflatten(0, (self.heads, -1, 1))  # (N, heads, T, 1)
        if mask is not None:
            offset = offset.masked_fill(~mask[:, None, :, None], -torch.inf)
        logits = (folded @ placed.transpose(1, 2)).unflatten(1, (self.heads, -1)) + offset
        weights = torch.softmax(logits, dim=2).flatten(1, 2)  # (N, heads * T, L)
        outputs = self.out_proj.weight.T.unflatten(0, (self.heads, -1))  # (heads, c, C)
        values = (self._split(self.v_proj(tokens)) @ outputs).flatten(1, 2)
        return torch.baddbmm(self.out_proj.bias, weights.transpose(1, 2), values)

    def _folds(self, tokens: int) -> bool:
        return self.heads * tokens <= self.inner

    def _split(self, x: Tensor) -> Tensor:
        """(N, T, heads * c) to (N, heads, T, c)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def _join(self, x: Tensor) -> Tensor:
        """(N, heads, T, c) to (N, T, C)."""
        out: Tensor = self.out_proj(x.transpose(1, 2).flatten(2))
        return out

    def _by_head(self, projection: nn.Linear) -> Tensor:
        """(heads, c, C) weights of a projection."""
        return projection.weight.unflatten(0, (self.heads, -1))


def attention_weights(logits: Tensor, bias: Tensor | None, mode: BiasMode) -> Tensor:
    """Attention weights (N, heads, T, L) from scaled logits and, where given, PerSAM's bias (N, L).

    ``post_softmax_double`` is PerSAM's ``softmax(softmax(q k^T / sqrt(c)) + g)`` (target-guided attention).
    """
    if bias is None:
        return torch.softmax(logits, dim=-1)
    g = bias[:, None, None]
    if mode == "pre_softmax":
        return torch.softmax(logits + g, dim=-1)
    return torch.softmax(torch.softmax(logits, dim=-1) + g, dim=-1)


class TwoWayBlock(nn.Module):
    """Tokens attend to themselves and to the image, then the image attends to the tokens."""

    def __init__(self, config: DecoderConfig, first: bool) -> None:
        super().__init__()
        dim, heads = config.dim, config.heads
        self.first = first
        self.self_attn = Attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, heads, config.downsample)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = TwoLayers(dim, config.mlp_dim, F.relu)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, heads, config.downsample)

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        injection: Injection,
        mask: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Tokens (N, T, C) and image (N or 1, h*w, C) to both, updated; ``mask`` (N, T) tells real tokens."""
        if self.first:  # no positions and no residual in the first block
            queries = self.self_attn(queries, queries, queries, mask)
        else:
            placed = queries + query_positions
            queries = queries + self.self_attn(placed, placed, queries, mask)
        queries = self.norm1(queries)

        placed_keys = keys + key_positions
        placed = queries + query_positions
        seen = self.cross_attn_token_to_image.tokens_over_image(
            placed, placed_keys, keys, injection.bias, injection.bias_mode
        )
        queries = self.norm2(queries + seen)
        queries = self.norm3(queries + self.mlp(queries))
        placed = queries + query_positions
        keys = keys + self.cross_attn_image_to_token.image_over_tokens(placed_keys, placed, queries, mask)
        return queries, self.norm4(keys)


class TwoWayTransformer(nn.Module):
    """The decoder's transformer, with target-guided attention."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(config, first=i == 0) for i in range(config.depth))
        self.final_attn_token_to_image = Attention(config.dim, config.heads, config.downsample)
        self.norm_final_attn = nn.LayerNorm(config.dim)

    def forward(
        self, keys: Tensor, key_positions: Tensor, tokens: Tensor, injection: Injection, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Image (N or 1, h*w, C) and its positions, tokens (N, T, C) to tokens and image, both (N, ., C)."""
        target = None if injection.target is None else injection.target[:, None]
        # The reference adds the target in place to a tensor that is the positional term of the queries
        # too, so it is part of the positions in every block and in the final attention.
        positions = tokens if target is None else tokens + target
        queries = positions
        for i, layer in enumerate(self.layers):
            if i > 0 and target is not None:
                queries = queries + target
            queries, keys = layer(queries, keys, positions, key_positions, injection, mask)
        placed = queries + positions
        if target is not None:
            placed = placed + target
        final = self.final_attn_token_to_image
        seen = final.tokens_over_image(placed, keys + key_positions, keys, None, injection.bias_mode)
        queries = queries + seen
        return self.norm_final_attn(queries), keys


class MaskDecoder(nn.Module):
    """Tokens and image to low-res mask logits and predicted quality."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        dim = config.dim
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(config.masks, dim)
        self.transformer = TwoWayTransformer(config)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, 2, 2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP([dim, dim, dim, dim // 8]) for _ in range(config.masks)
        )
        self.iou_prediction_head = MLP([dim, *[config.iou_dim] * (config.iou_depth - 1), config.masks])

    def forward(
        self,
        image: Tensor,
        positions: Tensor,
        sparse: Tensor,
        injection: Injection | None = None,
        mask: Tensor | None = None,
        outputs: slice = slice(None),
    ) -> tuple[Tensor, Tensor]:
        """Low-res logits (N, K, 4h, 4w) and scores (N, K) for the mask tokens in ``outputs``.

        ``image`` is (N or 1, C, h, w), features plus dense prompt embedding; ``positions`` (1, C, h, w);
        ``sparse`` (N, T, C); ``mask`` (N, T) bool, False at tokens that only fill up a batch.
        """
        tokens, cells = self.transform(image, positions, sparse, injection, mask)
        low_res = self._masks(self._upscale(cells), tokens, (image.shape[2], image.shape[3]), outputs)
        return low_res, self.iou_prediction_head(tokens[:, 0])[:, outputs]

    def _masks(self, pixels: Tensor, tokens: Tensor, size: tuple[int, int], outputs: slice) -> Tensor:
        """(N, K, 4h, 4w) logits of the mask tokens in ``outputs``, of (N, 16 L, C / 8) pixels."""
        chosen = range(len(self.output_hypernetworks_mlps))[outputs]
        weights = torch.stack([self.output_hypernetworks_mlps[k](tokens[:, 1 + k]) for k in chosen], dim=2)
        return in_place(pixels @ weights, size)

    def _upscale(self, cells: Tensor) -> Tensor:
        """(N, L, C) cells to (N, 16 L, C / 8): what the two transposed convolutions make of each cell.

        Their kernels do not overlap, so every cell has its own sixteen pixels; they are put in
        place when there is one number per pixel instead of C / 8.
        """
        first, norm, _, second, _ = self.output_upscaling
        quarters = _pixels_of_cells(cells, cast(nn.ConvTranspose2d, first))
        norm = cast(LayerNorm2d, norm)
        quarters = F.gelu(F.layer_norm(quarters, norm.weight.shape, norm.weight, norm.bias, norm.eps))
        return F.gelu(_pixels_of_cells(quarters, cast(nn.ConvTranspose2d, second)))

    def own_tokens(self) -> Tensor:
        """(1 + masks, C): quality, masks."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight])

    def transform(
        self,
        image: Tensor,
        positions: Tensor,
        sparse: Tensor,
        injection: Injection | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The transformer's tokens (N, 1 + masks + T, C) and image cells (N, h*w, C)."""
        own = self.own_tokens().expand(len(sparse), -1, -1)
        tokens = torch.cat([own, sparse], dim=1)
        if mask is not None:
            mask = F.pad(mask, (own.shape[1], 0), value=True)
        keys, places = image.flatten(2).transpose(1, 2), positions.flatten(2).transpose(1, 2)
        found: tuple[Tensor, Tensor] = self.transformer(keys, places, tokens, injection or Injection(), mask)
        return found


def in_place(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, K, 4h, 4w) of (N, h * w * 4 * 4, K): sixteen pixels per cell, quarter by quarter, cell by cell."""
    rows = pixels.reshape(len(pixels), *size, 2, 2, 2, 2, -1)
    # Axes: object, cell (row, column), quarter (row, column), sixteenth (row, column), channel.
    return rows.permute(0, 7, 1, 3, 5, 2, 4, 6).flatten(5).flatten(2, 4)


def _pixels_of_cells(cells: Tensor, convolution: nn.ConvTranspose2d) -> Tensor:
    """(N, P, C) to (N, 4 P, C'): a transposed convolution of kernel and stride 2, pixels in reading order."""
    weight, bias = convolution.weight, convolution.bias
    assert bias is not None
    rows = torch.addmm(bias.repeat(4), cells.flatten(0, 1), weight.permute(0, 2, 3, 1).flatten(1))
    return rows.reshape(len(cells), -1, weight.shape[1])
