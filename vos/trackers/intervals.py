"""The interval rule: masks between two frames whose masks are known.

A tracker goes forward from the one and backward from the other, and both results are joined at one switch
frame per object, where they agree well and which is near the middle. Short gaps are better filled without a
tracker, see :mod:`vos.trackers.flow_filling`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from ..frame import Frame
from ..ops.rle import pack_mask, packed_iou
from ..prompts import Prompt, Target
from ..results import FrameResult
from .base import Tracker
from .flow_filling import FillSettings, fill_gap

EQUAL = 1e-6
"""Sums of confidences that differ by less are the same."""
Observer = Callable[[Frame, FrameResult], None]
"""Called with every frame of a pass and its result; what it raises ends the pass."""


@dataclass(frozen=True)
class IntervalSettings:
    """How the two passes over an interval are joined."""

    pull: float = 0.2
    """IoU that a switch frame at an end of the interval has to have more than one in the middle."""
    least_agreement: float = 0.3
    """Passes whose IoU is below this in every frame agree nowhere: confidence decides between them."""


class FrameSource(Protocol):
    """A video that can be read from anywhere in both directions, such as :class:`vos.video.Video`."""

    def frames(self, start: int = 0, stop: int | None = None, *, reverse: bool = False) -> Iterator[Frame]:
        """The frames from ``start`` to before ``stop``."""
        ...


@runtime_checkable
class StartsFromSeveral(Protocol):
    """A tracker that learns from several frames at once for less than the cost of one after the other."""

    def start_from(self, references: Sequence[tuple[Frame, Sequence[Target]]]) -> FrameResult:
        """Forget all that went before, and start a video at the last of these frames.

        Args:
            references: frames with the masks known there; the others need not be near the last.
        """
        ...


@dataclass(frozen=True)
class PackedMask:
    """The mask of one object in one frame, as compressed run lengths."""

    rle: str
    """See :mod:`vos.ops.rle`."""
    confidence: float


@dataclass(frozen=True)
class Joined:
    """The masks of one object over an interval."""

    first: int
    masks: tuple[PackedMask, ...]
    """Of the frames ``first``, ``first + 1``, ..."""
    switch: int | None
    """First frame of the backward result; None where only one direction or none has any."""
    disagreement: tuple[float, ...]
    """1 - IoU of forward and backward result by frame; empty unless both were computed everywhere."""
    forward: tuple[bool, ...]
    """Whether each mask comes from the forward pass."""


class Pass:
    """The results of one pass over an interval, packed, by object and frame."""

    def __init__(self, ids: Iterable[int]) -> None:
        self.masks: dict[int, dict[int, PackedMask]] = {object_id: {} for object_id in ids}

    def add(self, result: FrameResult) -> None:
        """Keep the masks of a frame."""
        for object_id, masks in self.masks.items():
            if object_id in result.confidence:
                rle = pack_mask(result.mask(object_id))
                masks[result.frame_index] = PackedMask(rle, float(result.confidence[object_id]))


@dataclass(frozen=True)
class PassStart:
    """Where a pass begins: all that its results depend on, beside the tracker and the video."""

    frame: int
    """Its masks are known."""
    is_forward: bool
    ids: tuple[int, ...]
    """Objects whose masks are wanted."""
    targets: tuple[Target, ...]
    """The masks of all objects in ``frame``, rivals too, so that they compete."""
    memory: tuple[tuple[int, tuple[Target, ...]], ...] = ()
    """Further frames with known masks of the same objects that the tracker is shown first, in this order."""

    def frames_to(self, end: int) -> range:
        """The frames after ``frame`` up to and with ``end``, in the order of the pass."""
        return range(self.frame + 1, end + 1) if self.is_forward else range(self.frame - 1, end - 1, -1)


PassRunner = Callable[[PassStart, int], Pass]
"""Runs a pass to its last frame: :class:`TrackerPasses`, or one that keeps results."""


@dataclass(frozen=True)
class TrackerPasses:
    """Runs passes of a tracker over a video."""

    tracker: Tracker
    """Its state is lost."""
    video: FrameSource
    observe: Observer | None = None

    def __call__(self, start: PassStart, end: int) -> Pass:
        """The results of the frames after the start up to and with ``end``."""
        kept = Pass(start.ids)
        self.begin(start)
        self.go_on(start.frames_to(end), kept)
        return kept

    def begin(self, start: PassStart) -> None:
        """Start the tracker with all that is known."""
        known = [*start.memory, (start.frame, start.targets)]
        references = [(next(iter(self.video.frames(index, index + 1))), given) for index, given in known]
        if len(references) > 1 and isinstance(self.tracker, StartsFromSeveral):
            result = self.tracker.start_from(references)
        else:
            result = self.tracker.start(*references[0])
            for frame, targets in references[1:]:
                result = self.tracker.step(frame, targets)
        if self.observe is not None:
            self.observe(references[-1][0], result)

    def go_on(self, indices: range, kept: Pass) -> None:
        """Step through frames that follow those before."""
        if not indices:
            return
        low, high = min(indices), max(indices)
        for frame in self.video.frames(low, high + 1, reverse=indices.step < 0):
            result = self.tracker.step(frame)
            kept.add(result)
            if self.observe is not None:
                self.observe(frame, result)


def track_interval(
    run: PassRunner,
    first: int,
    last: int,
    ids: Sequence[int],
    *,
    size: tuple[int, int],
    before: Sequence[Target] = (),
    after: Sequence[Target] = (),
    memory: Sequence[tuple[int, Sequence[Target]]] = (),
    settings: IntervalSettings | None = None,
) -> dict[int, Joined]:
    """The masks of some objects in the frames ``first`` to ``last``.

    Args:
        run: runs the two passes.
        ids: objects that masks are wanted of; an object without a mask at an end is not tracked from there.
        size: (height, width) of the frames.
        before: the masks of all objects in frame ``first - 1``, rivals too, so that they compete.
        after: the same in frame ``last + 1``.
        memory: further frames with known masks that the tracker is shown before each pass, in this order;
            of objects that are not at the end where the pass begins nothing is shown.

    Returns:
        Object id -> its masks; empty ones for an object that neither end has.
    """
    passes = []
    for frame, end, targets in ((first - 1, last, before), (last + 1, first, after)):
        shown = {target.object_id for target in targets}
        wanted = tuple(sorted(shown & set(ids)))
        known = ((f, tuple(t for t in given if t.object_id in shown)) for f, given in memory)
        start = PassStart(frame, frame < first, wanted, tuple(targets), tuple((f, g) for f, g in known if g))
        passes.append(run(start, end) if wanted else Pass(()))
    forward, backward = (kept.masks for kept in passes)
    return {k: join(first, last, forward.get(k, {}), backward.get(k, {}), size, settings) for k in ids}


def join(
    first: int,
    last: int,
    forward: Mapping[int, PackedMask],
    backward: Mapping[int, PackedMask],
    size: tuple[int, int],
    settings: IntervalSettings | None = None,
) -> Joined:
    """One object's masks of two passes over ``first`` to ``last``; a pass may have none."""
    frames = range(first, last + 1)
    both = [f for f in frames if f in forward and f in backward]
    agreement = [packed_iou(forward[f].rle, backward[f].rle, size) for f in both]
    switch: int | None = None
    if len(both) == len(frames) > 0:
        rule = settings or IntervalSettings()
        if max(agreement) < rule.least_agreement:
            confidences = [(forward[f].confidence, backward[f].confidence) for f in both]
            switch = switch_by_confidence(first, confidences)
        else:
            switch = switch_frame(first, agreement, rule.pull)
    elif forward and backward:
        switch = min(backward)
    empty = PackedMask(pack_mask(np.zeros(size, bool)), 1.0)
    masks, is_forward = [], []
    for frame in frames:
        chosen = forward if not backward or (switch is not None and frame < switch) else backward
        masks.append(chosen.get(frame, empty))
        is_forward.append(chosen is forward)
    disagreement = tuple(1 - iou for iou in agreement) if len(both) == len(frames) else ()
    return Joined(first, tuple(masks), switch, disagreement, tuple(is_forward))


