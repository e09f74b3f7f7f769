"""Crops of an image at the network's scale: the whole image, or the surroundings of an object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ...arrays import Floats
from ...prompts import Prompt
from ..image_crop import CropBox, ImageCrop
from .network import BOX, DISC, MASK, MASK_LOGIT, OFF, ON, PLANES, STRIDE

LARGEST_ZOOM = 2.5
"""Small crops are enlarged by at most this factor."""
PADDING = 4
"""Pixels around an object, added to its margin."""


@dataclass(frozen=True, eq=False)
class FeatureCrop(ImageCrop):
    """A crop of an image and the network's features of it."""

    levels: tuple[Tensor, ...]
    """Features of one image (1, C_i, h / s, w / s)."""
    mirrored: bool = False
    """Whether they are those of the crop's mirror image, left and right exchanged."""


def input_size(box: CropBox, pixels: int) -> tuple[int, int]:
    """(h, w) of the input for a crop: multiples of 32, about its shape, about ``pixels`` at most."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = min(LARGEST_ZOOM, (pixels / (width * height)) ** 0.5)
    rows, columns = (max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
    return rows, columns


def prompt_planes(crop: FeatureCrop, prompt: Prompt, mask: Floats | None) -> Floats:
    """(4, h, w) planes of a prompt in a crop.

    Args:
        crop: the crop that they are for.
        prompt: in image pixels; its points and its box are drawn.
        mask: (h, w) logits of the previous mask in crop pixels, if there is one.
    """
    planes = np.zeros((len(PLANES), *crop.size), np.float32)
    if mask is not None:
        planes[MASK] = np.clip(mask / MASK_LOGIT, -1, 1)
    if prompt.points is not None and prompt.labels is not None:
        places = crop.points(prompt.points)
        for plane, label in ((ON, 1), (OFF, 0)):
            for x, y in places[prompt.labels == label]:
                _draw_disc(planes[plane], float(x), float(y))
    if prompt.box is not None:
        ends = np.stack([prompt.box[:2], prompt.box[2:] + 1])
        (x0, y0), (x1, y1) = (ends - crop.box[:2]) * crop.scale
        rows, columns = np.arange(crop.size[0]) + 0.5, np.arange(crop.size[1]) + 0.5
        inside = ((rows >= y0) & (rows <= y1))[:, None] & ((columns >= x0) & (columns <= x1))[None]
        planes[BOX] = np.where(inside, 1.0, -1.0)
    return planes


def _draw_disc(plane: Floats, x: float, y: float) -> None:
    reach = int(DISC) + 1
    top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
    part = plane[top : int(y) + reach + 2, left : int(x) + reach + 2]
    rows, columns = np.arange(part.shape[0]) + top, np.arange(part.shape[1]) + left
    part[((rows[:, None] - y) ** 2 + (columns[None] - x) ** 2) <= DISC**2] = 1
