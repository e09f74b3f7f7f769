"""SAM's mask decoder with the injections of PerSAM, under the original entry names.

Two things may be injected (PerSAM, section 4): a *bias* on the attention of tokens to the image
(target-guided attention) and a *target* embedding added to every token (target-semantic prompting).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .sam_layers import MLP, LayerNorm2d, TwoLayers

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


@dataclass(frozen=True, eq=False)
class Injection:
    """What PerSAM adds to the decoder."""

    bias: Tensor | None = None
    """(N, h*w) attention bias in 0..1, row-major over the feature grid."""
    target: Tensor | None = None
    """(N, C) target embedding, not normalised."""
    bias_mode: BiasMode = "post_softmax_double"


class Attention(nn.Module):
    """Multi-head attention that may work at fewer dimensions than its inputs have."""

    def __init__(self, dim: int, heads: int, downsample: int = 1) -> None:
        super().__init__()
        self.heads = heads
        inner = dim // downsample
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *,
        bias: Tensor | None = None,
        bias_mode: BiasMode = "post_softmax_double",
        mask: Tensor | None = None,
    ) -> Tensor:
        """(N, Q, C) queries over (N or 1, K, C) keys and values to (N, Q, C).

        ``bias`` (N, K) is PerSAM's; ``mask`` (N, K) bool leaves out keys where it is False.
        """
        q, k, v = (self._split(x) for x in (self.q_proj(q), self.k_proj(k), self.v_proj(v)))
        if bias is None:
            keep = None if mask is None else mask[:, None, None]
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=keep)
        else:
            out = biased_attention(q, k, bias[:, None, None], bias_mode) @ v
        joined: Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return joined

    def _split(self, x: Tensor) -> Tensor:
        """(N, T, heads * c) to (N, heads, T, c)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


def biased_attention(q: Tensor, k: Tensor, bias: Tensor, mode: BiasMode) -> Tensor:
    """Attention weights (N, heads, Q, K) of ``q`` (N, heads, Q, c) over ``k`` with ``bias`` (N, 1, 1, K).

    ``post_softmax_double`` is PerSAM's ``softmax(softmax(q k^T / sqrt(c)) + g)`` (section 4.2).
    """
    logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mode == "pre_softmax":
        return torch.softmax(logits + bias, dim=-1)
    return torch.softmax(torch.softmax(logits, dim=-1) + bias, dim=-1)


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
            queries = self.self_attn(queries, queries, queries, mask=mask)
        else:
            placed = queries + query_positions
            queries = queries + self.self_attn(placed, placed, queries, mask=mask)
        queries = self.norm1(queries)

        placed_keys = keys + key_positions
        queries = self.norm2(
            queries
            + self.cross_attn_token_to_image(
                queries + query_positions,
                placed_keys,
                keys,
                bias=injection.bias,
                bias_mode=injection.bias_mode,
            )
        )
        queries = self.norm3(queries + self.mlp(queries))
        keys = keys + self.cross_attn_image_to_token(
            placed_keys, queries + query_positions, queries, mask=mask
        )
        return queries, self.norm4(keys)


class TwoWayTransformer(nn.Module):
    """The decoder's transformer (section 4.2)."""

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
        queries = queries + self.final_attn_token_to_image(placed, keys + key_positions, keys)
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
        tokens, image = self.transform(image, positions, sparse, injection, mask)
        upscaled = self.output_upscaling(image)
        chosen = range(len(self.output_hypernetworks_mlps))[outputs]
        weights = torch.stack([self.output_hypernetworks_mlps[k](tokens[:, 1 + k]) for k in chosen], dim=1)
        masks = (weights @ upscaled.flatten(2)).unflatten(2, upscaled.shape[2:])
        return masks, self.iou_prediction_head(tokens[:, 0])[:, outputs]

    def transform(
        self,
        image: Tensor,
        positions: Tensor,
        sparse: Tensor,
        injection: Injection | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The transformer's tokens (N, 1 + masks + T, C) and image (N, C, h, w)."""
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight]).expand(len(sparse), -1, -1)
        tokens = torch.cat([own, sparse], dim=1)
        if mask is not None:
            mask = F.pad(mask, (own.shape[1], 0), value=True)
        size = image.shape[2:]
        keys = image.flatten(2).transpose(1, 2)
        tokens, keys = self.transformer(
            keys, positions.flatten(2).transpose(1, 2), tokens, injection or Injection(), mask
        )
        return tokens, keys.transpose(1, 2).unflatten(2, size)