def switch_frame(first: int, agreement: Sequence[float], pull: float) -> int:
    """The frame from which on the backward result is used.

    It maximises ``IoU(forward, backward) - pull * |2 s - p - q| / (q - p)`` over the frames s between the
    known frames p and q; the earliest of equals.

    Args:
        first: the frame after p.
        agreement: IoU of the frames ``first``, ``first + 1``, ..., up to the one before q.
    """
    p, q = first - 1, first + len(agreement)
    scores = [
        iou - pull * abs(2 * s - p - q) / (q - p) for s, iou in zip(range(first, q), agreement, strict=True)
    ]
    return first + int(np.argmax(scores))


def switch_by_confidence(first: int, confidences: Sequence[tuple[float, float]]) -> int:
    """The frame from which on the backward result is used, where the results agree nowhere.

    One of the two is wrong nearly everywhere, such as that of a sliver of an object that leaves the image:
    the sum of confidences decides, and among equals the frame nearest to the middle, the earliest of equals.

    Args:
        first: the first frame.
        confidences: of the forward and the backward result in the frames ``first``, ``first + 1``, ...
    """
    forward, backward = np.array(confidences).T
    # Before frame first + i the forward result is used, from it on the backward one.
    sums = np.concatenate([[0.0], np.cumsum(forward)[:-1]]) + np.cumsum(backward[::-1])[::-1]
    places = np.arange(len(sums))
    away = np.abs(2 * places - (len(sums) - 1))
    best = np.flatnonzero(sums >= sums.max() - EQUAL)
    return first + int(best[np.argmin(away[best])])


def fill_key_frames(
    video: FrameSource, keys: Iterable[FrameResult], settings: FillSettings | None = None
) -> Iterator[FrameResult]:
    """All frames from the first key frame to the last, with the results of the key frames as they are.

    The masks in between are warped from both key frames beside them, see
    :func:`vos.trackers.flow_filling.fill_gap`; the frames of one gap are in memory at a time.

    Args:
        keys: results in order of frames, such as those of a strong tracker on every fifth frame.
    """
    previous: FrameResult | None = None
    for key in keys:
        if previous is not None and key.frame_index > previous.frame_index + 1:
            frames = list(video.frames(previous.frame_index, key.frame_index + 1))
            for filled in fill_gap(frames, previous, key, settings):
                yield filled.result
        yield key
        previous = key


def as_targets(result: FrameResult) -> list[Target]:
    """The visible objects of a frame as mask prompts."""
    return [
        Target(
            object_id,
            Prompt(mask=mask),
            result.frame_index,
            source=result.source[object_id],
            confidence=min(max(result.confidence[object_id], 0.0), 1.0),
        )
        for object_id in result.ids
        if (mask := result.mask(object_id)).any()
    ]
