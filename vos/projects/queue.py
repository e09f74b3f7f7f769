"""The review queue: which frames to look at first, and why.

The doubt u of an object in a frame joins its signals, ``u = 1 - product(1 - w_i * v_i)``; locked frames have
none. The queue takes the frame whose correction mends most (:mod:`.benefit`), supposes it corrected, and goes
on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .benefit import REACH, ErrorModel, choose_frames, distances, locked_frames, mended
from .events import Draft, Event
from .signals import SIGNALS
from .state import FrameState, State, Track

if TYPE_CHECKING:
    from .project import Project

Doubts = NDArray[np.float64]

ITEMS = 20
DOUBTFUL = 0.5
"""Doubt from which on a frame counts as uncertain."""


@dataclass(frozen=True)
class Reason:
    """Why an object is in doubt."""

    object_id: int
    frame: int
    """Where the doubt is greatest."""
    doubt: float
    """u of that frame, 0..1."""
    signal: str
    """The signal that says most, a key of :data:`vos.projects.signals.SIGNALS`, or ``conflict``."""
    text: str
    """In words."""


@dataclass(frozen=True)
class QueueItem:
    """A frame to look at."""

    video: str
    frame: int
    benefit: float
    """Errors 1 - J that a correction here is expected to mend, summed over frames and objects."""
    reasons: tuple[Reason, ...]
    """The most doubtful object first."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "video": self.video,
            "frame": self.frame,
            "benefit": round(self.benefit, 3),
            "reasons": [
                {
                    "object": reason.object_id,
                    "frame": reason.frame,
                    "doubt": round(reason.doubt, 3),
                    "signal": reason.signal,
                    "text": reason.text,
                }
                for reason in self.reasons
            ],
        }


@dataclass(frozen=True)
class ReviewQueue:
    """The frames to look at, the most useful first; conflicts between annotators before all."""

    items: tuple[QueueItem, ...]
    uncertain: float
    """Share of the tracked masks whose doubt is at least one half."""
    settled: float
    """Share of all masks that are anchors or accepted."""


@cache
def _fitted() -> Mapping[str, Any]:
    """What ``benchmarks/corrections.py --fit`` fits."""
    text = (resources.files("vos") / "assets" / "review_queue.json").read_text(encoding="utf-8")
    fitted: dict[str, Any] = json.loads(text)
    return fitted


def queue_weights() -> Mapping[str, float]:
    """Weights of the signals, by name."""
    weights: dict[str, float] = _fitted()["weights"]
    return weights


def expected_errors() -> ErrorModel:
    """By which the queue weighs one frame against another."""
    return ErrorModel(**_fitted()["errors"])


def share_wrong(below: float) -> float:
    """Share of masks with J < 0.75 among tracked ones whose doubt is below a bound, where it was measured
    (``benchmarks/corrections.py --accepted``); between the bounds measured it is interpolated."""
    measured: dict[str, float] = _fitted()["wrong below"]
    return float(np.interp(below, [0.0, *map(float, measured)], [0.0, *measured.values()]))


def review_queue(
    project: Project,
    video: str | None = None,
    *,
    items: int = ITEMS,
    weights: Mapping[str, float] | None = None,
) -> ReviewQueue:
    """The frames whose correction helps most.

    Args:
        video: only this one; None for all.
        items: at most this many per video.
        weights: of the signals, in place of :func:`queue_weights`.
    """
    state = project.state
    weights = queue_weights() if weights is None else weights
    keys = list(project.videos) if video is None else [project.video(video).key]
    found: list[QueueItem] = _conflicts(state, keys)
    doubtful = tracked = settled = total = 0
    for key in keys:
        tracks = {object_id: state.track(key, object_id) for object_id in state.visible}
        doubts = {k: doubt(state, track, weights) for k, track in tracks.items()}
        fill = project.settings.fill
        chosen = choose_frames(tracks, doubts, expected_errors(), fill=fill, count=items)
        for frame, benefit in chosen:
            found.append(_item(state, key, frame, benefit, tracks, doubts, weights))
        for object_id, track in tracks.items():
            locked = sum(span.last - span.first + 1 for span in track.barriers)
            doubtful += int((doubts[object_id] >= DOUBTFUL).sum())
            tracked += track.num_frames - locked
            settled, total = settled + locked, total + track.num_frames
    return ReviewQueue(tuple(found), doubtful / max(tracked, 1), settled / max(total, 1))


def doubt(state: State, track: Track, weights: Mapping[str, float] | None = None) -> Doubts:
    """(T,) u of every frame of a track, 0..1: 0 where it is locked or nothing is known."""
    certain = np.ones(track.num_frames)
    for _, frame, weight, value in _signals(
        state, track, 0, track.num_frames - 1, weights or queue_weights()
    ):
        certain[frame] *= 1 - weight * value
    for span in track.barriers:
        certain[span.first : span.last + 1] = 1.0
    return 1 - certain


