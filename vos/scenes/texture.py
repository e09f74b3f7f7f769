"""Textures from seeded lattice noise, in NumPy alone: the same bytes wherever NumPy runs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

TEXTURE_SIZE = 512
"""Side of a texture in texels; textures tile without a seam."""

_OCTAVES = (4, 8, 16, 32, 64, 128)


def random_generator(*seed: int) -> np.random.Generator:
    """A generator whose stream NumPy promises to keep, from any number of non-negative integers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


@lru_cache(maxsize=32)
def texture(seed: int, colour: tuple[int, int, int], contrast: float) -> NDArray[np.float32]:
    """(S, S, 3) float32 in 0..255: coloured noise around ``colour`` that tiles, S = :data:`TEXTURE_SIZE`.

    ``contrast`` is the standard deviation of brightness in grey levels; hue varies by half as much.
    The array is shared between callers and cannot be written to.
    """
    rng = random_generator(seed, 7)
    brightness, *tints = (_lattice_noise(rng) for _ in range(4))
    shades = brightness[..., None] + 0.5 * np.stack(tints, axis=-1)
    result = np.clip(np.asarray(colour, np.float32) + contrast * shades, 0, 255).astype(np.float32)
    result.flags.writeable = False
    return result


def sample(image: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
    """(..., 3) values of a tiling texture at texel coordinates, bilinear."""
    height, width = image.shape[:2]
    column, row = np.floor(x), np.floor(y)
    fx, fy = (x - column).astype(np.float32)[..., None], (y - row).astype(np.float32)[..., None]
    left, top = column.astype(np.int64) % width, row.astype(np.int64) % height
    right, bottom = (left + 1) % width, (top + 1) % height
    above = image[top, left] * (1 - fx) + image[top, right] * fx
    below = image[bottom, left] * (1 - fx) + image[bottom, right] * fx
    blended: NDArray[np.float32] = above * (1 - fy) + below * fy
    return blended


def window(image: NDArray[np.float32], left: float, top: float, size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W, 3) cut-out of a tiling texture with its corner at texel (left, top), bilinear.

    The same as :func:`sample` on a whole grid, but with four slices in place of a gather.
    """
    rows = np.arange(size[0] + 1) + int(np.floor(top))
    columns = np.arange(size[1] + 1) + int(np.floor(left))
    fx, fy = np.float32(left - np.floor(left)), np.float32(top - np.floor(top))
    patch = image.take(rows, axis=0, mode="wrap").take(columns, axis=1, mode="wrap")
    across = patch[:, :-1] * (1 - fx) + patch[:, 1:] * fx
    return (across[:-1] * (1 - fy) + across[1:] * fy).astype(np.float32, copy=False)


def _lattice_noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """(S, S) float32 noise with zero mean and unit deviation: octaves of smoothly joined random lattices."""
    total = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), dtype=np.float32)
    for cells in _OCTAVES:
        lattice = rng.random((cells, cells), dtype=np.float32) - np.float32(0.5)
        # Octaves weigh their wavelength to the power 0.4: coarse patches, and grain for optical flow.
        total += np.float32(cells**-0.4) * _stretch(_stretch(lattice).T).T
    return ((total - total.mean()) / total.std()).astype(np.float32)


def _stretch(lattice: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of a periodic lattice joined smoothly to :data:`TEXTURE_SIZE` rows."""
    position = np.arange(TEXTURE_SIZE, dtype=np.float64) * (len(lattice) / TEXTURE_SIZE)
    first = np.floor(position).astype(np.int64)
    t = position - first
    weight = (t * t * (3 - 2 * t)).astype(np.float32)[:, None]
    following = (first + 1) % len(lattice)
    stretched: NDArray[np.float32] = lattice[first] * (1 - weight) + lattice[following] * weight
    return stretched
