"""Memory attention of SAM 2 (Ravi et al. 2024, section 4), with the savings that leave its result as it is.

The weights are those of transformers' modules; the computation is ours:

- Memory is 64 channels wide where attention is 256, and the value projection is linear and carries no rotary
  encoding. So it follows the weighted sum instead of preceding it: a quarter of the multiplications there.
- Until the first look into memory, all objects of a frame share one computation.
- The table of queries by keys, 470 MB per object at full size, never exists (``backbones/block_attention``).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...backbones.block_attention import attend, attend_heads


class MemoryAttention:
    """Lets the features of a frame attend the memories of objects.

    Args:
        module: transformers' ``Sam2VideoMemoryAttention``, ``EdgeTamVideoMemoryAttention`` or that of SAM 3.
        late_values: project values after the weighted sum (faster) rather than before it (as published).
        pooling: of keys (after rotary encoding) and values over 2x2 cells where more than one frame is
            attended, as in the faster checkpoints of EfficientTAM. ``logits`` adds ln 4 to the logits of
            pooled keys, so that one counts as the four it stands for; ``channels`` adds 2 ln 2 to every
            channel of the pooled keys, which is what those checkpoints were trained with.
    """

    def __init__(self, module: Any, *, late_values: bool = True, pooling: str | None = None) -> None:
        self.module = module
        self.late_values = late_values
        self.pooling = pooling
        self._tables: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __call__(
        self, features: Tensor, position: Tensor, memory: Tensor, encoding: Tensor, frames: int, pointers: int
    ) -> Tensor:
        """(N, L, C) features fused with memory.

        Args:
            features: (1, L, C) of the frame, the same for all objects.
            position: (1, L, C) their position encoding.
            memory: (N, T, M) tokens of ``frames`` memories, one after another, and of ``pointers`` last.
            encoding: (N, T, M) what is added to memory where it is a key.
            frames: how many memories of frames there are.
            pointers: how many tokens, the last ones, are of object pointers and carry no rotary encoding.
        """
        query_table, key_table = self._rotary_tables(features)
        hidden = features + 0.1 * position
        keys = memory + encoding
        for layer in self.module.layers:
            hidden = hidden + self._self_attention(layer, layer.layer_norm1(hidden), query_table)
            attended = self._cross_attention(
                layer.cross_attn_image, layer.layer_norm2(hidden), keys, memory,
                query_table, key_table, frames, pointers,
            )  # fmt: skip
            hidden = hidden + attended
            hidden = hidden + _feed_forward(layer, layer.layer_norm3(hidden))
        normed: Tensor = self.module.layer_norm(hidden)
        return normed

    def _self_attention(self, layer: Any, hidden: Tensor, table: Tensor) -> Tensor:
        attention = layer.self_attn
        queries = rotate(attention.q_proj(hidden), table)
        keys = rotate(attention.k_proj(hidden), table)
        values = attention.v_proj(hidden)
        attended = attend_heads(queries[:, None], keys[:, None], values[:, None])
        projected: Tensor = attention.o_proj(attended[:, 0])
        return projected

    def _cross_attention(
        self,
        attention: Any,
        hidden: Tensor,
        keys: Tensor,
        memory: Tensor,
        query_table: Tensor,
        key_table: Tensor,
        frames: int,
        pointers: int,
    ) -> Tensor:
        queries = rotate(attention.q_proj(hidden), query_table)
        projected_keys = _rotate_frames(attention.k_proj(keys), key_table, frames, pointers)
        values = memory if self.late_values else attention.v_proj(memory)
        bias = None
        if self.pooling is not None and frames > 1:
            projected_keys = _pool_frames(projected_keys, frames, pointers)
            values = _pool_frames(values, frames, pointers)
            pooled = torch.ones(values.shape[1], device=values.device, dtype=values.dtype)
            pooled[len(pooled) - pointers :] = 0
            if self.pooling == "logits":
                bias = math.log(4) * pooled
            else:
                projected_keys = projected_keys + 2 * math.log(2) * pooled[:, None]
        attended = attend(queries, projected_keys, values, bias)
        if self.late_values:
            attended = attention.v_proj(attended)
        projected: Tensor = attention.o_proj(attended)
        return projected

    def _rotary_tables(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """What pairs of channels are turned by, (L, D / 2) complex64: of queries, and of a memory's keys."""
        if like.device not in self._tables:
            module = self.module
            key_ids = getattr(module, "position_ids_k", module.position_ids)
            query, key = (self._rotary_table(like, ids) for ids in (module.position_ids, key_ids))
            self._tables[like.device] = query, key
        return self._tables[like.device]

    def _rotary_table(self, like: Tensor, ids: Tensor) -> Tensor:
        cosine, sine = self.module.rotary_emb(like, ids.to(like.device))
        return torch.complex(cosine[0, :, ::2].float(), sine[0, :, ::2].float())


def rotate(tokens: Tensor, table: Tensor) -> Tensor:
    """(..., L, D) tokens with rotary encoding (Su et al. 2021): pairs of channels turned, in float32.

    Args:
        tokens: (..., L, D).
        table: (L, D / 2) complex64, what each pair is turned by.
    """
    pairs = torch.view_as_complex(tokens.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * table).flatten(-2).to(tokens.dtype)


def _rotate_frames(keys: Tensor, table: Tensor, frames: int, pointers: int) -> Tensor:
    """(N, T, D) keys, the last tokens of every memory rotated; global tokens and pointers are left alone."""
    split = keys.shape[1] - pointers
    by_frame = keys[:, :split].unflatten(1, (frames, -1))
    plain = by_frame.shape[2] - len(table)
    rotated = rotate(by_frame[:, :, plain:], table)
    if plain:
        rotated = torch.cat((by_frame[:, :, :plain], rotated), dim=2)
    return torch.cat((rotated.flatten(1, 2), keys[:, split:]), dim=1)


def _pool_frames(tokens: Tensor, frames: int, pointers: int) -> Tensor:
    """(N, T', D) tokens, those of every frame averaged over 2x2 cells of its square grid."""
    split = tokens.shape[1] - pointers
    by_frame = tokens[:, :split].unflatten(1, (frames, -1))
    side = math.isqrt(by_frame.shape[2])
    cells = by_frame.unflatten(2, (side // 2, 2, side // 2, 2)).mean(dim=(3, 5))
    return torch.cat((cells.flatten(1, 3), tokens[:, split:]), dim=1)


def _feed_forward(layer: Any, hidden: Tensor) -> Tensor:
    if hasattr(layer, "mlp"):
        result: Tensor = layer.mlp(hidden)
        return result
    result = layer.linear2(layer.activation(layer.linear1(hidden)))
    return result
