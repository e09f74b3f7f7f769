"""Masks as polygons along the pixels of their outline, and back.

A ring is a contour through the outermost pixels of an object (integer coordinates); filling it with its
border gives the pixels back. A hole is a ring, too: through the object's pixels around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.int32]
"""(P, 2) x, y."""
Outline = TypeVar("Outline", Ring, NDArray[np.float64])


def rings(mask: NDArray[np.bool_], *, epsilon: float = 0.0) -> list[tuple[Ring, list[Ring]]]:
    """The pieces of an (H, W) mask: each the outer ring and the rings of its holes, largest piece first.

    Args:
        mask: what to outline.
        epsilon: in pixels; 0 keeps all of the outline, more simplifies by up to this many (Douglas-Peucker).
    """
    found, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not found:
        return []
    contours = [_simplified(c, epsilon) for c in found]
    links = tree.reshape(-1, 4)
    pieces: dict[int, tuple[Ring, list[Ring]]] = {
        n: (ring, []) for n, ring in enumerate(contours) if links[n][3] < 0
    }
    for n, ring in enumerate(contours):
        if links[n][3] >= 0:
            pieces[int(links[n][3])][1].append(ring)
    return sorted(pieces.values(), key=lambda piece: -_extent(piece[0]))


def _simplified(contour: NDArray[np.int32], epsilon: float) -> Ring:
    if epsilon > 0:
        contour = cv2.approxPolyDP(contour, epsilon, True)
    ring: Ring = contour.reshape(-1, 2)
    return ring


def _extent(ring: Ring) -> float:
    return float(cv2.contourArea(ring)) + len(ring) / 2


def closed_path(pieces: Sequence[Ring]) -> Ring:
    """One path around all rings: from the first on, the nearest remaining ring is spliced in at the nearest
    pair of points, so that no bridge crosses another ring.

    Bridges to holes run inside the object; bridges between pieces add a line one pixel wide.
    """
    path = ring = np.asarray(pieces[0])
    low = np.array([piece.min(axis=0) for piece in pieces])
    high = np.array([piece.max(axis=0) for piece in pieces])
    distance = np.full(len(pieces), np.inf)
    pair: list[tuple[Ring, int]] = [(ring[0], 0)] * len(pieces)
    waiting = np.arange(1, len(pieces))
    while waiting.size:
        # Only the new part can be nearer, and only to rings whose box is.
        gap = np.maximum(np.maximum(low[waiting] - ring.max(axis=0), ring.min(axis=0) - high[waiting]), 0)
        near = waiting[np.hypot(*gap.T) < distance[waiting]]
        for k, found in zip(near.tolist(), _nearest(ring, [pieces[k] for k in near]), strict=True):
            if found[0] < distance[k]:
                distance[k], pair[k] = found[0], found[1:]
        n = int(waiting[np.argmin(distance[waiting])])
        waiting = waiting[waiting != n]
        ring, (start, own) = pieces[n], pair[n]
        at = int(np.flatnonzero((path == start).all(axis=1))[0])
        path = np.concatenate([path[: at + 1], ring[own:], ring[: own + 1], path[at:]])
    return path


def _nearest(path: Ring, rings: Sequence[Ring]) -> Iterator[tuple[float, Ring, int]]:
    """Distance, point of the path and row of the ring's point of the nearest pair, for every ring."""
    from scipy.spatial import cKDTree  # takes long to import

    tree = cKDTree(path)
    for ring in rings:
        distance, row = tree.query(ring)
        own = int(np.argmin(distance))
        yield float(distance[own]), path[int(row[own])], own


def fill(paths: Sequence[NDArray[np.floating] | Ring], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) mask of the union of rings, each filled with its border; coordinates are rounded."""
    canvas = np.zeros(size, dtype=np.uint8)
    for path in paths:
        cv2.fillPoly(canvas, [_rounded(path)], 1)
    return canvas.astype(bool)


def fill_parity(paths: Sequence[NDArray[np.floating] | Ring], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) mask of the pixels inside an odd number of rings, or on one: outer rings and holes alike."""
    canvas = np.zeros(size, dtype=np.uint8)
    cv2.fillPoly(canvas, [_rounded(path) for path in paths], 1)
    return canvas.astype(bool)


def edges(mask: NDArray[np.bool_], *, epsilon: float = 0.0) -> list[NDArray[np.float64]]:
    """The outer outlines of an (H, W) mask in coordinates in which the centre of pixel ``i`` is ``i + 0.5``.

    They run between the centres of the outermost pixels and their edges, so that :func:`fill_centres`, and
    other programs that take a pixel by its centre, find these pixels and no more.

    Args:
        mask: what to outline; holes are filled.
        epsilon: as for :func:`rings`.
    """
    twice = cv2.resize(mask.astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST_EXACT)
    found, _ = cv2.findContours(twice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [(_simplified(contour, 2 * epsilon) + 0.5) / 2 for contour in found]


_AT_ONCE = 1 << 20
"""Rows of edges that are in memory at a time."""


def fill_centres(paths: Sequence[NDArray[np.floating]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) mask of the pixels whose centres (``i + 0.5``) are in a ring; of all rings together."""
    height, width = size
    mask = np.zeros(size, dtype=bool)
    for path in paths:
        start = _limited(path).reshape(-1, 2)
        end = np.roll(start, -1, axis=0)
        rows = np.clip(np.ceil(np.stack([start[:, 1], end[:, 1]]) - 0.5), 0, height).astype(np.int64)
        first, last = rows.min(axis=0), rows.max(axis=0)
        top, bottom = int(first.min()), int(last.max())
        # Pixels of a row are inside behind an odd number of edges.
        crossed = np.zeros((bottom - top, width + 1), dtype=bool)
        ends = np.cumsum(last - first)
        for low in range(0, int(ends[-1]), _AT_ONCE):
            place = np.arange(low, min(low + _AT_ONCE, int(ends[-1])))
            edge = np.searchsorted(ends, place, side="right")
            row = last[edge] - (ends[edge] - place)
            (x, y), (to_x, to_y) = start[edge].T, end[edge].T
            at = x + (row + 0.5 - y) * (to_x - x) / (to_y - y)
            column = np.clip(np.ceil(at - 0.5), 0, width).astype(np.int64)
            np.logical_xor.at(crossed, (row - top, column), True)
        mask[top:bottom] |= np.logical_xor.accumulate(crossed, axis=1)[:, :width]
    return mask


def _limited(path: NDArray) -> NDArray[np.float64]:
    # A coordinate beyond any image would overflow.
    return np.clip(np.nan_to_num(np.asarray(path, dtype=np.float64)), -(1 << 20), 1 << 20)


def _rounded(path: NDArray) -> NDArray[np.int32]:
    return np.floor(_limited(path) + 0.5).astype(np.int32).reshape(-1, 1, 2)


def at_least_three(ring: Outline) -> Outline:
    """The ring, its last point repeated until there are three: what polygons of many formats must have."""
    return ring if len(ring) >= 3 else np.concatenate([ring, np.repeat(ring[-1:], 3 - len(ring), axis=0)])
