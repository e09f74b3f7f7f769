"""A window of the image at working scale: where a backbone without weights looks, and how closely."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .regions import Floats, Regions, find_regions

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in image pixels; the last two are one past the end."""

LARGEST_ZOOM = 2.0
"""Small objects are looked at enlarged, but not beyond this: there is nothing more to see."""


@dataclass(frozen=True, eq=False)
class View:
    """A window of an image, scaled to a convenient number of pixels."""

    window: Window
    image_size: tuple[int, int]
    """(H, W) of the image."""
    image: NDArray[np.uint8]
    """(h, w, 3) the scaled window."""
    regions: Regions

    @property
    def scale(self) -> tuple[float, float]:
        """View pixels per image pixel, in x and in y."""
        x0, y0, x1, y1 = self.window
        height, width = self.image.shape[:2]
        return width / (x1 - x0), height / (y1 - y0)

    def points(self, points: NDArray[np.floating]) -> Floats:
        """(P, 2) image (x, y) as view (x, y); integers are pixel centres in both."""
        scaled = (points + 0.5 - self.window[:2]) * self.scale - 0.5
        return scaled.astype(np.float32)

    def edges(self, box: NDArray[np.floating]) -> tuple[float, float, float, float]:
        """An image box with inclusive pixel indices as left, top, right, bottom edges in view coordinates,
        where a pixel reaches from its index to the next."""
        (sx, sy), (x, y) = self.scale, self.window[:2]
        x0, y0, x1, y1 = (float(v) for v in box)
        return (x0 - x) * sx, (y0 - y) * sy, (x1 + 1 - x) * sx, (y1 + 1 - y) * sy

    def values(self, values: NDArray[np.floating]) -> Floats:
        """(H, W) image values as (h, w) view values."""
        x0, y0, x1, y1 = self.window
        return resized(np.ascontiguousarray(values[y0:y1, x0:x1], np.float32), self.regions.size)

    def to_image(self, values: Floats, outside: float) -> Floats:
        """(h, w) view values as (H, W) image values; ``outside`` beyond the window."""
        x0, y0, x1, y1 = self.window
        whole = np.full(self.image_size, outside, np.float32)
        whole[y0:y1, x0:x1] = cv2.resize(values, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        return whole


def resized(values: Floats, size: tuple[int, int]) -> Floats:
    """Values at ``size`` (h, w): averaged where that is smaller, interpolated where it is larger."""
    smaller = size[0] * size[1] < values.shape[0] * values.shape[1]
    found: Floats = cv2.resize(
        values, (size[1], size[0]), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    return found


def look_at(image: NDArray[np.uint8], window: Window, pixels: int, zoom: float = LARGEST_ZOOM) -> View:
    """The window of an (H, W, 3) image at about ``pixels`` pixels, enlarged ``zoom`` times at most."""
    x0, y0, x1, y1 = window
    crop = np.ascontiguousarray(image[y0:y1, x0:x1])
    scale = min(zoom, (pixels / (crop.shape[0] * crop.shape[1])) ** 0.5)
    size = max(1, round(crop.shape[0] * scale)), max(1, round(crop.shape[1] * scale))
    if size != crop.shape[:2]:
        crop = cv2.resize(
            crop, (size[1], size[0]), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
    return View(window, (image.shape[0], image.shape[1]), crop, find_regions(crop))


def window_around(box: NDArray[np.floating], size: tuple[int, int], margin: float) -> Window:
    """The box, with inclusive indices, and ``margin`` times its mean side around it, within the image."""
    x0, y0, x1, y1 = (float(v) for v in box)
    around = margin * ((x1 - x0 + 1) * (y1 - y0 + 1)) ** 0.5 + 1
    height, width = size
    left, top = min(max(int(x0 - around), 0), width - 1), min(max(int(y0 - around), 0), height - 1)
    right, bottom = min(int(np.ceil(x1 + around)) + 1, width), min(int(np.ceil(y1 + around)) + 1, height)
    return left, top, max(right, left + 1), max(bottom, top + 1)
