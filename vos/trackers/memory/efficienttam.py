"""EfficientTAM (Xiong et al. 2024, arXiv 2411.18933): a plain ViT in place of SAM 2's Hiera.

The image encoder has one level of features, so the mask decoder has none of high resolution. All else is
SAM 2's of July 2024. Its modules have the entry names that transformers gives those of SAM 2.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoVisionEncoderOutput

from ...backbones.block_attention import attend_heads
from ...backbones.sam.layers import LayerNorm2d
from .configurations import PlainViT

PATCH, WINDOW, PRETRAINED_GRID = 16, 14, 14
"""Sides: of a patch in pixels, of a window in patches, and of the grid with stored position encodings."""


class Attention(nn.Module):
    """Self-attention over a rectangle of cells."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same."""
        heads = self.qkv(x).flatten(1, 2).unflatten(2, (3, self.heads, -1))
        attended = attend_heads(*heads.permute(2, 0, 3, 1, 4))
        out: Tensor = self.proj(attended.transpose(1, 2).reshape(x.shape))
        return out


class FeedForward(nn.Module):
    """Two layers with GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj_in = nn.Linear(width, 4 * width)
        self.proj_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        out: Tensor = self.proj_out(F.gelu(self.proj_in(x)))
        return out


class Block(nn.Module):
    """Pre-normed attention, within windows of side ``window`` or global where it is 0, then two layers."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.layer_norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.layer_norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same."""
        normed = self.layer_norm1(x)
        x = x + (in_windows(self.attn, normed, self.window) if self.window else self.attn(normed))
        out: Tensor = x + self.mlp(self.layer_norm2(x))
        return out


def in_windows(module: nn.Module, x: Tensor, side: int) -> Tensor:
    """(B, h, w, C) to the same by windows of ``side``; zeros pad the last ones, and are attended to."""
    batch, height, width, channels = x.shape
    x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
    rows, columns = x.shape[1] // side, x.shape[2] // side
    x = x.reshape(batch, rows, side, columns, side, channels).transpose(2, 3)
    x = module(x.reshape(-1, side, side, channels)).reshape(batch, rows, columns, side, side, channels)
    return x.transpose(2, 3).reshape(batch, rows * side, columns * side, channels)[:, :height, :width]


class Trunk(nn.Module):
    """The ViT: patches, positions stretched over the image, blocks."""

    def __init__(self, plain: PlainViT) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"projection": nn.Conv2d(3, plain.width, PATCH, PATCH)})
        # The first position is of the class token that the ViT was pretrained with.
        self.pos_embed = nn.Parameter(torch.zeros(1, PRETRAINED_GRID**2 + 1, plain.width))
        self.blocks = nn.ModuleList(
            Block(plain.width, plain.heads, 0 if n in plain.global_blocks else WINDOW)
            for n in range(plain.depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) normalised image to (B, C, S / 16, S / 16)."""
        x = self.patch_embed["projection"](x).permute(0, 2, 3, 1)
        x = x + self._positions((x.shape[1], x.shape[2]))
        for block in self.blocks:
            x = block(x)
        return x.permute(0, 3, 1, 2)

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        stored = self.pos_embed[:, 1:].unflatten(1, (PRETRAINED_GRID, -1)).permute(0, 3, 1, 2)
        stretched = F.interpolate(stored.float(), grid, mode="bicubic", align_corners=False)
        return stretched.to(stored.dtype).permute(0, 2, 3, 1)


class Neck(nn.Module):
    """Two convolutions, each normed."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        layers = OrderedDict(
            conv_1x1=nn.Conv2d(width, channels, 1, bias=False),
            norm_0=LayerNorm2d(channels),
            conv_3x3=nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            norm_1=LayerNorm2d(channels),
        )
        self.convs = nn.ModuleList([nn.Sequential(layers)])

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) to (B, channels, h, w)."""
        out: Tensor = self.convs[0](x)
        return out


class VisionEncoder(nn.Module):
    """Trunk and neck."""

    def __init__(self, plain: PlainViT, channels: int) -> None:
        super().__init__()
        self.backbone = Trunk(plain)
        self.neck = Neck(plain.width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) normalised image to (B, channels, S / 16, S / 16)."""
        out: Tensor = self.neck(self.backbone(x))
        return out


class EfficientTamVideoModel(Sam2VideoModel):
    """transformers' SAM 2 with EfficientTAM's image encoder.

    Args:
        config: ``Sam2VideoConfig``; its image encoder is replaced.
        plain: the trunk.
        pooling: see :class:`vos.trackers.memory.attention.MemoryAttention`.
    """

    def __init__(self, config: Any, plain: PlainViT, pooling: str | None = None) -> None:
        super().__init__(config)
        self.vision_encoder = VisionEncoder(plain, self.hidden_dim)
        self.memory_pooling = pooling
        del self.mask_decoder.conv_s0, self.mask_decoder.conv_s1
        sine = type(self.memory_encoder.position_encoding)  # its class has another name in other versions
        self.image_position_encoding = sine(self.hidden_dim // 2, normalize=True)

    def get_image_features(self, pixel_values: Tensor, **_: Any) -> Any:
        """Features and their position encoding as SAM 2 gives them, (h * w, B, C), of one level."""
        features = self.vision_encoder(pixel_values)
        position = self.image_position_encoding(features.shape, features.device, torch.float32)
        return Sam2VideoVisionEncoderOutput(
            fpn_hidden_states=[features.flatten(2).permute(2, 0, 1)],
            fpn_position_encoding=[position.flatten(2).permute(2, 0, 1)],
        )
