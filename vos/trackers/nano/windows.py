"""The part of the crop that the decoder looks at for each object.

With several objects the crop is much larger than any of them, and the decoder, which runs once per object,
takes most of the time. It is convolutional, so it can run on the part of the features around an object: seven
objects of schoolgirls take four fifths of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...arrays import Floats
from ...backbones.nano.network import STRIDE, NanoNetwork, Pyramid
from ...ops.boxes import tight_box

Window = tuple[slice, slice]
"""Rows and columns of the network's input, from and to multiples of 32."""

COLUMNS_STRIDE, MEMORY_STRIDE = 8, 16
UNLIKELY = -0.5
"""Mask cue up to which a pixel is none of the object's: a probability of 0.05."""


@dataclass(frozen=True)
class WindowSettings:
    """How much of the crop the decoder looks at for each object."""

    room: float = 0.75
    """Room around the object on every side, in parts of the longer side of its box,"""
    min_room: int = 64
    """and the least, in pixels of the network's input."""
    max_share: float = 0.6
    """If that is more than this share of the crop, the decoder looks at all of it."""

    def __post_init__(self) -> None:
        if not 0 <= self.room < math.inf:
            raise ValueError(f"room must be 0 or more, got {self.room}")
        if self.min_room < 0:
            raise ValueError(f"min_room must be 0 or more, got {self.min_room}")
        if not 0 <= self.max_share <= 1:
            raise ValueError(f"max_share must be in 0..1, got {self.max_share}")


def object_window(cues: Floats, size: tuple[int, ...], settings: WindowSettings) -> Window | None:
    """The rows and columns around an object that the decoder looks at; None: most of the input, so all of it.

    Args:
        cues: (2, h, w) its mask and warped mask, in -1..1.
        size: of the network's input, which goes on at the right and below to multiples of 32.
    """
    height, width = size[:2]
    box = tight_box((cues[0] > UNLIKELY) | (cues[1] > 0))
    if box is None:
        return None
    x0, y0, x1, y1 = box
    room = max(settings.min_room, int(settings.room * max(x1 - x0, y1 - y0)))
    top, left = (max(0, (low - room) // STRIDE * STRIDE) for low in (y0, x0))
    bottom = min(height, -(-(y1 + 1 + room) // STRIDE) * STRIDE)
    right = min(width, -(-(x1 + 1 + room) // STRIDE) * STRIDE)
    if (bottom - top) * (right - left) > settings.max_share * height * width:
        return None
    return slice(top, bottom), slice(left, right)


def decoded(
    network: NanoNetwork,
    pyramid: Pyramid,
    cues: Tensor,
    memory_read: Tensor | None,
    places: Sequence[Window | None],
) -> Tensor:
    """(K, h, w) float32 change of the logits of (K, C, h, w) cues, 0 outside of each object's window; the C
    cues are the first of all."""

    def change(pyramid: Pyramid, cues: Tensor, memory_read: Tensor | None) -> Tensor:
        cues = cues.contiguous(memory_format=torch.channels_last)  # a fifth of the time less
        return network.decoder.residual(pyramid, cues, memory_read).float()

    result = torch.zeros(len(cues), *cues.shape[2:], device=cues.device)
    whole = [k for k, place in enumerate(places) if place is None]
    if whole:
        read = None if memory_read is None else memory_read[whole]
        result[whole] = change(pyramid, cues[whole], read)
    for k, place in enumerate(places):
        if place is not None:
            part = part_of(pyramid, place)
            read = None if memory_read is None else cut(memory_read[k : k + 1], place, MEMORY_STRIDE)
            result[k][place] = change(part, cut(cues[k : k + 1], place, 1), read)[0]
    return result


def part_of(pyramid: Pyramid, place: Window) -> Pyramid:
    """The part of a pyramid that shows a window of its image."""
    levels = tuple(cut(level, place, 2 ** (n + 1)) for n, level in enumerate(pyramid.levels))
    return Pyramid(levels, cut(pyramid.columns, place, COLUMNS_STRIDE))


def cut(planes: Tensor, place: Window, stride: int) -> Tensor:
    """The cells of (B, C, h, w) planes at a stride that show a window of the image."""
    rows, columns = (slice(s.start // stride, s.stop // stride) for s in place)
    return planes[:, :, rows, columns]
