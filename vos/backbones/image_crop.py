"""A crop of an image at the scale that a backbone works at, and its coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

LOW_RES_STRIDE = 4
"""Pixels of the image per cell of the low-res grid."""

CropBox = tuple[int, int, int, int]
"""x0, y0, x1, y1 in image pixels; the last two are one past the end."""


@dataclass(frozen=True, eq=False)
class ImageCrop:
    """A box of an image, scaled to a size of its own."""

    box: CropBox
    image_size: tuple[int, int]
    """(H, W) of the image."""
    size: tuple[int, int]
    """(h, w) of the scaled crop."""

    @property
    def scale(self) -> tuple[float, float]:
        """Crop pixels per image pixel, in x and in y."""
        x0, y0, x1, y1 = self.box
        return self.size[1] / (x1 - x0), self.size[0] / (y1 - y0)

    def points(self, points: NDArray[np.floating]) -> Floats:
        """(P, 2) image (x, y) as crop (x, y); integers are pixel centres in both."""
        return np.asarray((points + 0.5 - self.box[:2]) * self.scale - 0.5, np.float32)

    def edges(self, box: NDArray[np.floating]) -> tuple[float, float, float, float]:
        """An image box with inclusive pixel indices as left, top, right, bottom edges in crop coordinates,
        where a pixel reaches from its index to the next."""
        (sx, sy), (x, y) = self.scale, self.box[:2]
        x0, y0, x1, y1 = (float(v) for v in box)
        return (x0 - x) * sx, (y0 - y) * sy, (x1 + 1 - x) * sx, (y1 + 1 - y) * sy

    def values(self, values: NDArray[np.floating]) -> Floats:
        """(H, W) image values as (h, w) crop values."""
        x0, y0, x1, y1 = self.box
        return resized(np.ascontiguousarray(values[y0:y1, x0:x1], np.float32), self.size)

    def to_image(self, values: Floats, outside: float) -> Floats:
        """(h, w) crop values as (H, W) image values; ``outside`` beyond the crop."""
        x0, y0, x1, y1 = self.box
        whole = np.full(self.image_size, outside, np.float32)
        whole[y0:y1, x0:x1] = resized(values, (y1 - y0, x1 - x0))
        return whole


def resized(values: Floats, size: tuple[int, int]) -> Floats:
    """Values at ``size`` (h, w): averaged where that is smaller, interpolated where it is larger."""
    smaller = size[0] * size[1] < values.shape[0] * values.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, size[::-1], interpolation=way), np.float32)


def crop_box_around(box: NDArray[np.floating], size: tuple[int, int], margin: float, padding: int) -> CropBox:
    """The surroundings of a box in an image of ``size`` (H, W).

    Args:
        box: (4,) with inclusive pixel indices.
        size: (H, W) of the image, which the result lies within.
        margin: room on every side, in mean sides of the box.
        padding: pixels added to that.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    around = margin * ((x1 - x0 + 1) * (y1 - y0 + 1)) ** 0.5 + padding
    height, width = size
    left, top = min(max(int(x0 - around), 0), width - 1), min(max(int(y0 - around), 0), height - 1)
    right, bottom = min(int(np.ceil(x1 + around)) + 1, width), min(int(np.ceil(y1 + around)) + 1, height)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def low_res_of(logits: Floats) -> Floats:
    """(N, K, H, W) logits on the low-res grid (N, K, h, w)."""
    count, per, height, width = logits.shape
    size = max(1, -(-height // LOW_RES_STRIDE)), max(1, -(-width // LOW_RES_STRIDE))
    low_res = np.empty((count, per, *size), np.float32)
    for row in range(count):
        for k in range(per):
            low_res[row, k] = resized(logits[row, k], size)
    return low_res
