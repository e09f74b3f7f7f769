"""Windows of an image at the network's scale: the whole image, and close by around an object."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...prompts import Prompt
from .network import BOX, DISC, MASK, MASK_LOGIT, OFF, ON, PLANES, STRIDE

Floats = NDArray[np.float32]
Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in image pixels; the last two are one past the end."""

LARGEST_ZOOM = 2.5
"""Small objects are looked at enlarged, but not beyond this."""


@dataclass(frozen=True, eq=False)
class View:
    """A window of an image as the network sees it."""

    window: Window
    image_size: tuple[int, int]
    """(H, W) of the image."""
    size: tuple[int, int]
    """(h, w) of the network's input."""
    levels: tuple[Tensor, ...]
    """Features of one image (1, C_i, h / s, w / s)."""

    @property
    def scale(self) -> tuple[float, float]:
        """View pixels per image pixel, in x and in y."""
        x0, y0, x1, y1 = self.window
        return self.size[1] / (x1 - x0), self.size[0] / (y1 - y0)

    def points(self, points: NDArray[np.floating]) -> Floats:
        """(P, 2) image (x, y) as view (x, y); integers are pixel centres in both."""
        return np.asarray((points + 0.5 - self.window[:2]) * self.scale - 0.5, np.float32)

    def box(self, box: tuple[int, int, int, int]) -> Floats:
        """A box of view pixels, with inclusive indices, in image pixels."""
        (x, y), (sx, sy) = self.window[:2], self.scale
        x0, y0, x1, y1 = box
        return np.array([x0 / sx + x, y0 / sy + y, (x1 + 1) / sx + x - 1, (y1 + 1) / sy + y - 1], np.float32)

    def values(self, values: NDArray[np.floating]) -> Floats:
        """(H, W) image values as (h, w) view values."""
        x0, y0, x1, y1 = self.window
        part = np.ascontiguousarray(values[y0:y1, x0:x1], np.float32)
        return resized(part, self.size)

    def to_image(self, values: Floats, outside: float) -> Floats:
        """(h, w) view values as (H, W) image values; ``outside`` beyond the window."""
        x0, y0, x1, y1 = self.window
        whole = np.full(self.image_size, outside, np.float32)
        whole[y0:y1, x0:x1] = resized(values, (y1 - y0, x1 - x0))
        return whole


def resized(values: Floats, size: tuple[int, int]) -> Floats:
    """Values at ``size`` (h, w): averaged where that is smaller, interpolated where it is larger."""
    smaller = size[0] * size[1] < values.shape[0] * values.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, size[::-1], interpolation=way), np.float32)


def view_size(window: Window, pixels: int) -> tuple[int, int]:
    """(h, w) of the input for a window: multiples of 32, about its shape, about ``pixels`` at most."""
    width, height = window[2] - window[0], window[3] - window[1]
    scale = min(LARGEST_ZOOM, (pixels / (width * height)) ** 0.5)
    rows, columns = (max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (height, width))
    return rows, columns


def window_around(box: NDArray[np.floating], size: tuple[int, int], margin: float) -> Window:
    """The box, with inclusive indices, and ``margin`` times its mean side around it, within the image."""
    x0, y0, x1, y1 = (float(v) for v in box)
    around = margin * ((x1 - x0 + 1) * (y1 - y0 + 1)) ** 0.5 + 4
    height, width = size
    left, top = min(max(int(x0 - around), 0), width - 1), min(max(int(y0 - around), 0), height - 1)
    right, bottom = min(int(np.ceil(x1 + around)) + 1, width), min(int(np.ceil(y1 + around)) + 1, height)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def prompt_planes(view: View, prompt: Prompt, mask: Floats | None) -> Floats:
    """(4, h, w) planes of a prompt in a view.

    Args:
        view: the view that they are for.
        prompt: in image pixels; its points and its box are drawn.
        mask: (h, w) logits of the previous mask in view pixels, if there is one.
    """
    planes = np.zeros((len(PLANES), *view.size), np.float32)
    if mask is not None:
        planes[MASK] = np.clip(mask / MASK_LOGIT, -1, 1)
    if prompt.points is not None and prompt.labels is not None:
        places = view.points(prompt.points)
        for plane, label in ((ON, 1), (OFF, 0)):
            for x, y in places[prompt.labels == label]:
                _draw_disc(planes[plane], float(x), float(y))
    if prompt.box is not None:
        ends = np.stack([prompt.box[:2], prompt.box[2:] + 1])
        (x0, y0), (x1, y1) = (ends - view.window[:2]) * view.scale
        rows, columns = np.arange(view.size[0]) + 0.5, np.arange(view.size[1]) + 0.5
        inside = ((rows >= y0) & (rows <= y1))[:, None] & ((columns >= x0) & (columns <= x1))[None]
        planes[BOX] = np.where(inside, 1.0, -1.0)
    return planes


def _draw_disc(plane: Floats, x: float, y: float) -> None:
    reach = int(DISC) + 1
    top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
    part = plane[top : int(y) + reach + 2, left : int(x) + reach + 2]
    rows, columns = np.arange(part.shape[0]) + top, np.arange(part.shape[1]) + left
    part[((rows[:, None] - y) ** 2 + (columns[None] - x) ** 2) <= DISC**2] = 1
