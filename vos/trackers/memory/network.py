"""The networks of SAM 2 and its kin, called one part at a time, for several objects at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface, PreTrainedModel

from ...backbones.block_attention import attend_heads
from ...backbones.matrix_products import speed_up
from .attention import MemoryAttention
from .preprocess import IMAGENET_MEAN, IMAGENET_STD, to_input

ABSENT = -1024.0
"""Logit of every pixel of an object that is not there."""
MASK_SCALE, MASK_BIAS = 20.0, -10.0
"""A mask of 0 and 1 becomes logits of -10 and 10."""
COMPILED = ("vision_encoder", "mask_decoder", "memory_encoder")
"""Parts that :meth:`MemoryNetwork.compile` translates."""
ATTENTION = "vos-blocks"
"""Name of :func:`_attend` among transformers' attention functions."""


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """(B, L, heads, V) attention of (B, heads, L, D), (B, heads, T, D) and (B, heads, T, V)."""
    assert attention_mask is None, "no image encoder of this family masks its attention"
    return attend_heads(query, key, value).transpose(1, 2), None


@dataclass(frozen=True, eq=False)
class Features:
    """Output of the image encoder for a frame; it does not depend on the objects."""

    coarse: Tensor
    """(1, C, g, g), stride 16."""
    position: Tensor
    """(1, g * g, C) position encoding of ``coarse``."""
    fine: tuple[Tensor, ...]
    """(1, C / 8, 4 g, 4 g) and (1, C / 4, 2 g, 2 g) for the decoder; empty where it takes none."""


@dataclass(frozen=True, eq=False)
class DecoderOutput:
    """Output of the mask decoder for N objects, K candidates each."""

    low_res: Tensor
    """(N, K, h, w) float32 logits; all :data:`ABSENT` where the object is not there."""
    quality: Tensor
    """(N, K) float32, estimated IoU; on the processor."""
    tokens: Tensor
    """(N, K, C) decoder tokens, which object pointers are made of."""
    score: Tensor
    """(N,) float32 logit of the object being there; on the processor."""
    present: Tensor
    """(N,) bool."""


@dataclass(frozen=True, eq=False)
class MemoryFrame:
    """A memory to attend."""

    tokens: Tensor
    """(T, M)."""
    row: int
    """Of the temporal encoding; negative ones count from the last."""
    weight: float = 1.0
    """Its keys are multiplied by this."""


@dataclass(frozen=True, eq=False)
class MemoryPointer:
    """An object pointer to attend."""

    pointer: Tensor
    """(C,)."""
    offset: float
    """Frames between it and now."""
    weight: float = 1.0
    """Its keys are multiplied by this."""


@dataclass(frozen=True, eq=False)
class Attended:
    """All that a frame attends for one object."""

    frames: list[MemoryFrame] = field(default_factory=list)
    pointers: list[MemoryPointer] = field(default_factory=list)
    max_offset: float = 15.0
    """Offsets are divided by this before they are encoded."""


