"""Three-vectors of tensors, and the signed distances that solids are built from.

Components are kept apart (three tensors of N numbers rather than one of N x 3): every operation then runs
over contiguous memory, which is what makes a renderer in eager PyTorch bearable on one core.
"""

from __future__ import annotations

import torch
from torch import Tensor

Number = float | Tensor


class Vec:
    """(x, y, z); components are tensors of one shape, or numbers."""

    __slots__ = ("x", "y", "z")

    def __init__(self, x: Number, y: Number, z: Number) -> None:
        self.x, self.y, self.z = x, y, z

    def __iter__(self):
        return iter((self.x, self.y, self.z))

    def __add__(self, other: Vec) -> Vec:
        return Vec(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other: Vec) -> Vec:
        return Vec(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, other: Vec | Number) -> Vec:
        if isinstance(other, Vec):
            return Vec(self.x * other.x, self.y * other.y, self.z * other.z)
        return Vec(self.x * other, self.y * other, self.z * other)

    __rmul__ = __mul__

    def __getitem__(self, index: Tensor) -> Vec:
        return Vec(self.x[index], self.y[index], self.z[index])

    def __setitem__(self, index: Tensor, value: Vec) -> None:
        self.x[index], self.y[index], self.z[index] = value.x, value.y, value.z

    def dot(self, other: Vec) -> Tensor:
        return self.x * other.x + self.y * other.y + self.z * other.z

    def cross(self, other: Vec) -> Vec:
        return Vec(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )

    def length(self) -> Tensor:
        return self.dot(self).sqrt()

    def unit(self) -> Vec:
        return self * (1 / self.length().clamp_min(1e-12))

    @staticmethod
    def full(like: Tensor, x: float, y: float, z: float) -> Vec:
        """The same vector everywhere, with the shape and dtype of ``like``."""
        return Vec(torch.full_like(like, x), torch.full_like(like, y), torch.full_like(like, z))


def turned(rows: tuple[tuple[float, ...], ...], v: Vec) -> Vec:
    """The 3 x 3 matrix ``rows`` times ``v``."""
    return Vec(*(row[0] * v.x + row[1] * v.y + row[2] * v.z for row in rows))


def turned_back(rows: tuple[tuple[float, ...], ...], v: Vec) -> Vec:
    """The transposed matrix times ``v``."""
    return turned(tuple(zip(*rows, strict=True)), v)


def mix(a: Vec, b: Vec, share: Tensor) -> Vec:
    """``a`` where ``share`` is 0, ``b`` where it is 1."""
    return a + (b - a) * share


def step(low: float, high: float, x: Tensor) -> Tensor:
    """Smooth step from 0 at ``low`` to 1 at ``high``, which may lie below ``low``."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


# Signed distances: negative inside, never more than the true distance. -------------------------------------


def sphere(p: Vec, centre: tuple[float, float, float], radius: float) -> Tensor:
    x, y, z = p.x - centre[0], p.y - centre[1], p.z - centre[2]
    return (x * x + y * y + z * z).sqrt() - radius


def round_box(
    p: Vec, centre: tuple[float, float, float], half: tuple[float, float, float], r: float
) -> Tensor:
    """A box with half sizes ``half``, its edges rounded by ``r`` without growing it."""
    x = (p.x - centre[0]).abs() - (half[0] - r)
    y = (p.y - centre[1]).abs() - (half[1] - r)
    z = (p.z - centre[2]).abs() - (half[2] - r)
    inside = torch.maximum(x, torch.maximum(y, z)).clamp_max(0)
    x, y, z = x.clamp_min(0), y.clamp_min(0), z.clamp_min(0)
    return (x * x + y * y + z * z).sqrt() + inside - r


def capsule(p: Vec, a: tuple[float, float, float], b: tuple[float, float, float], radius: float) -> Tensor:
    """A round bar from ``a`` to ``b``."""
    bx, by, bz = (end - start for start, end in zip(a, b, strict=True))
    x, y, z = p.x - a[0], p.y - a[1], p.z - a[2]
    along = ((x * bx + y * by + z * bz) / (bx * bx + by * by + bz * bz)).clamp(0, 1)
    x, y, z = x - along * bx, y - along * by, z - along * bz
    return (x * x + y * y + z * z).sqrt() - radius


def round_disc(across: Tensor, along: Tensor, radius: float, half: float, r: float) -> Tensor:
    """A cylinder given the distance from its axis and the place along it, with edges rounded by ``r``."""
    x, y = across - (radius - r), along.abs() - (half - r)
    inside = torch.maximum(x, y).clamp_max(0)
    x, y = x.clamp_min(0), y.clamp_min(0)
    return (x * x + y * y).sqrt() + inside - r


def smooth_min(a: Tensor, b: Tensor, k: float) -> Tensor:
    """The union of two distances, blended where they differ by less than ``k``."""
    h = (k - (a - b).abs()).clamp_min(0)
    return torch.minimum(a, b) - h * h * (0.25 / k)


def smooth_max(a: Tensor, b: Tensor, k: float) -> Tensor:
    """The intersection of two distances, blended where they differ by less than ``k``."""
    h = (k - (a - b).abs()).clamp_min(0)
    return torch.maximum(a, b) + h * h * (0.25 / k)
