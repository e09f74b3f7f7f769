"""What the network sees of a crop: brought to its size, and padded to multiples of its stride."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...backbones.nano.network import STRIDE


def smaller(size: tuple[int, ...], pixels: int) -> tuple[int, int]:
    """(h, w) of an image of ``size`` brought to at most about ``pixels``."""
    scale = min(1.0, float(np.sqrt(pixels / (size[0] * size[1]))))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(H, W) or (H, W, C) values averaged to ``size``."""
    if values.shape[:2] == size:
        return values
    return np.asarray(cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA))


def padded(cropped: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """An image continued at the right and below to multiples of 32, and its own (h, w)."""
    height, width = cropped.shape[:2]
    down, right = -height % STRIDE, -width % STRIDE
    whole = cv2.copyMakeBorder(cropped, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return whole, (height, width)
