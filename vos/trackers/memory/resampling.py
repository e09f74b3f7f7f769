"""Pillow's bicubic resampling of 8-bit images as tensor operations, byte for byte.

The published numbers of SAM 2 were made with images resized by Pillow. On a graphics card its resize is the
longest part of a step of a small model: 15 ms of 37 on one measured. Here it is repeated on the device, with
the same fixed-point weights and the same rounding (Pillow's ``src/libImaging/Resample.c``).
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

SUPPORT = 2.0
"""Of the bicubic filter, in source pixels where the image grows."""
SHARPNESS = -0.5
"""Of the bicubic filter (Keys 1981)."""
PRECISION = 22
"""Bits behind the point of a fixed-point weight."""


def rows_first(shape: tuple[int, ...], side: int) -> bool:
    """Whether every version of Pillow resamples an (H, W, C) image along its rows first, to a square.

    Since version 13 it begins with the other axis where the height shrinks much more than the width.
    """
    height, width = shape[:2]
    return height <= side or width >= height


def resize_bicubic(image: Tensor, height: int, width: int) -> Tensor:
    """(height, width, C) uint8: an (H, W, C) uint8 image resized with antialias, on its device; along its
    rows first, see :func:`rows_first`."""
    if image.shape[1] != width:
        image = _resample(image, width, dim=1)
    if image.shape[0] != height:
        image = _resample(image, height, dim=0)
    return image


def _resample(image: Tensor, size: int, dim: int) -> Tensor:
    first, weights = _weights(image.shape[dim], size, image.device)
    shape = [1, 1, 1]
    shape[dim] = size
    last = image.shape[dim] - 1
    total = torch.full((), 1 << (PRECISION - 1), dtype=torch.int32, device=image.device)
    for tap, weight in enumerate(weights):
        source = image.index_select(dim, (first + tap).clamp(max=last)).int()
        total = total + source * weight.view(shape)
    return (total >> PRECISION).clamp_(0, 255).to(torch.uint8)


@functools.lru_cache(maxsize=8)
def _weights(old: int, new: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(new,) int64 first source pixel of every pixel, and (K, new) int32 weights of it and of those after."""
    scale = old / new
    stretch = max(scale, 1.0)
    support = SUPPORT * stretch
    taps = 2 * math.ceil(support) + 1
    first, rows = [], []
    for place in range(new):
        centre = (place + 0.5) * scale
        low, high = max(0, int(centre - support + 0.5)), min(old, int(centre + support + 0.5))
        row = [_bicubic((pixel - centre + 0.5) / stretch) for pixel in range(low, high)]
        total = sum(row)
        first.append(low)
        rows.append([_fixed(weight / total) for weight in row] + [0] * (taps - len(row)))
    weights = torch.tensor(rows, dtype=torch.int32, device=device).T.contiguous()
    return torch.tensor(first, device=device), weights


def _bicubic(x: float) -> float:
    x, a = abs(x), SHARPNESS
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    if x < SUPPORT:
        return (((x - 5) * x + 8) * x - 4) * a
    return 0.0


def _fixed(weight: float) -> int:
    """Half a unit is rounded away from 0."""
    return int(math.copysign(0.5, weight) + weight * (1 << PRECISION))
