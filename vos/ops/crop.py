"""The working crop: the part of the frame that a step works on, and its resolution.

A small object is worked on at full resolution, a large one or several scattered ones at a lower one, so
that a step costs about the same whatever there is to follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..ops.boxes import Box, tight_box
from ..results import Labels, label_dtype, object_ids
from .overlap import argmax_rows, label_lookup

SMALLEST = 8
"""A crop has at least this many rows and columns, or as many as the frame."""
GRID = 8
"""Crop edges lie on multiples of this, so that a crop does not change with every pixel of the contour."""

HALVED = 3
"""Images that are to be made smaller by this factor or more are halved first."""


@dataclass(frozen=True)
class Crop:
    """A box of the frame and the size at which it is worked on."""

    y0: int
    x0: int
    y1: int
    x1: int
    """Rows y0..y1-1 and columns x0..x1-1 of the frame."""
    height: int
    width: int
    """Rows and columns of the working crop, never more than those of the box."""

    @property
    def scale(self) -> float:
        """Size of the working crop over size of the box."""
        return float(np.sqrt(self.height * self.width / ((self.y1 - self.y0) * (self.x1 - self.x0))))

    def cut(self, values: NDArray[Any]) -> NDArray[Any]:
        """The crop's part of (H, W) or (H, W, C) ``values``, resized by averaging."""
        part = np.ascontiguousarray(values[self.y0 : self.y1, self.x0 : self.x1])
        if part.shape[:2] == (self.height, self.width):
            return part
        # Halving is several times faster than averaging over cells with cut edges.
        while part.shape[0] >= HALVED * self.height and part.shape[1] >= HALVED * self.width:
            if part.shape[0] % 2 or part.shape[1] % 2:
                break
            part = _shrunk(part, part.shape[1] // 2, part.shape[0] // 2)
        return _shrunk(part, self.width, self.height)

    def cut_mask(self, labels: Labels, object_id: int) -> NDArray[np.float32]:
        """(height, width) float32 in 0..1: which part of each pixel of the crop an object covers."""
        part = labels[self.y0 : self.y1, self.x0 : self.x1]
        covered = self._inside().cut((part == object_id).view(np.uint8) * np.uint8(255))
        return covered.astype(np.float32) / np.float32(255)

    def enlarge_labels(self, values: NDArray[np.float32], ids: Sequence[int]) -> Labels:
        """(y1 - y0, x1 - x0) labels of (1 + N, height, width) scores, the background's first.

        They are those of the scores at the resolution of the frame, which are computed only where they may
        differ from the background's.
        """
        labels = np.zeros((self.y1 - self.y0, self.x1 - self.x0), label_dtype(ids))
        small = argmax_rows(values)
        boxes = [tight_box(small == row) for row in range(1, len(values))]
        found = [box for box in boxes if box is not None]
        if not found:
            return labels
        if labels.shape == small.shape:
            return label_lookup(ids)[small]
        around = (*np.min(found, axis=0)[:2].tolist(), *np.max(found, axis=0)[2:].tolist())
        union = self._enlarged_box(around)
        top, left = union[0].start, union[1].start
        best = self._enlarged_part(values[0], union)
        for object_id, row, box in zip(ids, values[1:], boxes, strict=True):
            if box is None:
                continue
            here = self._enlarged_box(box)
            inner = tuple(
                slice(s.start - first, s.stop - first) for s, first in zip(here, (top, left), strict=True)
            )
            score = self._enlarged_part(row, here)
            wins = score > best[inner]
            labels[here][wins] = object_id
            np.maximum(best[inner], score, out=best[inner])
        return labels

    def _inside(self) -> Crop:
        """The same, for values that are cut to the box already."""
        return Crop(0, 0, self.y1 - self.y0, self.x1 - self.x0, self.height, self.width)

    def _enlarged_box(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of the enlarged crop that a box of it and one pixel around it take."""
        rows, columns = self.y1 - self.y0, self.x1 - self.x0
        down, right = rows / self.height, columns / self.width
        return (
            slice(max(0, int((box[1] - 1) * down)), min(rows, int((box[3] + 2) * down) + 1)),
            slice(max(0, int((box[0] - 1) * right)), min(columns, int((box[2] + 2) * right) + 1)),
        )

    def _enlarged_part(self, values: NDArray[np.float32], part: tuple[slice, slice]) -> NDArray[np.float32]:
        """A part of (height, width) values at the resolution of the frame."""
        down, right = self.height / (self.y1 - self.y0), self.width / (self.x1 - self.x0)
        matrix = np.array(
            [
                [right, 0, (part[1].start + 0.5) * right - 0.5],
                [0, down, (part[0].start + 0.5) * down - 0.5],
            ]
        )
        size = (part[1].stop - part[1].start, part[0].stop - part[0].start)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        enlarged: NDArray[np.float32] = cv2.warpAffine(
            values, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return enlarged

    def enlarge(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, height, width) values at the resolution of the frame: (N, y1 - y0, x1 - x0)."""
        size = (self.x1 - self.x0, self.y1 - self.y0)
        if values.shape[1:] == (size[1], size[0]):
            return values
        return np.stack([cv2.resize(v, size, interpolation=cv2.INTER_LINEAR) for v in values])

    def transfer(self, values: NDArray[np.float32], other: Crop) -> list[NDArray[np.float32]]:
        """(N, height, width) values of this crop as N images of the ``other``, 0 where this one does
        not reach."""
        down = self.height / (self.y1 - self.y0), other.height / (other.y1 - other.y0)
        right = self.width / (self.x1 - self.x0), other.width / (other.x1 - other.x0)
        # Pixel centres lie at half coordinates, here as in cv2.resize.
        matrix = np.array(
            [
                [right[0] / right[1], 0, (0.5 / right[1] + other.x0 - self.x0) * right[0] - 0.5],
                [0, down[0] / down[1], (0.5 / down[1] + other.y0 - self.y0) * down[0] - 0.5],
            ]
        )
        size, flags = (other.width, other.height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return [cv2.warpAffine(v, matrix, size, flags=flags, borderMode=cv2.BORDER_CONSTANT) for v in values]


def choose_crop(
    labels: Labels, margin: float, margin_pixels: int, pixels: int, everywhere: bool = False
) -> Crop:
    """The crop around all objects.

    Args:
        labels: (H, W), where the objects are expected.
        margin: room on each side, as a fraction of the longest side of the largest object.
        margin_pixels: room on each side added to that, in pixels of the frame.
        pixels: how many pixels a working crop has at most, about.
        everywhere: take the whole frame; so it is when no object is to be seen.
    """
    height, width = labels.shape
    found = _boxes(labels)
    if everywhere or not found:
        y0, x0, y1, x1 = 0, 0, height, width
    else:
        longest = max(max(b[2] - b[0], b[3] - b[1]) + 1 for b in found)
        room = int(margin * longest) + margin_pixels
        x0, x1 = _span(min(b[0] for b in found), max(b[2] for b in found), room, width)
        y0, y1 = _span(min(b[1] for b in found), max(b[3] for b in found), room, height)
    scale = min(1.0, float(np.sqrt(pixels / ((y1 - y0) * (x1 - x0)))))
    rows = max(min(SMALLEST, y1 - y0), round((y1 - y0) * scale))
    columns = max(min(SMALLEST, x1 - x0), round((x1 - x0) * scale))
    return Crop(y0, x0, y1, x1, rows, columns)


def _boxes(labels: Labels) -> list[Box]:
    """The boxes of all objects; the frame is looked through once, its part with objects once per object."""
    x0, y0, width, height = cv2.boundingRect((labels > 0).view(np.uint8))
    part = labels[y0 : y0 + height, x0 : x0 + width]
    boxes = []
    for object_id in object_ids(part):
        x, y, wide, high = cv2.boundingRect((part == object_id).view(np.uint8))
        boxes.append((x0 + x, y0 + y, x0 + x + wide - 1, y0 + y + high - 1))
    return boxes


def _shrunk(values: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    resized: NDArray[Any] = cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)
    return resized


def _span(first: int, last: int, room: int, size: int) -> tuple[int, int]:
    """``first`` to ``last`` with room on both sides, on the grid, inside 0..size."""
    low = max(0, (first - room) // GRID * GRID)
    high = min(size, -(-(last + 1 + room) // GRID) * GRID)
    return low, high
