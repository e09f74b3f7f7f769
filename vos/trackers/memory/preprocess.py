"""Geometry of SAM 2: the frame is stretched to a square, whatever its shape, and back."""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ...prompts import Prompt
from .resampling import resize_bicubic, rows_first

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_input(
    image: NDArray[np.uint8],
    side: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: torch.device | str = "cpu",
) -> Tensor:
    """(1, 3, side, side) float32 network input on ``device``, of an (H, W, 3) uint8 RGB image.

    Resized by Pillow's bicubic filter with antialias, as the published numbers of SAM 2 were made; on another
    device by the same arithmetic there, for most sizes. What a byte becomes is looked up, which takes a tenth
    of the time of the arithmetic.
    """
    device = torch.device(device)
    if device.type == "cpu" or not rows_first(image.shape, side):
        resized = torch.from_numpy(
            np.array(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
        )
    else:
        resized = resize_bicubic(torch.from_numpy(np.ascontiguousarray(image)).to(device), side, side)
    bytes_ = resized.permute(2, 0, 1).int()
    table = _pixel_values(mean, std, device)
    return torch.stack([row[channel] for row, channel in zip(table, bytes_, strict=True)])[None]


@functools.cache
def _pixel_values(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> Tensor:
    """(3, 256) float32: normalised values of the bytes in every channel."""
    pixels = torch.from_numpy((np.arange(256) / 255.0).astype(np.float32))
    return ((pixels - torch.tensor(mean)[:, None]) / torch.tensor(std)[:, None]).to(device)


def to_points(prompt: Prompt, image_size: tuple[int, int], side: int) -> tuple[Tensor, Tensor]:
    """(P, 2) float32 xy in the square and (P,) int64 labels of a prompt's box and points.

    The corners of the box come first, with labels 2 and 3.
    """
    height, width = image_size
    points, labels = [np.zeros((0, 2), np.float32)], [np.zeros(0, np.int64)]
    if prompt.box is not None:
        points.append(prompt.box.reshape(2, 2).astype(np.float32))
        labels.append(np.array([2, 3]))
    if prompt.points is not None and prompt.labels is not None:
        points.append(prompt.points.astype(np.float32))
        labels.append(prompt.labels)
    xy = torch.from_numpy(np.concatenate(points)) / torch.tensor([width, height], dtype=torch.float32)
    return xy * side, torch.from_numpy(np.concatenate(labels))


def to_mask(mask: NDArray[np.bool_], side: int) -> Tensor:
    """(side, side) float32 of 0 and 1: a mask of the frame, stretched to the square."""
    pixels = torch.from_numpy(mask.astype(np.float32))[None, None]
    if mask.shape == (side, side):
        return pixels[0, 0]
    stretched = F.interpolate(pixels, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return (stretched[0, 0] >= 0.5).float()


def to_image(low_res: Tensor, image_size: tuple[int, int]) -> Tensor:
    """(N, H, W) float32 logits at the size of the frame, of (N, h, w) low-res logits."""
    return F.interpolate(low_res[:, None].float(), image_size, mode="bilinear", align_corners=False)[:, 0]
