"""Changes of results that look at several frames: gaps filled, outlines smoothed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Mask
from ..formats.reading import Annotations
from ..formats.records import FrameRecord
from ..frame import Frame
from ..ops.boxes import tight_box
from ..results import FrameResult, Labels, object_ids
from .edits import Change, changed_record

_FARTHEST = 32.0
"""Pixels: distances count up to this, so that a mask without an outline does not outweigh all others."""


def fill_gaps(annotations: Annotations, longest: int) -> Change:
    """Objects that are gone for at most ``longest`` frames get masks between those before and after.

    Between two masks the signed distances to their outlines are mixed by time, after both are moved to the
    centroid in between (shape-based interpolation, Raya and Udupa, TMI 1990). Only background is painted.
    """
    seen: dict[int, tuple[int, Mask]] = {}
    position: dict[int, int] = {}
    order: list[int] = []
    fills: dict[int, list[tuple[int, NDArray[np.uint8]]]] = {}
    for n, (frame, result) in enumerate(annotations):
        order.append(frame.index)
        for object_id in object_ids(result.labels):
            mask = result.mask(object_id)
            before = seen.get(object_id)
            if before is not None and 1 < n - position[object_id] <= longest + 1:
                for step in range(position[object_id] + 1, n):
                    part = (step - position[object_id]) / (n - position[object_id])
                    between = _between(before[1], mask, part)
                    fills.setdefault(order[step], []).append((object_id, np.packbits(between)))
            seen[object_id], position[object_id] = (frame.index, mask), n

    def change(index: int, labels: Labels) -> Labels:
        changed = labels.copy()
        for object_id, packed in fills.get(index, ()):
            mask = np.unpackbits(packed, count=labels.size).reshape(labels.shape).astype(bool)
            changed[mask & (changed == 0)] = object_id
        return changed

    return change


def _between(first: Mask, last: Mask, part: float) -> Mask:
    centres = [np.argwhere(mask).mean(axis=0) for mask in (first, last)]
    middle = centres[0] * (1 - part) + centres[1] * part
    one, other = (
        signed_distance(_moved(mask, middle - centre))
        for mask, centre in zip((first, last), centres, strict=True)
    )
    found: Mask = one * (1 - part) + other * part > 0
    return found


def signed_distance(mask: Mask) -> NDArray[np.float32]:
    """(H, W) float32: Euclidean distance in pixels to the outline, positive inside, at most 32 either way."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    # Pixels on either side of the outline are half a pixel away from it.
    distance = inside - outside - np.where(mask, 0.5, -0.5)
    return np.clip(distance, -_FARTHEST, _FARTHEST).astype(np.float32)


def _moved(mask: Mask, shift: NDArray[np.float64]) -> Mask:
    """The mask moved by (rows, columns)."""
    rows, columns = shift
    matrix = np.array([[1, 0, columns], [0, 1, rows]], np.float64)
    found: Mask = cv2.warpAffine(mask.astype(np.float32), matrix, mask.shape[::-1]) > 0.5
    return found


def smoothed(annotations: Annotations, radius: int) -> Annotations:
    """The annotations with outlines that flicker less from frame to frame.

    The outline of an object is the mean of those in the frames up to ``radius`` before and after, each moved
    to where it overlaps most: signed distances are averaged (as in shape-based interpolation, Raya and Udupa,
    TMI 1990) with the weights of a Gaussian of standard deviation ``radius / 2``. An object stays absent
    where it is absent, and what moves keeps moving.

    Args:
        annotations: frames in order, of one size.
        radius: frames on either side, 1 or more.
    """

    def records() -> Iterator[FrameRecord]:
        window: deque[tuple[Frame, FrameResult]] = deque(maxlen=2 * radius + 1)
        waiting = 0
        for pair in annotations:
            window.append(pair)
            if len(window) > radius:
                yield _smoothed(window, len(window) - 1 - radius, radius)
            waiting = min(len(window), radius)
        for centre in range(len(window) - waiting, len(window)):
            first = max(0, centre - radius)
            yield _smoothed(list(window)[first:], centre - first, radius)

    return replace(annotations, records=records)


def _smoothed(window: Sequence[tuple[Frame, FrameResult]], centre: int, radius: int) -> FrameRecord:
    """The frame at place ``centre`` of the window."""
    frame, result = window[centre]
    labels: Labels = np.zeros_like(result.labels)
    best = np.zeros(labels.shape, np.float32)
    for object_id in object_ids(result.labels):
        others = [
            (abs(place - centre), mask)
            for place, (_, other) in enumerate(window)
            if place != centre and (mask := other.labels == object_id).any()
        ]
        (rows, columns), distance = _mean_outline(result.labels == object_id, others, radius)
        more = distance > best[rows, columns]
        labels[rows, columns][more] = object_id
        best[rows, columns][more] = distance[more]
    return changed_record(frame, result, labels)


def _mean_outline(
    mask: Mask, others: Sequence[tuple[int, Mask]], radius: int
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """A window around the object, and its signed distances averaged over frames.

    Args:
        mask: (H, W), in the frame itself.
        others: how many frames away, and the mask there.
        radius: see :func:`smoothed`.
    """
    boxes = np.array([tight_box(m) for m in (mask, *(other for _, other in others))])
    margin = 2
    x0, y0 = np.maximum(boxes[:, :2].min(axis=0) - margin, 0)
    x1, y1 = boxes[:, 2:].max(axis=0) + margin + 1
    window = slice(int(y0), int(y1)), slice(int(x0), int(x1))
    own = mask[window]
    total, weights = signed_distance(own), 1.0
    for away, other in others:
        weight = float(np.exp(-0.5 * (away / (radius / 2)) ** 2))
        part = other[window]
        total = total + weight * signed_distance(_moved(part, _best_shift(own, part)))
        weights += weight
    return window, np.asarray(total / weights, np.float32)


def _best_shift(mask: Mask, other: Mask) -> NDArray[np.float64]:
    """(rows, columns) by which to move ``other`` so that it overlaps ``mask`` most; the middle of several."""
    from scipy.signal import fftconvolve  # takes long to import

    overlap = fftconvolve(mask.astype(np.float32), other[::-1, ::-1].astype(np.float32))
    places = np.argwhere(overlap > overlap.max() - 0.5)
    shift: NDArray[np.float64] = places.mean(axis=0) - (np.array(other.shape) - 1)
    return shift
