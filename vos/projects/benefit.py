"""What a correction mends: the errors that are expected of the masks around it, before and after.

The error 1 - J that is expected of a mask at d frames from the nearest locked frame is ``usual * d **
growth``, less by the factor ``filled`` in a short interval that is filled by optical flow, and more by
``bad`` times its doubt. A correction brings the frames around it nearer to a locked one: the usual error
falls by that law, the doubt in proportion to the distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..arrays import Bools, Doubles
from .state import Track

REACH = 60
"""Frames from a locked one beyond which doubts are mended no more."""
APART = 5
"""Frames between two chosen ones at least."""
LEAST_BENEFIT = 1e-6


@dataclass(frozen=True)
class ErrorModel:
    """The errors 1 - J that are expected; ``benchmarks/corrections.py --fit`` fits them."""

    usual: float
    """Of a good mask beside a locked frame."""
    growth: float
    """Power of the distance by which that grows."""
    filled: float
    """Share of it that is left where an interval is filled."""
    bad: float
    """By which that of a mask is larger whose doubt is 1."""


def choose_frames(
    tracks: Mapping[int, Track],
    doubts: Mapping[int, Doubles],
    model: ErrorModel,
    *,
    fill: int,
    count: int,
) -> list[tuple[int, float]]:
    """The frames whose correction mends most, each supposing that those before it are corrected.

    Args:
        tracks, doubts: of the objects of one video; doubts as of :func:`vos.projects.queue.doubt`.
        fill: intervals of at most this many frames are filled, see :class:`vos.projects.jobs.Job`.
        count: at most this many.

    Returns:
        Frames, and the errors that a correction of each mends, summed over frames and objects.
    """
    if not tracks:
        return []
    num_frames = next(iter(tracks.values())).num_frames
    left = {k: u for k, u in doubts.items() if u.any()}
    locked = {k: locked_frames(tracks[k]) for k in left}
    away = {k: np.minimum(distances(locked[k]), REACH) for k in left}
    chosen: list[tuple[int, float]] = []
    allowed = np.ones(num_frames, bool)
    for _ in range(count):
        benefit = np.zeros(num_frames)
        for k in left:
            benefit += model.bad * doubt_gains(left[k], away[k]) + usual_gains(locked[k], model, fill)
        benefit[~allowed] = 0
        best = int(benefit.argmax())
        if benefit[best] <= LEAST_BENEFIT:
            break
        chosen.append((best, float(benefit[best])))
        allowed[max(0, best - APART + 1) : best + APART] = False
        for k in left:
            left[k] = left[k] * (1 - mended(away[k], best))
            locked[k][best] = True
            away[k] = np.minimum(away[k], np.abs(np.arange(num_frames) - best))
    return chosen


def locked_frames(track: Track) -> Bools:
    """(T,) whether each frame is an anchor or accepted."""
    found = np.zeros(track.num_frames, bool)
    for span in track.barriers:
        found[span.first : span.last + 1] = True
    return found


def distances(locked: Bools) -> Doubles:
    """(T,) frames from the nearest locked one; infinite where there is none."""
    frames = np.arange(len(locked), dtype=np.float64)
    before = np.maximum.accumulate(np.where(locked, frames, -np.inf))
    after = np.minimum.accumulate(np.where(locked, frames, np.inf)[::-1])[::-1]
    return np.minimum(frames - before, after - frames)


def mended(away: Doubles, frame: int) -> Doubles:
    """(T,) share of every frame's doubt that a correction of ``frame`` takes away.

    Args:
        away: (T,) frames from the nearest locked one, at most :data:`REACH`.
    """
    nearer = np.abs(np.arange(len(away)) - frame)
    return np.clip(1 - nearer / np.maximum(away, 1), 0.0, 1.0)


def doubt_gains(u: Doubles, away: Doubles) -> Doubles:
    """(T,) the sum of ``u_g * mended_g`` over all frames g, for a correction of each frame.

    Args:
        u: (T,) doubts, 0 where ``away`` is.
        away: as of :func:`mended`.
    """
    # A doubt counts for the frames around it by a triangle as wide as its distance: by second differences.
    frames, widths = np.arange(len(u)) + REACH, np.maximum(away, 1).astype(int)
    slopes = u / widths
    bends = np.zeros(len(u) + 2 * REACH)
    for places, factor in ((frames - widths, 1), (frames, -2), (frames + widths, 1)):
        bends += factor * np.bincount(places, slopes, len(bends))[: len(bends)]
    return np.asarray(np.cumsum(np.cumsum(bends))[REACH - 1 : REACH - 1 + len(u)])


def usual_gains(locked: Bools, model: ErrorModel, fill: int) -> Doubles:
    """(T,) by how much less the usual errors are in all, for a correction of each frame; 0 at locked ones."""
    count = len(locked)
    errors = model.usual * np.arange(1, count + 2) ** model.growth
    sums = np.concatenate([[0.0], np.cumsum(errors)])

    def total(frames: NDArray[np.int_], ends: int) -> Doubles:
        """Of this many frames with a locked one at one end or at both."""
        if ends == 1:
            return np.asarray(sums[frames])
        half = frames // 2
        return np.where(frames <= fill, model.filled, 1.0) * (sums[half] + sums[frames - half])

    gains = np.zeros(count)
    edges = [-1, *np.flatnonzero(locked).tolist(), count]
    for before, after in pairwise(edges):
        inside = after - before - 1
        starts, stops = int(before >= 0), int(after < count)
        if inside and starts + stops:
            left = np.arange(inside)
            gains[before + 1 : after] = (
                total(np.array(inside), starts + stops)
                - total(left, starts + 1)
                - total(left[::-1], stops + 1)
            )
    return gains
