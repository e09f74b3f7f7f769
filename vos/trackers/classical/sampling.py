"""Which pixels to learn from: as many of objects as of background, and the ones that are hard."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ...ops.boxes import Box, tight_box
from ...results import VOID, Labels

Index = NDArray[np.int64]


def draw(
    labels: Labels,
    ids: Sequence[int],
    samples: int,
    near: float,
    rng: np.random.Generator,
    far: Box | None = None,
) -> tuple[Index, Index]:
    """Draw pixels of a label map, half of them of objects.

    Args:
        labels: (H, W) ids; VOID is never drawn.
        ids: objects in the order of the classes 1..K; class 0 is the background.
        samples: how many pixels, about.
        near: half of the background is drawn within this distance of an object, in object sizes: it
            decides the outline.
        far: the other half of the background is drawn in this box, or else everywhere.

    Returns:
        Flat positions (N,) and classes (N,).
    """
    flat = labels.ravel()
    each = max(1, samples // 2 // max(1, len(ids)))
    drawn: list[tuple[Index, int]] = []
    for number, object_id in enumerate(ids, start=1):
        members = np.flatnonzero(flat == object_id)
        if members.size:  # a few pixels are not shown hundreds of times
            drawn.append((rng.choice(members, min(each, 4 * members.size)), number))
    ground = np.flatnonzero(flat == 0)
    if ground.size:
        distance, size = distance_to_objects(labels)
        close = np.flatnonzero((flat == 0) & (distance.ravel() <= max(CLOSE, near * size)))
        if far is not None:
            x0, y0, x1, y1 = far
            inside = np.zeros(labels.shape, bool)
            inside[y0 : y1 + 1, x0 : x1 + 1] = labels[y0 : y1 + 1, x0 : x1 + 1] == 0
            ground = np.flatnonzero(inside)
        for pool in (ground if ground.size else close, close if close.size else ground):
            if pool.size:
                drawn.append((rng.choice(pool, samples // 4), 0))
    return joined(drawn)


def draw_with_region_errors(
    labels: Labels, appearance: NDArray[np.float32], away: float, samples: int, rng: np.random.Generator
) -> tuple[Index, Index]:
    """Draw background far from all objects that looks like one of them: what must be unlearned.

    Args:
        labels: (H, W) ids, VOID where nothing is known.
        appearance: (1 + K, H, W) float32 probabilities by appearance; row 0 is the background.
        away: least distance from the objects, in object sizes: nearer ones may belong to it after all.
    """
    distance, size = distance_to_objects(labels)
    with_region_errors = (labels == 0) & (appearance[0] < MISTAKEN) & (distance > away * size + 6)
    pool = np.flatnonzero(with_region_errors)
    if pool.size <= FEWEST:
        return joined([])
    return joined([(rng.choice(pool, samples), 0)])


def box_near_objects(labels: Labels, near: float) -> Box | None:
    """The box of all objects and of the background that :func:`draw` takes to be near them."""
    objects = (labels > 0) & (labels != VOID)
    box = tight_box(objects)
    if box is None:
        return None
    height, width = labels.shape
    reach = max(CLOSE, near * math.sqrt(np.count_nonzero(objects)))
    margin = math.ceil(reach / SHORTEST)
    x0, y0, x1, y1 = box
    return (
        max(0, x0 - margin), max(0, y0 - margin), min(width - 1, x1 + margin), min(height - 1, y1 + margin)
    )  # fmt: skip


SHORTEST = 0.955
"""A step of one pixel in the distance transform that is used, which is a little off."""
CLOSE = 3.0
"""Background within this many pixels is near any object, however small."""
MISTAKEN = 0.7
"""Background is taken for something else where its probability is below this."""
FEWEST = 20
"""So few mistaken pixels are noise."""


def joined(drawn: Sequence[tuple[Index, int]]) -> tuple[Index, Index]:
    """Positions and classes of several draws in one."""
    if not drawn:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    classes = [np.full(index.size, number, dtype=np.int64) for index, number in drawn]
    return np.concatenate([index for index, _ in drawn]), np.concatenate(classes)


def distance_to_objects(labels: Labels) -> tuple[NDArray[np.float32], float]:
    """(H, W) distance in pixels to the nearest object pixel, and the size (root of the area) of all objects.

    Without objects everything is as far away as can be.
    """
    objects = (labels > 0) & (labels != VOID)
    area = int(np.count_nonzero(objects))
    if area == 0:
        return np.full(labels.shape, np.float32(sum(labels.shape))), 0.0
    distance: NDArray[np.float32] = cv2.distanceTransform((~objects).astype(np.uint8), cv2.DIST_L2, 3)
    return distance, float(np.sqrt(area))
