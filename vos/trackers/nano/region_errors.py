"""Mistakes that follow the image: whole patches of one look, taken for the object or missed.

A tracker that goes by colours and by its own last masks seldom errs by ellipses. It loses the part of the
object that looks like something else, or takes in the piece of ground that looks like the object, and goes
on doing so.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Bools, Floats

PATCHES = 24
SMALL = 40
"""Patches are found in an image of about this many pixels a side, and drawn at full size."""
PLACE = 45.0
"""Lab distance that counts as much as a side of the image."""
ROUNDS = 5
REACH = 0.3
"""Spill lies within this distance of the object, in object sizes."""
LEAST_LEFT = 0.4
"""At least this part of the object is never missed."""
AGREEING = 0.75
"""Share of the cues that agree on a mistake."""


def patches(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int64]:
    """(h, w) int64 patch of every pixel of an (h, w, 3) uint8 RGB image: k-means of colour and place."""
    height, width = image.shape[:2]
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    scale = np.float32(PLACE / max(height, width))
    parts = lab, np.stack([rows, columns], axis=-1) * scale
    size = min(SMALL, width), min(SMALL, height)
    coarse = [cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in parts]
    points, small = (np.concatenate(p, axis=-1).reshape(-1, 5) for p in (parts, coarse))
    centres = small[rng.choice(len(small), min(PATCHES, len(small)), replace=False)]
    for _ in range(ROUNDS):
        nearest = _nearest(small, centres)
        for k in range(len(centres)):
            members = small[nearest == k]
            if len(members):
                centres[k] = members.mean(axis=0)
    return _nearest(points, centres).reshape(height, width)


def region_errors(
    mask: Bools, image: NDArray[np.uint8], rng: np.random.Generator, most: int = 3
) -> tuple[Bools, Bools]:
    """(h, w) bool missed part of an (h, w) mask, and (h, w) bool spill next to it: patches of the image.

    At most ``most`` patches each, by chance. Both are empty where the mask is.
    """
    missed, spill = np.zeros_like(mask), np.zeros_like(mask)
    area = int(mask.sum())
    if area == 0:
        return missed, spill
    which = patches(image, rng)
    inside = np.bincount(which[mask], minlength=PATCHES)
    reach = max(1.0, REACH * float(np.sqrt(area)))
    near = ~mask & (cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3) <= reach)
    outside = np.bincount(which[near], minlength=PATCHES)
    for k in _some(inside, rng, most):
        if missed.sum() + inside[k] <= (1 - LEAST_LEFT) * area:
            missed |= mask & (which == k)
    for k in _some(outside, rng, most):
        spill |= near & (which == k)
    return missed, spill


def with_region_errors(
    cues: Floats, mask: Bools, image: NDArray[np.uint8], rng: np.random.Generator
) -> Floats:
    """(C, h, w) cues, above 0 on the object, of a tracker that has made mistakes: most cues agree on them."""
    missed, spill = region_errors(mask, image, rng)
    wrong = cues.copy()
    for cue in wrong:
        if rng.random() < AGREEING:
            cue[missed] = -np.abs(cue[missed])
            cue[spill] = np.abs(cue[spill])
    return wrong


def _some(counts: NDArray[np.int64], rng: np.random.Generator, most: int) -> NDArray[np.int64]:
    """Some of the patches that are there."""
    there = np.flatnonzero(counts)
    return rng.choice(there, min(int(rng.integers(most + 1)), len(there)), replace=False)


def _nearest(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) nearest of (K, 5) centres for (N, 5) points."""
    distance = (centres * centres).sum(axis=1) - 2 * points @ centres.T
    result: NDArray[np.int64] = distance.argmin(axis=1)
    return result
