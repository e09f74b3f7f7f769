"""A grid of unit columns for matching, made of the hand-made descriptors.

The cosine of two raw descriptors says little: most of a descriptor is how bright things are, and that is
never far
off. Random Fourier features (Rahimi and Recht, 2007) make the cosine a Gaussian kernel of the distance
instead,
so the mean column under a mask is a density estimate of how the object looks, and its cosine with a column
is the
likelihood of that column.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from .descriptors import describe_alone

CELL = 4
"""Pixels of the described image per grid cell."""
CHANNELS = 256
KERNEL_WIDTH = 1.0
"""Distance of descriptors at which similarity has fallen to exp(-1/2)."""


def dense_grid(image: NDArray[np.uint8]) -> Floats:
    """(CHANNELS, ceil(h / CELL), ceil(w / CELL)) float32 unit columns of an (h, w, 3) uint8 RGB image."""
    cells = _cell_means(describe_alone(image))
    high, wide, size = cells.shape
    frequency, phase = _waves(size)
    columns = np.cos(cells.reshape(-1, size) @ frequency + phase)
    columns /= np.linalg.norm(columns, axis=1, keepdims=True)
    return np.ascontiguousarray(columns.T.reshape(CHANNELS, high, wide))


def _cell_means(descriptors: Floats) -> Floats:
    """(ceil(h / CELL), ceil(w / CELL), D) means of (h, w, D) descriptors; cells at the border may be cut
    off."""
    height, width = descriptors.shape[:2]
    padded = np.pad(descriptors, ((0, -height % CELL), (0, -width % CELL), (0, 0)), mode="edge")
    high, wide = padded.shape[0] // CELL, padded.shape[1] // CELL
    means: Floats = padded.reshape(high, CELL, wide, CELL, -1).mean(axis=(1, 3))
    return means


@cache
def _waves(size: int) -> tuple[Floats, Floats]:
    """Frequencies (size, CHANNELS) and phases (CHANNELS,) of the random features, the same in every run."""
    random = np.random.default_rng(0)
    frequency = random.normal(size=(size, CHANNELS)) / KERNEL_WIDTH
    return frequency.astype(np.float32), random.uniform(0, 2 * np.pi, CHANNELS).astype(np.float32)
