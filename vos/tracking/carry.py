"""Carrying labels from one picture to the next along dense optical flow, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SMALLEST_FLOW = 32
"""DIS needs some room for its patches: smaller pictures are padded to this many rows and columns."""


@dataclass(frozen=True, eq=False)
class Carried:
    """What the previous picture says of this one."""

    masks: Floats
    """(K, h, w) float32 in 0..1: the objects' masks, moved."""
    trust: Floats
    """(h, w) float32 in 0..1: how well flow there and back agree."""


def carry(previous: NDArray[np.uint8], current: NDArray[np.uint8], masks: Floats, sigma: float) -> Carried:
    """Move masks of the previous picture to the current one.

    Args:
        previous, current: (h, w) uint8 grey.
        masks: (K, h, w) float32 in 0..1, of the previous picture.
        sigma: round-trip error in pixels at which trust has fallen to 0.6.
    """
    height, width = current.shape
    back = dense_flow(current, previous)
    forth = dense_flow(previous, current)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns + back[..., 0], rows + back[..., 1]
    returned = back + cv2.remap(forth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    trust = np.exp(-np.sum(returned * returned, axis=2) / (2 * sigma**2))
    outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    trust[outside] *= np.float32(0.3)  # something came in over the border: nothing is known of it
    moved = np.stack([cv2.remap(m, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) for m in masks])
    return Carried(moved, trust)


def dense_flow(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> Floats:
    """(h, w, 2) float32 (dx, dy) by DIS (Kroeger et al., 2016): pixel (x, y) of the source is (x + dx, y + dy)
    of the target."""
    height, width = source.shape
    down, right = max(0, SMALLEST_FLOW - height), max(0, SMALLEST_FLOW - width)
    if down or right:
        source = cv2.copyMakeBorder(source, 0, down, 0, right, cv2.BORDER_REPLICATE)
        target = cv2.copyMakeBorder(target, 0, down, 0, right, cv2.BORDER_REPLICATE)
    # A solver per call: it keeps no flow from one call to the next, and results do not depend on history.
    solver = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow: Floats = solver.calc(source, target, None)
    return np.ascontiguousarray(flow[:height, :width])
