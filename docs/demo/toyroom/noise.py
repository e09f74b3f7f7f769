"""Random textures and random numbers, the same on every machine."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

SIZE = 512
"""Texels along one side of a noise texture."""
R2 = (0.7548776662466927, 0.5698402909980532)
"""Steps of the two-dimensional golden ratio (Roberts 2018)."""


@lru_cache(maxsize=8)
def _noise_texture(seed: int, fall_off: float) -> Tensor:
    """(SIZE, SIZE) float32 tiling noise, mean 0, deviation 1: octaves of smoothly joined lattices."""
    rng = np.random.Generator(np.random.PCG64(seed))
    total = np.zeros((SIZE, SIZE))
    cells = 4
    while cells <= SIZE // 2:
        total += cells**-fall_off * _stretch(_stretch(rng.random((cells, cells)) - 0.5).T)
        cells *= 2
    return torch.from_numpy(((total - total.mean()) / total.std()).astype(np.float32)).contiguous()


def _stretch(lattice: np.ndarray) -> np.ndarray:
    position = np.arange(SIZE) * (len(lattice) / SIZE)
    first = np.floor(position).astype(int)
    t = (position - first)[:, None]
    t = t * t * (3 - 2 * t)
    return lattice[first] * (1 - t) + lattice[(first + 1) % len(lattice)] * t


def noise(u: Tensor, v: Tensor, seed: int = 0, fall_off: float = 0.8) -> Tensor:
    """Noise at (u, v), periodic with period 1, mean 0 and deviation 1."""
    texture = _noise_texture(seed, fall_off)
    return sample(texture, u, v).to(u.dtype)


def sample(texture: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Bilinear value of a tiling (H, W) texture at (u, v) in 0..1."""
    height, width = texture.shape
    x, y = u * width, v * height
    left, top = x.floor(), y.floor()
    fx, fy = x - left, y - top
    x0, y0 = left.long() % width, top.long() % height
    x1, y1 = (x0 + 1) % width, (y0 + 1) % height
    flat = texture.reshape(-1)
    above = flat[y0 * width + x0] * (1 - fx) + flat[y0 * width + x1] * fx
    below = flat[y1 * width + x0] * (1 - fx) + flat[y1 * width + x1] * fx
    return above * (1 - fy) + below * fy


def scatter(cell: Tensor, salt: int = 0) -> Tensor:
    """A number in 0..1 for every whole number in ``cell``, without visible order."""
    mixed = (cell.long() + 7919 * salt) * 0x9E3779B1 & 0xFFFFFFFF
    mixed = (mixed ^ (mixed >> 15)) * 0x85EBCA77 & 0xFFFFFFFF
    return ((mixed ^ (mixed >> 13)) & 0xFFFF).to(cell.dtype) / 0xFFFF


class Sampler:
    """Well spread random pairs for one frame: the R2 sequence (Roberts 2018), shifted at random per pixel.

    Every purpose (lens, light, bounce, ...) has its own offsets and its own order of the sequence, so
    that no two purposes move together.
    """

    def __init__(self, seed: int, num_pixels: int, num_samples: int) -> None:
        self._seed, self._pixels, self.num_samples = seed, num_pixels, num_samples
        self._offsets: dict[str, Tensor] = {}
        self._orders: dict[str, np.ndarray] = {}

    def pair(self, purpose: str, index: int, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Two numbers in 0..1 for sample ``index`` of every one of ``pixels``."""
        if purpose not in self._offsets:
            entropy = [self._seed, *purpose.encode()]
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
            self._offsets[purpose] = torch.from_numpy(rng.random((2, self._pixels), dtype=np.float32))
            self._orders[purpose] = rng.permutation(self.num_samples)
        offsets, place = self._offsets[purpose], float(self._orders[purpose][index] + 1)
        a, b = (offset[pixels] + place * step % 1 for offset, step in zip(offsets, R2, strict=True))
        return a - a.floor(), b - b.floor()


def spread(index: int, turn: float = 0.0) -> tuple[float, float]:
    """Two numbers in 0..1 for sample ``index``, the same for every pixel: neighbours then blur alike.

    ``turn`` shifts the sequence, so that two purposes do not move together.
    """
    a, b = ((0.5 + turn + (index + 1) * step) % 1 for step in R2)
    return a, b
