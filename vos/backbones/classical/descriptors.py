"""Hand-made descriptors of pixels at several scales, for the classical tracker and backbone.

A descriptor says what colour a pixel and its neighbourhood have, how busy that neighbourhood is, which way
its edges run, and what lies around it. The last part is what lets a small classifier tell a red car from a
red barrier: as in TextonBoost (Shotton et al., 2009) and auto-context, the colour a few steps away in each
of eight directions is part of what a pixel *is*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats, Image
from ...ops.boxes import Box

COLOUR_SCALES = (1.0, 3.0, 8.0)
"""Standard deviations in pixels of the blurs whose colours are taken."""
EDGE_SCALES = (2.0, 6.0)
"""Standard deviations in pixels over which edge directions are pooled."""
RINGS = ((6, 2.0), (16, 4.0))
"""(radius, blur) in pixels of the eight neighbours whose colours are taken: a limb's width, an object's
part."""
REACH = 32
"""About how many pixels around a pixel its descriptor depends on."""
LAB_UNIT = 20.0
"""Lab units that count as 1 in a descriptor, so that features of all kinds have similar sizes."""

DIRECTIONS = tuple((float(np.cos(a)), float(np.sin(a))) for a in np.arange(8) * np.pi / 4)
SIZE = 3 * (len(COLOUR_SCALES) + 2) + 4 * len(EDGE_SCALES) + 3 * len(DIRECTIONS) * len(RINGS)
"""Numbers in one descriptor."""
OWN_SIZE = 3 * (len(COLOUR_SCALES) + 2) + 4 * len(EDGE_SCALES)
"""Of these, the first ones: they say nothing of what lies around a pixel."""


def to_lab(image: Image) -> Floats:
    """(H, W, 3) float32 CIE Lab (L in 0..100) of an (H, W, 3) uint8 RGB image."""
    lab: Floats = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return lab


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Descriptors of an (H, W) image, put together where they are asked for.

    Most of their numbers are other pixels' colours, so all descriptors at once would be some twenty times
    what they are made of, and writing them costs more than computing them.
    """

    shape: tuple[int, int]
    """(H, W)."""
    planes: tuple[tuple[Floats, int, int], ...]
    """SIZE times a plane and the row and column in it of pixel (0, 0)."""

    def rows(self, first: int, last: int) -> Floats:
        """(SIZE, (last - first) W) float32 descriptors of rows ``first`` to ``last - 1``, pixel by pixel."""
        width = self.shape[1]
        block = np.empty((SIZE, last - first, width), np.float32)
        for target, (plane, down, right) in zip(block, self.planes, strict=True):
            target[:] = plane[down + first : down + last, right : right + width]
        return block.reshape(SIZE, -1)

    def at(self, positions: NDArray[np.int64], count: int = SIZE) -> Floats:
        """(N, count) float32, the first numbers of the descriptors of pixels at the flat positions (N,)."""
        y, x = np.divmod(positions, self.shape[1])
        result = np.empty((count, len(positions)), np.float32)
        for target, (plane, down, right) in zip(result, self.planes[:count], strict=True):
            np.take(plane.ravel(), (y + down) * plane.shape[1] + (x + right), out=target)
        return np.ascontiguousarray(result.T)


def describe(image: Image) -> Descriptors:
    """Descriptors of an (H, W, 3) uint8 RGB image."""
    lab = to_lab(image) / np.float32(LAB_UNIT)
    planes = [(plane, 0, 0) for part in _own_look(lab) for plane in cv2.split(part)]
    for radius, sigma in RINGS:
        ring = cv2.copyMakeBorder(blur(lab, sigma), radius, radius, radius, radius, cv2.BORDER_REPLICATE)
        channels = cv2.split(ring)
        for x, y in DIRECTIONS:
            down, right = radius + round(radius * y), radius + round(radius * x)
            planes += [(channel, down, right) for channel in channels]
    return Descriptors(lab.shape[:2], tuple(planes))


def describe_at(image: Image, positions: NDArray[np.int64], boxes: Sequence[Box]) -> Floats:
    """(N, SIZE) float32 descriptors of pixels of an (H, W, 3) uint8 RGB image.

    Only the boxes and what is near them are described, so that wide blurs differ a little from those of the
    whole image.

    Args:
        positions: (N,) flat positions, each in one of the boxes.

    Raises:
        ValueError: for positions in none of them.
    """
    y, x = np.divmod(positions, image.shape[1])
    result = np.empty((len(positions), SIZE), np.float32)
    left = np.ones(len(positions), bool)
    for x0, y0, x1, y1 in boxes:
        inside = left & (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
        if inside.any():
            top, start = max(0, y0 - REACH), max(0, x0 - REACH)
            cut = image[top : y1 + 1 + REACH, start : x1 + 1 + REACH]
            result[inside] = describe(cut).at((y[inside] - top) * cut.shape[1] + x[inside] - start)
        left &= ~inside
    if left.any():
        raise ValueError(f"{np.count_nonzero(left)} of {len(left)} positions are in none of the boxes")
    return result


def describe_alone(image: Image) -> Floats:
    """(H, W, D) float32: the part of :func:`describe` that says nothing of what lies around a pixel."""
    return np.concatenate(_own_look(to_lab(image) / np.float32(LAB_UNIT)), axis=2)


def _own_look(lab: Floats) -> list[Floats]:
    """Colour, its spread and edges of (H, W, 3) Lab in units of LAB_UNIT, each (H, W, some)."""
    blurred = [blur(lab, sigma) for sigma in COLOUR_SCALES]
    parts = list(blurred)
    parts += [_spread(lab, mean, sigma) for mean, sigma in zip(blurred[1:], COLOUR_SCALES[1:], strict=True)]
    parts += _edges(np.ascontiguousarray(blurred[0][..., 0]))
    return parts


def blur(values: Floats, sigma: float) -> Floats:
    """Gaussian blur of (H, W) or (H, W, C) values; wide ones on a smaller grid, where they cost little."""
    if sigma < 4:
        narrow: Floats = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        return narrow
    height, width = values.shape[:2]
    step = int(sigma // 2)
    size = (max(1, -(-width // step)), max(1, -(-height // step)))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REPLICATE)
    wide: Floats = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return wide


def _spread(lab: Floats, mean: Floats, sigma: float) -> Floats:
    """(H, W, 3) standard deviation of each channel around each pixel."""
    variance = blur(lab * lab, sigma) - mean * mean
    return np.sqrt(np.maximum(variance, 0) + np.float32(1e-4))


def _edges(lightness: Floats) -> list[Floats]:
    """(H, W, 4) edge strength along 0, 90, 45 and 135 degrees, once per scale; the sign of an edge is
    ignored."""
    gx = cv2.Sobel(lightness, cv2.CV_32F, 1, 0, scale=0.25)
    gy = cv2.Sobel(lightness, cv2.CV_32F, 0, 1, scale=0.25)
    magnitude = np.sqrt(gx * gx + gy * gy + np.float32(1e-6))
    cosine, sine = (gx * gx - gy * gy) / magnitude, 2 * gx * gy / magnitude  # of the doubled angle
    bins = np.stack([np.maximum(v, 0) for v in (cosine, -cosine, sine, -sine)], axis=2)
    return [np.sqrt(np.maximum(blur(bins, sigma), 0)) for sigma in EDGE_SCALES]