class MemoryNetwork:
    """A network of the SAM 2 family.

    Args:
        model: of transformers: ``Sam2VideoModel``, ``EdgeTamVideoModel``, ``Sam3TrackerVideoModel``, or one
            that has the same parts.
        model_name: as ``--model`` takes it.
        mean, std: what pixels in 0..1 are normalised with.
        device, dtype: where and in what it computes. Prompts are encoded in float32 always.
        memory_dtype: what memories are kept in; published is bfloat16.
        max_points: points of a prompt that it takes, corners of a box among them; None: any number.
    """

    def __init__(
        self,
        model: Any,
        model_name: str,
        *,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        memory_dtype: torch.dtype = torch.bfloat16,
        max_points: int | None = None,
    ) -> None:
        self.max_points = max_points
        self.model, self.name, self.mean, self.std = model, model_name, mean, std
        self.device, self.dtype, self.memory_dtype = torch.device(device), dtype, memory_dtype
        model.float().eval().requires_grad_(False).to(self.device)
        for part in (
            "vision_encoder",
            "mask_decoder",
            "memory_attention",
            "memory_encoder",
            "spatial_perceiver",
        ):
            if hasattr(model, part):
                getattr(model, part).to(dtype)
        speed_up(model)
        AttentionInterface.register(ATTENTION, _attend)
        if isinstance(model.vision_encoder, PreTrainedModel):
            model.vision_encoder.set_attn_implementation(ATTENTION)
        self.image_size = int(model.image_size)
        self.low_res_size = int(model.prompt_encoder.mask_input_size[0])
        self.grid = int(model.prompt_encoder.image_embedding_size[0])
        self.dim = int(model.hidden_dim)
        self.memory_dim = int(model.mem_dim)
        self.num_memories = int(model.num_maskmem)
        self.max_pointers = int(model.config.max_object_pointers_in_encoder)
        pooling = getattr(model, "memory_pooling", None)
        self.attention = MemoryAttention(model.memory_attention, pooling=pooling)
        self._replayed = False
        """The image encoder writes every result to the same place."""
        self._image_position: Tensor | None = None
        self._memory_position: Tensor | None = None

    def compile(self) -> None:
        """Have ``torch.compile`` translate the parts whose shapes stay the same, when they are called first.

        The memory attention is left as it is: its keys grow in number over the first frames of a video. On a
        card the image encoder is replayed as a CUDA graph, since launching its kernels takes four times as
        long as they take.
        """
        on_card = self.device.type == "cuda"
        for part in COMPILED:
            graph = on_card and part == "vision_encoder"
            getattr(self.model, part).compile(mode="reduce-overhead" if graph else None)
        self._replayed = on_card

    @torch.inference_mode()
    def encode_image(self, image: NDArray[np.uint8]) -> Features:
        """Features of an (H, W, 3) uint8 RGB image."""
        return self.encode_pixels(to_input(image, self.image_size, self.mean, self.std, self.device))

    @torch.inference_mode()
    def encode_pixels(self, pixels: Tensor) -> Features:
        """Features of a (1, 3, S, S) normalised image."""
        out = self.model.get_image_features(pixels.to(self.device, self.dtype), return_dict=True)
        maps = []
        for tokens in out.fpn_hidden_states:
            side = math.isqrt(len(tokens))
            tokens = tokens.clone() if self._replayed else tokens
            maps.append(tokens.permute(1, 2, 0).unflatten(2, (side, side)))
        encoding = out.fpn_position_encoding[-1]
        position = (encoding.clone() if self._replayed else encoding).transpose(0, 1).to(self.dtype)
        return Features(maps[-1], position, tuple(maps[:-1]))

    def without_memory(self, features: Features) -> Tensor:
        """(1, C, g, g) features of a frame that attends nothing."""
        empty = self.model.no_memory_embedding.reshape(1, -1, 1, 1)
        return features.coarse + empty.to(features.coarse.dtype)

    @torch.inference_mode()
    def fuse(self, features: Features, attended: Sequence[Attended]) -> Tensor:
        """(N, C, g, g) features fused with the memories of N objects, which have equally many keys each."""
        memory, encoding = zip(*(self.keys(one) for one in attended), strict=True)
        frames = len(attended[0].frames)
        pointers = len(attended[0].pointers) * self.tokens_per_pointer
        tokens = features.coarse.flatten(2).transpose(1, 2)
        fused = self.attention(
            tokens, features.position, torch.stack(memory), torch.stack(encoding), frames, pointers
        )
        return fused.transpose(1, 2).unflatten(2, (self.grid, self.grid))

    @property
    def tokens_per_pointer(self) -> int:
        """How many memory tokens an object pointer is split into."""
        return max(1, self.dim // self.memory_dim)

    def keys(self, attended: Attended) -> tuple[Tensor, Tensor]:
        """(T, M) memory tokens and their encodings: all frames one after another, then the pointers."""
        rows = self.model.memory_temporal_positional_encoding.flatten(1)
        position = self.memory_position
        memory = [frame.tokens.to(self.dtype) for frame in attended.frames]
        encoding = [position + rows[frame.row].to(self.dtype) for frame in attended.frames]
        weights = [frame.weight for frame in attended.frames]
        if attended.pointers:
            pointers = torch.stack([p.pointer for p in attended.pointers]).to(self.dtype)
            encoded = self._encode_offsets([p.offset for p in attended.pointers], attended.max_offset)
            memory += pointers.unflatten(1, (self.tokens_per_pointer, -1)).unbind()
            encoding += encoded[:, None].expand(-1, self.tokens_per_pointer, -1).unbind()
            weights += [p.weight for p in attended.pointers]
        for n, weight in enumerate(weights):
            if weight != 1:  # keys are memory + encoding; values stay as they are
                encoding[n] = (memory[n] + encoding[n]) * weight - memory[n]
        return torch.cat(memory), torch.cat(encoding)

    def _encode_offsets(self, offsets: list[float], max_offset: float) -> Tensor:
        """(P, M) encodings of distances in time; zero where the network was trained without."""
        if not self.model.config.enable_temporal_pos_encoding_for_object_pointers:
            return torch.zeros(len(offsets), self.memory_dim, device=self.device, dtype=self.dtype)
        half = self.dim // 2
        steps = torch.arange(half, dtype=torch.float32, device=self.device)
        periods = 10000 ** (2 * (steps // 2) / half)
        angles = (
            torch.tensor(offsets, dtype=torch.float32, device=self.device)[:, None] / max_offset / periods
        )
        encoded = torch.cat((angles.sin(), angles.cos()), dim=1)
        projected: Tensor = self.model.temporal_positional_encoding_projection_layer(encoded)
        return projected.to(self.dtype)

    @torch.inference_mode()
    def decode(
        self,
        features: Features,
        fused: Tensor,
        *,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        dense: Tensor | None = None,
        multimask: bool = True,
        present_above: float = 0.0,
    ) -> DecoderOutput:
        """Masks of N objects.

        Args:
            features: of the frame.
            fused: (N, C, g, g).
            points, labels: (N, P, 2) xy in the square and (N, P): 0 off, 1 on the object, 2 and 3 corners of
                a box, -1 nothing. None: no prompt.
            dense: (N, h, w) logits of a mask prompt.
            multimask: three candidates; else one, which is the best of the three where the fourth is not
                stable.
            present_above: the object is there if its score is above this.
        """
        if points is None or labels is None:
            points = torch.zeros(len(fused), 1, 2, device=self.device)
            labels = torch.full((len(fused), 1), -1, device=self.device)
        masks = None if dense is None else dense.to(self.device, torch.float32)[:, None]
        sparse, dense_embedding = self.model.prompt_encoder(
            points.to(self.device)[:, None], labels.to(self.device)[:, None], None, masks
        )
        nothing = fused.new_zeros(1, 1, 1, 1)  # where the encoder has one level of features
        logits, quality, tokens, score = self.model.mask_decoder(
            image_embeddings=fused,
            image_positional_embeddings=self._positions(),
            sparse_prompt_embeddings=sparse.to(self.dtype),
            dense_prompt_embeddings=dense_embedding.to(self.dtype),
            multimask_output=multimask,
            high_resolution_features=list(features.fine) or [nothing, nothing],
        )
        score = score[:, 0, 0].float()
        present = score > present_above
        low_res = torch.where(present[:, None, None, None], logits[:, 0].float(), ABSENT)
        return DecoderOutput(low_res, quality[:, 0].float().cpu(), tokens[:, 0], score.cpu(), present)

    def _positions(self) -> Tensor:
        if self._image_position is None:
            self._image_position = self.model.get_image_wide_positional_embeddings().to(self.dtype)
        return self._image_position

    @torch.inference_mode()
    def pointers(self, tokens: Tensor, present: Tensor) -> Tensor:
        """(N, C) float32 object pointers of (N, C) decoder tokens; a fixed one where the object is absent."""
        made = self.model.object_pointer_proj(tokens.float())
        return torch.where(present[:, None], made, self.model.no_object_pointer)

    @torch.inference_mode()
    def mask_pointer(
        self, features: Features, mask: Tensor, *, present_above: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """(C,) pointer and (1,) quality of a mask prompt, (S, S) of 0 and 1: a decoder call makes them."""
        dense = self.model.mask_downsample(mask.to(self.device)[None, None])
        size = (self.low_res_size, self.low_res_size)
        if dense.shape[-2:] != size:
            dense = F.interpolate(dense, size, mode="bilinear", align_corners=False, antialias=True)
        decoded = self.decode(
            features, features.coarse, dense=dense[:, 0], multimask=False, present_above=present_above
        )
        pointer = self.pointers(decoded.tokens[:, 0], decoded.present)
        there = mask.any().to(self.device)
        return torch.where(there, pointer, self.model.no_object_pointer)[0], decoded.quality[0]

    def mask_logits(self, mask: Tensor) -> Tensor:
        """(h, w) float32 low-res logits of a mask prompt, (S, S) of 0 and 1."""
        logits = (mask.to(self.device) * MASK_SCALE + MASK_BIAS)[None, None]
        size = (self.low_res_size, self.low_res_size)
        return F.interpolate(logits, size, mode="bilinear", align_corners=False, antialias=True)[0, 0]

    @torch.inference_mode()
    def encode_memory(self, features: Features, low_res: Tensor, score: Tensor, *, prompted: bool) -> Tensor:
        """(N, T, M) memories of N objects in a frame, in the memory's dtype.

        Args:
            features: of the frame.
            low_res: (N, h, w) logits.
            score: (N,) object score logits: where not above 0 the memory says that the object is not there.
            prompted: the frame has prompts: the mask enters as 0 and 1, not as probabilities.
        """
        size = (self.image_size, self.image_size)
        logits = F.interpolate(low_res[:, None].float(), size, mode="bilinear", align_corners=False)
        side = 16 * self.grid  # of the memory encoder's input: SAM 3's is larger than its image
        if side != self.image_size:
            shape = (side, side)
            logits = F.interpolate(logits, shape, mode="bilinear", align_corners=False, antialias=True)
        masks = (logits > 0).float() if prompted else logits.sigmoid()
        masks = (masks * MASK_SCALE + MASK_BIAS).to(self.device, self.dtype)
        coarse = features.coarse.expand(len(masks), -1, -1, -1)
        memory, position = self.model.memory_encoder(coarse, masks)
        occluded = self.model.occlusion_spatial_embedding_parameter
        if occluded is not None:
            absent = (score.to(self.device) <= 0)[:, None, None, None]
            memory = memory + absent * occluded[..., None, None].to(memory.dtype)
        return self._tokens(memory, position)[0].to(self.memory_dtype)

    def _tokens(self, memory: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, M) tokens and position encodings of (N, M, g, g) memories; EdgeTAM compresses them."""
        if hasattr(self.model, "spatial_perceiver"):
            position = position[:1].to(memory.dtype)
            # One by one: transformers' module refuses several at once.
            each = [self.model.spatial_perceiver(one[None], position) for one in memory]
            tokens, encoding = (torch.cat(parts) for parts in zip(*each, strict=True))
            return tokens, encoding
        return memory.flatten(2).transpose(1, 2), position.flatten(2).transpose(1, 2)

    @property
    def memory_position(self) -> Tensor:
        """(T, M) position encoding of a memory's tokens, the same for all."""
        if self._memory_position is None:
            shape = torch.Size((1, self.memory_dim, self.grid, self.grid))
            position = self.model.memory_encoder.position_encoding(shape, self.device, torch.float32)
            zeros = torch.zeros(shape, device=self.device, dtype=self.dtype)
            with torch.inference_mode():
                encoding = self._tokens(zeros, position.to(self.dtype))[1][0]
            self._memory_position = encoding.to(self.dtype)
        return self._memory_position
