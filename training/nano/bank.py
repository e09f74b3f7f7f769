"""The bank of training images, label maps, cut-outs and tracks, on one device."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .pack import CANVAS, unpacked

UNKNOWN = 255
"""Value of a label map where the label is unknown."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Everything that clips are made of, on one device."""

    images: Tensor
    """(N, 3, C, C) uint8, each in the upper left corner."""
    labels: Tensor
    """(M, C, C) uint8."""
    sizes: NDArray[np.int64]
    """(N, 2) rows and columns."""
    sets: NDArray[np.int64]
    cutouts: NDArray[np.int64]
    """(K, 7) image, label map, label, x0, y0, x1, y1."""
    tracks: NDArray[np.int64]
    """(R, 2, L) images and label maps; -1 after the end."""


def load_bank(path: Path, device: str, workers: int) -> Bank:
    """The bank of a file that :mod:`training.nano.pack` wrote."""
    with np.load(path) as file:
        arrays = dict(file)
    blobs, maps = unpacked(arrays, "pictures"), unpacked(arrays, "labels")
    images = np.zeros((len(blobs), CANVAS, CANVAS, 3), np.uint8)
    labels = np.zeros((len(maps), CANVAS, CANVAS), np.uint8)
    sizes = np.zeros((len(blobs), 2), np.int64)

    def put(number: int) -> None:
        image = cv2.imdecode(blobs[number], cv2.IMREAD_COLOR)[..., ::-1]
        sizes[number] = image.shape[:2]
        images[number, : image.shape[0], : image.shape[1]] = image

    def put_labels(number: int) -> None:
        image = cv2.imdecode(maps[number], cv2.IMREAD_UNCHANGED)
        labels[number, : image.shape[0], : image.shape[1]] = image

    with ThreadPoolExecutor(max(1, workers)) as threads:
        list(threads.map(put, range(len(blobs))))
        list(threads.map(put_labels, range(len(maps))))
    planes = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).contiguous()
    return Bank(
        planes,
        torch.from_numpy(labels).to(device),
        sizes,
        arrays["sets"].astype(np.int64),
        arrays["cutouts"].astype(np.int64),
        arrays["tracks"].astype(np.int64),
    )
