"""Superpixels of an image, and their adjacency graph.

The graph-cut backbone works on one or two thousand regions instead of a hundred thousand pixels: a minimum
cut of the graph takes two milliseconds, so many hypotheses can be tried. Regions come from a watershed on
colour, so they follow image edges; edges of the graph are weighted by the contrast across the common border,
measured over the regions and over their surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ...arrays import Floats, Integers
from .cut_graph import CutGraph

SPACING = 7
"""Pixels between the seeds of regions."""
FEATURE_WEIGHTS = (0.6, 1.3, 1.3, 2.0)
"""Weights of lightness, the two chroma channels and texture: lightness varies with shading, chroma less."""
PALETTE_SIZE = 128
PALETTE_WIDTH = 4.0
"""Feature distance at which membership in a palette colour has fallen to exp(-1/2)."""
DIFFUSION_STEPS = 4
DIFFUSION_CONTRAST = 12.0
"""Feature distance across which diffusion is weak."""
SIMILAR = 5.0
"""Feature distance at which similarity has fallen to exp(-1/2)."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of an (h, w) image; n regions, m pairs of neighbours."""

    labels: Integers
    """(h, w) int32, region of every pixel, 0..n-1."""
    area: Floats
    """(n,) pixels."""
    centre: Floats
    """(n, 2) mean (x, y)."""
    features: Floats
    """(n, 4) weighted mean Lab and texture; Euclidean distance is their dissimilarity."""
    palette: Floats
    """(P, 4) representative features."""
    share: Floats
    """(n, P) membership of every region in every palette colour; rows sum to 1."""
    first: Integers
    """(m,) region of every pair with the lower number."""
    second: Integers
    """(m,) the other one."""
    length: Floats
    """(m,) pixels of common border."""
    contrast: Floats
    """(m,) difference across the border; the mean over all borders, by length, is 1."""
    rim: Floats
    """(n,) pixels on the border of the image."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        return self.labels.shape[0], self.labels.shape[1]

    def __len__(self) -> int:
        return len(self.area)

    def mean(self, values: NDArray[np.generic]) -> Floats:
        """(n,) mean of (h, w) values over every region."""
        sums = np.bincount(self.labels.ravel(), values.ravel().astype(np.float64), minlength=len(self))
        return (sums / self.area).astype(np.float32)

    def at(self, points: Floats) -> Integers:
        """(P,) regions at (P, 2) points (x, y); points outside count as on the border."""
        height, width = self.size
        column = np.clip(np.floor(points[:, 0] + 0.5), 0, width - 1).astype(int)
        row = np.clip(np.floor(points[:, 1] + 0.5), 0, height - 1).astype(int)
        found: Integers = self.labels[row, column]
        return found

    @cached_property
    def similarity(self) -> Floats:
        """(n, n) similarity of the features of two regions, in 0..1; 0 of a region with itself."""
        kernel = np.exp(_squared_distances(self.features, self.features) * np.float32(-0.5 / SIMILAR**2))
        np.fill_diagonal(kernel, 0)
        return kernel

    @cached_property
    def cut_graph(self) -> CutGraph:
        """The graph of the regions, for minimum cuts."""
        return CutGraph(len(self), self.first, self.second)

    def proximity(self, reach: float) -> Floats:
        """(n, n) Gaussian of ``reach`` pixels of the distance between regions."""
        nearby: Floats = np.exp(_squared_distances(self.centre, self.centre) * np.float32(-0.5 / reach**2))
        return nearby


def find_regions(image: NDArray[np.uint8]) -> Regions:
    """Regions of an (h, w, 3) uint8 RGB image of any size from 1 x 1 on."""
    lab: Floats = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    fine, coarse = cv2.GaussianBlur(lab, (0, 0), 1.0), cv2.GaussianBlur(lab, (0, 0), 2.0)
    texture = cv2.GaussianBlur(np.abs(lab[..., 0] - coarse[..., 0]), (0, 0), 3.0)
    labels = _watershed(fine)
    flat = labels.ravel()
    count = int(labels.max()) + 1
    area = np.bincount(flat, minlength=count)

    def mean(values: Floats) -> Floats:
        return (np.bincount(flat, values.ravel(), minlength=count) / area).astype(np.float32)

    grid: Floats = np.indices(labels.shape).astype(np.float32)
    features = np.stack([mean(v) for v in (*np.moveaxis(lab, 2, 0), texture)], axis=1) * np.array(
        FEATURE_WEIGHTS, dtype=np.float32
    )
    palette = _palette(features, area)
    first, second, length, steepness = _neighbours(labels, _gradient(coarse))
    contrast = _contrast(features, first, second, length, steepness)
    rim = np.bincount(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]), minlength=count)
    return Regions(
        labels=labels,
        area=area.astype(np.float32),
        centre=np.stack([mean(grid[1]), mean(grid[0])], axis=1),
        features=features,
        palette=palette,
        share=_membership(features, palette),
        first=first,
        second=second,
        length=length,
        contrast=contrast,
        rim=rim.astype(np.float32),
    )


def _gradient(lab: Floats) -> Floats:
    """(h, w) steepness of an (h, w, 3) image, Lab units per pixel."""
    gx, gy = cv2.Sobel(lab, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(lab, cv2.CV_32F, 0, 1, scale=0.125)
    steepness: Floats = np.sqrt((gx * gx + gy * gy).sum(axis=2))
    return steepness


def _watershed(lab: Floats) -> Integers:
    """(h, w) int32 regions 0..n-1: flooded from the flattest pixel in every cell of a grid."""
    height, width = lab.shape[:2]
    high, wide = -(-height // SPACING), -(-width // SPACING)
    # Seeds keep off the border of their cell, so that no two are neighbours.
    steep = np.full((high * SPACING, wide * SPACING), 1e9, np.float32)
    steep[:height, :width] = _gradient(lab)
    cells = steep.reshape(high, SPACING, wide, SPACING).transpose(0, 2, 1, 3).copy()
    cells[:, :, [0, -1]] += 1e6
    cells[:, :, :, [0, -1]] += 1e6
    place = cells.reshape(high, wide, -1).argmin(axis=2)
    rows = (np.arange(high)[:, None] * SPACING + place // SPACING).clip(max=height - 1)
    columns = (np.arange(wide)[None] * SPACING + place % SPACING).clip(max=width - 1)
    # OpenCV's watershed claims the outermost pixels as border: give it a frame to claim.
    markers = np.zeros((height + 2, width + 2), np.int32)
    markers[rows + 1, columns + 1] = np.arange(1, high * wide + 1).reshape(high, wide)
    stretched = np.clip(lab * (2, 2, 2) + (0, 128, 128), 0, 255).astype(np.uint8)
    cv2.watershed(cv2.copyMakeBorder(stretched, 1, 1, 1, 1, cv2.BORDER_REPLICATE), markers)
    flooded = markers[1:-1, 1:-1].astype(np.float32)
    while (flooded <= 0).any():  # the lines between regions go to one of their sides
        flooded = np.where(flooded > 0, flooded, cv2.dilate(flooded, np.ones((3, 3), np.uint8)))
    found = np.unique(flooded, return_inverse=True)[1]
    return found.reshape(height, width).astype(np.int32)


def _palette(features: Floats, area: NDArray[np.integer]) -> Floats:
    """(P, 4) features by farthest-point sampling, then two rounds of k-means. Deterministic."""
    count = min(PALETTE_SIZE, len(features))
    chosen = [int(area.argmax())]
    distance = ((features - features[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((features - features[chosen[-1]]) ** 2).sum(axis=1))
    palette = features[chosen]
    for _ in range(2):
        nearest = _squared_distances(features, palette).argmin(axis=1)
        weight = np.bincount(nearest, area, minlength=count)
        sums = np.stack([np.bincount(nearest, area * c, minlength=count) for c in features.T], axis=1)
        palette = np.where(weight[:, None] > 0, sums / np.maximum(weight, 1)[:, None], palette).astype(
            np.float32
        )
    return palette


def _squared_distances(a: Floats, b: Floats) -> Floats:
    """(A, B) squared Euclidean distances of (A, D) and (B, D) rows."""
    distances: Floats = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * (a @ b.T)
    return np.maximum(distances, 0)


def _membership(features: NDArray[np.floating], palette: Floats) -> Floats:
    """(n, P) soft assignment of features to palette colours; rows sum to 1."""
    near = np.exp(
        _squared_distances(features.astype(np.float32), palette) / np.float32(-2 * PALETTE_WIDTH**2)
    )
    near += np.float32(1e-9)
    share: Floats = near / near.sum(axis=1, keepdims=True)
    return share


def _neighbours(labels: Integers, steepness: Floats) -> tuple[Integers, Integers, Floats, Floats]:
    """Pairs of regions that touch, the length of their common border, and the mean steepness along it."""
    count = int(labels.max()) + 1
    keys, steps = [], []
    for a, b, u, v in (
        (labels[:, :-1], labels[:, 1:], steepness[:, :-1], steepness[:, 1:]),
        (labels[:-1], labels[1:], steepness[:-1], steepness[1:]),
    ):
        border = a != b
        low, high = np.minimum(a[border], b[border]), np.maximum(a[border], b[border])
        keys.append(low.astype(np.int64) * count + high)
        steps.append(np.maximum(u[border], v[border]))
    pairs, number = np.unique(np.concatenate(keys), return_inverse=True)
    length = np.bincount(number, minlength=len(pairs))
    steep = np.bincount(number, np.concatenate(steps), minlength=len(pairs)) / np.maximum(length, 1)
    return (
        (pairs // count).astype(np.int32),
        (pairs % count).astype(np.int32),
        length.astype(np.float32),
        steep.astype(np.float32),
    )


def _contrast(
    features: Floats, first: Integers, second: Integers, length: Floats, steepness: Floats
) -> Floats:
    """(m,) contrast of every pair: between the regions, between their surroundings, and on the line
    itself."""
    if len(first) == 0:
        return np.zeros(0, np.float32)

    def difference(values: Floats) -> Floats:
        gap: Floats = np.sqrt(((values[first] - values[second]) ** 2).sum(axis=1))
        return gap

    count, near = len(features), difference(features)
    weight = length * np.exp(-near / DIFFUSION_CONTRAST)
    mixing = csr_array(
        (
            np.concatenate([weight, weight]),
            (np.concatenate([first, second]), np.concatenate([second, first])),
        ),
        shape=(count, count),
    )
    total = np.asarray(mixing.sum(axis=1))
    stay = float(np.median(total)) / 2
    wide = features
    for _ in range(DIFFUSION_STEPS):
        wide = ((mixing @ wide + stay * wide) / (total + stay)[:, None]).astype(np.float32)
    contrast = difference(wide) + 0.5 * near + 0.5 * steepness
    mean = float(np.average(contrast, weights=length))
    return (contrast / mean if mean > 0 else np.ones_like(contrast)).astype(np.float32)