def _signals(
    state: State, track: Track, first: int, last: int, weights: Mapping[str, float]
) -> list[tuple[str, int, float, float]]:
    """Name, frame, weight and value of the signals of a track's results in a range."""
    found = []
    far = distance_signal(track)
    for span in track.results.within(first, last):
        event = state.tracked.get(span.value.event)
        if event is None:
            continue
        signals = event.payload.get("signals", {}).get(str(span.value.object_id), {})
        for name, frames in signals.items():
            if weight := weights.get(name, 0.0):
                found += [(name, f, weight, value) for f, value in _values(frames, span.first, span.last)]
        if (weight := weights.get("far", 0.0)) > 0:
            found += [("far", f, weight, float(far[f])) for f in range(span.first, span.last + 1)]
    return found


def _values(frames: Mapping[str, float], first: int, last: int) -> list[tuple[int, float]]:
    """Frame and value of a signal in a range, without going through all frames."""
    if last - first < len(frames):
        return [(f, float(frames[text])) for f in range(first, last + 1) if (text := str(f)) in frames]
    return [(f, float(value)) for text, value in frames.items() if first <= (f := int(text)) <= last]


def distance_signal(track: Track) -> Doubts:
    """(T,) the signal ``far``: by the distance from the nearest locked frame; 0 where there is none."""
    ramp = SIGNALS["far"].ramp
    assert ramp is not None
    away = distances(locked_frames(track))
    return np.asarray(ramp.of_all(np.where(np.isfinite(away), away, 0.0)), np.float64)


def _item(
    state: State,
    video: str,
    frame: int,
    benefit: float,
    tracks: Mapping[int, Track],
    doubts: Mapping[int, Doubts],
    weights: Mapping[str, float],
) -> QueueItem:
    reasons = []
    for object_id, track in tracks.items():
        interval = next((i for i in track.intervals if i.first <= frame <= i.last), None)
        if interval is None:
            continue
        inside = np.arange(interval.first, interval.last + 1)
        near = (doubts[object_id] * mended(np.minimum(distances(locked_frames(track)), REACH), frame))[inside]
        worst = int(inside[near.argmax()])
        signals = _signals(state, track, worst, worst, weights)
        if signals:
            name = max(signals, key=lambda signal: signal[2] * signal[3])[0]
            u = float(doubts[object_id][worst])
            reasons.append((float(near.max()), Reason(object_id, worst, u, name, SIGNALS[name].reason)))
    reasons.sort(key=lambda pair: -pair[0])
    return QueueItem(video, frame, benefit, tuple(reason for _, reason in reasons))


def _conflicts(state: State, videos: Sequence[str]) -> list[QueueItem]:
    """Masks that several annotators gave without knowing of each other's."""
    return [
        QueueItem(
            conflict.video,
            conflict.frame,
            float("inf"),
            (
                Reason(
                    conflict.object_id,
                    conflict.frame,
                    1.0,
                    "conflict",
                    f"annotators gave different masks ({', '.join(conflict.events)})",
                ),
            ),
        )
        for conflict in state.conflicts.values()
        if conflict.video in videos and conflict.object_id in state.visible
    ]


def parse_threshold(text: str) -> float:
    """The number in ``u<NUMBER``.

    Raises:
        InputError: for anything else, or a number outside 0..1.
    """
    match = re.fullmatch(r"\s*u\s*<\s*([0-9.]+)\s*", text)
    try:
        value = float(match.group(1)) if match else -1.0
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise InputError(f"cannot read {text!r}: write u<NUMBER with a number in 0..1, such as u<0.05")
    return value


def accept_confident(project: Project, below: float, video: str | None = None) -> list[Event]:
    """Accept all tracked masks whose doubt is below a threshold; stale and rejected ones stay as they are.

    Returns:
        The ``review`` events, appended together; none if there is nothing to accept.
    """
    state = project.state
    keys = list(project.videos) if video is None else [project.video(video).key]
    drafts = []
    for key in keys:
        for object_id in state.visible:
            track = state.track(key, object_id)
            u = doubt(state, track)
            wanted = np.array(
                [u[f] < below and track.state(f) == FrameState.TRACKED for f in range(track.num_frames)]
            )
            edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(int)))
            for first, stop in zip(edges[::2], edges[1::2], strict=True):
                payload = {"video": key, "first": int(first), "last": int(stop) - 1}
                drafts.append(Draft("review", {**payload, "state": "accepted", "objects": [object_id]}))
    return project.append(drafts) if drafts else []
