"""SAM's geometry: image to network input, prompt coordinates, logits back to the image.

Three frames: the *image* (H, W), the *resized* image (h', w') whose long side is the network's, and the
*padded* square that the network sees, with the resized image in its top-left corner.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from .network import PIXEL_MEAN, PIXEL_STD


def resized_size(image_size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """(h', w') of an image of size (H, W)."""
    height, width = image_size
    scale = long_side / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def to_input(image: NDArray[np.uint8], long_side: int) -> Tensor:
    """(1, 3, S, S) float32 network input of an (H, W, 3) uint8 RGB image: resize, normalise, pad with 0."""
    height, width = resized_size((image.shape[0], image.shape[1]), long_side)
    resized = np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    pixels = torch.from_numpy(resized).permute(2, 0, 1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
    normalised = (pixels - mean) / std
    return F.pad(normalised, (0, long_side - width, 0, long_side - height))[None]


def to_padded_frame(points: NDArray[np.float32], image_size: tuple[int, int], long_side: int) -> Tensor:
    """(..., 2) xy in image pixels to float32 xy in the padded frame (by way of float64, as the original)."""
    height, width = resized_size(image_size, long_side)
    scale = np.array([width / image_size[1], height / image_size[0]])
    return torch.from_numpy((points.astype(np.float64) * scale).astype(np.float32))


def upscale(low_res: Tensor, image_size: tuple[int, int], long_side: int) -> Tensor:
    """Upscale (N, K, h, w) low-res maps of the padded frame to (N, K, H, W) of the image.

    Bilinear to the padded square, crop, bilinear to the image. Rows and columns that the crop
    drops are not computed; what is kept is the same to the last bit.
    """
    height, width = resized_size(image_size, long_side)
    factor = long_side // low_res.shape[-1]
    rows, columns = (min(low_res.shape[-1], math.ceil(size / factor) + 1) for size in (height, width))
    square = F.interpolate(
        low_res[..., :rows, :columns],
        (rows * factor, columns * factor),
        mode="bilinear",
        align_corners=False,
    )
    return F.interpolate(square[..., :height, :width], image_size, mode="bilinear", align_corners=False)


def mask_to_low_res(mask: NDArray[np.bool_], side: int, logit: float) -> Tensor:
    """(side, side) float32 mask prompt of an (H, W) mask, averaged: ``logit`` in it, ``-logit`` outside."""
    height, width = resized_size((mask.shape[0], mask.shape[1]), side)
    pixels = torch.from_numpy(mask.astype(np.float32))[None, None]
    covered = F.interpolate(pixels, (height, width), mode="area")[0, 0]
    return F.pad((2 * covered - 1) * logit, (0, side - width, 0, side - height), value=-logit)
