"""A crop of the image at working scale, with its regions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ..image_crop import CropBox, ImageCrop
from .regions import Regions, find_regions

LARGEST_ZOOM = 2.0
"""Small crops are enlarged by at most this factor."""


@dataclass(frozen=True, eq=False)
class RegionCrop(ImageCrop):
    """A crop of an image, scaled to a convenient number of pixels, and its regions."""

    image: NDArray[np.uint8]
    """(h, w, 3) the scaled crop."""
    regions: Regions

    def to_image(self, values: Floats, outside: float) -> Floats:
        """As in the base class, but always interpolated: averaging would soften contours."""
        x0, y0, x1, y1 = self.box
        whole = np.full(self.image_size, outside, np.float32)
        whole[y0:y1, x0:x1] = cv2.resize(values, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        return whole


def crop_regions(
    image: NDArray[np.uint8], box: CropBox, pixels: int, zoom: float = LARGEST_ZOOM
) -> RegionCrop:
    """A box of an (H, W, 3) image and its regions, at about ``pixels`` pixels, enlarged ``zoom`` times at
    most."""
    x0, y0, x1, y1 = box
    crop = np.ascontiguousarray(image[y0:y1, x0:x1])
    scale = min(zoom, (pixels / (crop.shape[0] * crop.shape[1])) ** 0.5)
    size = max(1, round(crop.shape[0] * scale)), max(1, round(crop.shape[1] * scale))
    if size != crop.shape[:2]:
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        crop = cv2.resize(crop, size[::-1], interpolation=way)
    return RegionCrop(box, (image.shape[0], image.shape[1]), size, crop, find_regions(crop))
