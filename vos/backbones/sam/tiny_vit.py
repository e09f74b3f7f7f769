"""TinyViT, the image encoder of MobileSAM (Wu 2022; Zhang 2023), under its original entry names.

Stage 0 is convolutional, stages 1 to 3 attend within windows. MobileSAM keeps the resolution in the last
downsampling, so 1024 pixels become a grid of 64x64. :meth:`TinyViT.fold` merges batch norms into the
convolutions once the weights are in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import LayerNorm2d


@dataclass(frozen=True)
class TinyViTConfig:
    """Sizes of a TinyViT; the defaults are MobileSAM's."""

    image_size: int = 1024
    dims: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (4, 5, 10)
    """Of stages 1 to 3."""
    windows: tuple[int, ...] = (7, 14, 7)
    """Window sides of stages 1 to 3, in cells."""
    out_channels: int = 256
    classes: int = 1000
    """Outputs of the classification head that MobileSAM's file carries along; 0 for none. It is never run."""

    @property
    def grid(self) -> int:
        """Side of the feature grid."""
        return self.image_size // 16


class ConvNorm(nn.Sequential):
    """Convolution ``c`` without bias, then batch norm ``bn``; one convolution with bias once folded."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    @torch.no_grad()
    def fold(self) -> None:
        """Merge the batch norm into the convolution (in float64, so nothing is lost but the last bit)."""
        conv, norm = self.c, self.bn
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        bias = norm.bias.double() - norm.running_mean.double() * scale
        conv.bias = nn.Parameter(bias.to(conv.weight.dtype))
        conv.weight.copy_((conv.weight.double() * scale[:, None, None, None]).to(conv.weight.dtype))
        del self._modules["bn"]


class MBConv(nn.Module):
    """Inverted bottleneck: widen, depthwise 3x3, narrow, residual."""

    def __init__(self, dim: int, expansion: int = 4) -> None:
        super().__init__()
        hidden = dim * expansion
        self.conv1 = ConvNorm(dim, hidden, 1)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same."""
        y = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(self.conv3(y) + x)


class PatchMerging(nn.Module):
    """Downsampling between stages, by ``stride``."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs, 1)
        self.conv2 = ConvNorm(outputs, outputs, 3, stride, groups=outputs)
        self.conv3 = ConvNorm(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, outputs, h / stride, w / stride)."""
        out: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return out


class ConvStage(nn.Module):
    """Stage 0: convolutional blocks."""

    def __init__(self, dim: int, depth: int, downsample: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(MBConv(dim) for _ in range(depth))
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w), downsampled at the end where the stage has a downsampling."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class AttentionStage(ConvStage):
    """Stages 1 to 3: blocks that attend within windows."""

    def __init__(
        self, dim: int, depth: int, heads: int, window: int, downsample: PatchMerging | None
    ) -> None:
        super().__init__(dim, 0, downsample)
        self.blocks = nn.ModuleList(WindowBlock(dim, heads, window) for _ in range(depth))


class WindowBlock(nn.Module):
    """Attention within windows, a depthwise 3x3 convolution, an MLP."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(dim, heads, window)
        self.local_conv = ConvNorm(dim, dim, 3, groups=dim)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same."""
        x = x + self._attend(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.local_conv(x)
        return x + self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same; zeros pad the last windows (they are attended to, as in the original)."""
        side = self.window
        b, height, width, c = x.shape
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        x = x.reshape(b, rows, side, columns, side, c).transpose(2, 3).reshape(-1, side * side, c)
        x = self.attn(x).reshape(b, rows, columns, side, side, c).transpose(2, 3)
        return x.reshape(b, rows * side, columns * side, c)[:, :height, :width]


class WindowAttention(nn.Module):
    """Pre-normed self attention with a learned bias for every absolute offset (|dy|, |dx|)."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))

    def forward(self, x: Tensor) -> Tensor:
        """(B, window^2, C) to the same."""
        b, n, c = x.shape
        # The original interleaves q, k and v per head.
        qkv = self.qkv(self.norm(x)).reshape(b, n, self.heads, 3, c // self.heads)
        q, k, v = qkv.permute(3, 0, 2, 1, 4).unbind(0)
        # Four axes: with three, torch takes a slower path on CPUs.
        bias = self.attention_biases[None, :, _offsets(self.window).to(x.device)]
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        projected: Tensor = self.proj(out.transpose(1, 2).reshape(b, n, c))
        return projected


@lru_cache(maxsize=8)
def _offsets(window: int) -> Tensor:
    """(window^2, window^2) int64: |dy| * window + |dx| between every two cells of a window."""
    with torch.device("cpu"):
        cells = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        distance = (cells[:, None] - cells[None]).abs()
        return distance[..., 0] * window + distance[..., 1]


class Mlp(nn.Module):
    """Pre-normed two-layer perceptron."""

    def __init__(self, dim: int, ratio: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, ratio * dim)
        self.fc2 = nn.Linear(ratio * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class PatchEmbed(nn.Module):
    """Two strided convolutions: image to a quarter of its size."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvNorm(3, dim // 2, 3, 2), nn.GELU(), ConvNorm(dim // 2, dim, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, C, S / 4, S / 4)."""
        out: Tensor = self.seq(x)
        return out


class TinyViT(nn.Module):
    """The encoder with SAM's neck."""

    def __init__(self, config: TinyViTConfig) -> None:
        super().__init__()
        dims, last = config.dims, len(config.dims) - 1
        self.patch_embed = PatchEmbed(dims[0])
        self.layers = nn.ModuleList()
        for stage, (dim, depth) in enumerate(zip(dims, config.depths, strict=True)):
            # 4x in the patch embedding, 2x after stages 0 and 1: a sixteenth of the image's side.
            merge = PatchMerging(dim, dims[stage + 1], stride=2 if stage < 2 else 1) if stage < last else None
            if stage == 0:
                self.layers.append(ConvStage(dim, depth, merge))
            else:
                heads, window = config.heads[stage - 1], config.windows[stage - 1]
                self.layers.append(AttentionStage(dim, depth, heads, window, merge))
        self.norm_head = nn.LayerNorm(dims[-1])
        if config.classes:
            self.head = nn.Linear(dims[-1], config.classes)
        channels = config.out_channels
        self.neck = nn.Sequential(
            nn.Conv2d(dims[-1], channels, 1, bias=False),
            LayerNorm2d(channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            LayerNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) normalised image to (B, out_channels, S / 16, S / 16)."""
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.neck(x)
        return out

    def fold(self) -> None:
        """Merge all batch norms into their convolutions; call once, after loading the weights."""
        for module in list(self.modules()):
            if isinstance(module, ConvNorm):
                module.fold()
