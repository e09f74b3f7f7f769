"""Onto the square canvas of the network and back (Segmentation From Attention).

The canvas is S x S pixels; the image lies at its top left, the rest is black before normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ...errors import MediaError
from ...results import VOID

Statistics = Literal["imagenet", "clip"]

STATISTICS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    # What the reference programme uses, though BLIP was trained with the second.
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
"""Name -> (mean, standard deviation) of RGB in 0..1."""

MULTIPLE = 8
"""The sides of the resized image are multiples of this."""


@dataclass(frozen=True)
class Placement:
    """Where an image lies on its canvas."""

    original: tuple[int, int]
    """(H, W) of the image in pixels."""
    inner: tuple[int, int]
    """(h, w) it takes at the top left of the canvas."""
    canvas: int
    """Side of the canvas in pixels."""


def place(height: int, width: int, canvas: int) -> Placement:
    """Where an image of that size goes: long side to ``canvas``, the other floored to a multiple of 8.

    The ratio is computed first and the other side is truncated after it; in a square image the width is
    the "other side", so rounding makes a few square sizes come out 8 pixels narrower. That is the
    reference's order of operations.

    Raises:
        MediaError: if the image is so long and thin that nothing is left of its short side.
    """
    ratio = canvas / max(height, width)
    if width > height:
        inner = (int(height * ratio) // MULTIPLE * MULTIPLE, canvas)
    else:
        inner = (canvas, int(width * ratio) // MULTIPLE * MULTIPLE)
    if min(inner) == 0:
        raise MediaError(
            f"an image of {width}x{height} is too long and thin: at {canvas} pixels for the long side "
            f"the short one has fewer than {MULTIPLE}; crop the image"
        )
    return Placement((height, width), inner, canvas)


def image_to_canvas(
    image: NDArray[np.uint8], canvas: int, statistics: Statistics = "imagenet"
) -> tuple[NDArray[np.float32], Placement]:
    """(3, S, S) float32 normalised network input of an (H, W, 3) uint8 RGB image, and its placement."""
    placement = place(image.shape[0], image.shape[1], canvas)
    height, width = placement.inner
    padded = np.zeros((canvas, canvas, 3), dtype=np.float32)
    # To float before the resize: interpolated values are not rounded back to integers.
    padded[:height, :width] = cv2.resize(
        image.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    mean, std = (np.asarray(part, dtype=np.float32) for part in STATISTICS[statistics])
    normalised = (padded / np.float32(255) - mean) / std
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)), placement


def labels_to_canvas(labels: NDArray[np.uint8], canvas: int) -> NDArray[np.uint8]:
    """(S, S) uint8 of an (H, W) label map by nearest neighbour (floor), void (255) around it."""
    height, width = place(labels.shape[0], labels.shape[1], canvas).inner
    padded = np.full((canvas, canvas), VOID, dtype=np.uint8)
    padded[:height, :width] = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    return padded


def from_canvas(maps: torch.Tensor, placement: Placement) -> torch.Tensor:
    """(C, H, W) at the size of the image of (C, S, S) maps on the canvas: crop, then bilinear."""
    height, width = placement.inner
    inner = maps[:, :height, :width]
    return F.interpolate(inner[None], size=placement.original, mode="bilinear", align_corners=False)[0]
