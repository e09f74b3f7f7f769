"""The interval rule: masks between two frames whose masks are known.

The tracker goes forward from the one and backward from the other, and both results are joined at one switch
frame per object, where they agree well and which is near the middle. This serves corrections, where a user
knows the masks at both ends, and key frames, where a stronger tracker does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from ..frame import Frame
from ..ops.overlap import paint_by
from ..ops.rle import pack_mask, packed_iou, unpack_mask
from ..prompts import Prompt, Target
from ..results import FrameResult, Labels, label_dtype
from .base import Tracker

Observer = Callable[[Frame, FrameResult, bool], None]
"""Called with every frame, its result, and whether the pass goes forward; what it raises ends the pass."""


@dataclass(frozen=True)
class IntervalSettings:
    """How the two passes over an interval are joined."""

    switch: Literal["best", "middle"] = "best"
    """``best`` tracks all frames in both directions and switches where the results agree; ``middle`` switches
    in the middle and tracks every frame once."""
    pull: float = 0.2
    """IoU that a switch frame at an end of the interval has to have more than one in the middle."""
    warm: bool = False
    """Keep what a tracker has learned of the objects from one interval to the next, if it can, see
    :class:`Restartable`."""


class FrameSource(Protocol):
    """A video that can be read from anywhere in both directions, such as :class:`vos.video.Video`."""

    def frames(self, start: int = 0, stop: int | None = None, *, reverse: bool = False) -> Iterator[Frame]:
        """The frames from ``start`` to before ``stop``."""
        ...


@runtime_checkable
class Restartable(Protocol):
    """A tracker that can begin at another frame and keep what it has learned of the objects.

    :class:`vos.trackers.mask_tracker.MaskTracker` is one.
    """

    def restart(self, frame: Frame, prompts: Sequence[Target]) -> FrameResult:
        """As ``start``, with the masks of all objects, but what was learned stays."""
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

    def __init__(self, ids: Iterable[int], size: tuple[int, int]) -> None:
        self.masks: dict[int, dict[int, PackedMask]] = {object_id: {} for object_id in ids}
        self.size = size

    def add(self, result: FrameResult) -> None:
        """Keep the masks of a frame."""
        for object_id, masks in self.masks.items():
            if object_id in result.confidence:
                rle = pack_mask(result.mask(object_id))
                masks[result.frame_index] = PackedMask(rle, float(result.confidence[object_id]))


def track_interval(
    tracker: Tracker,
    video: FrameSource,
    first: int,
    last: int,
    ids: Sequence[int],
    *,
    size: tuple[int, int],
    before: Sequence[Target] = (),
    after: Sequence[Target] = (),
    memory: Sequence[tuple[int, Sequence[Target]]] = (),
    settings: IntervalSettings | None = None,
    observe: Observer | None = None,
) -> dict[int, Joined]:
    """The masks of some objects in the frames ``first`` to ``last``.

    Args:
        tracker: its state is lost, but for what a warm start keeps.
        ids: objects that masks are wanted of; an object without a mask at an end is not tracked from there.
        size: (height, width) of the frames.
        before: the masks of all objects in frame ``first - 1``, rivals too, so that they compete.
        after: the same in frame ``last + 1``.
        memory: further frames with known masks that the tracker is shown before each pass, in this order.
        observe: called with every frame of both passes.

    Returns:
        Object id -> its masks; empty ones for an object that neither end has.
    """
    settings = settings or IntervalSettings()
    begun = {t.object_id for t in before} & set(ids), {t.object_id for t in after} & set(ids)
    stop, start = last + 1, first
    if settings.switch == "middle" and begun[0] == begun[1]:
        stop = start = (first + last + 1) // 2
    forward, backward = Pass(begun[0], size), Pass(begun[1], size)
    if begun[0] and stop > first:
        frames = video.frames(first - 1, stop)
        _run(tracker, video, frames, before, memory, forward, settings.warm, observe, True)
    if begun[1] and start <= last:
        frames = video.frames(start, last + 2, reverse=True)
        _run(tracker, video, frames, after, memory, backward, settings.warm, observe, False)
    return {
        object_id: join(
            first,
            last,
            forward.masks.get(object_id, {}),
            backward.masks.get(object_id, {}),
            size,
            settings,
        )
        for object_id in ids
    }


def _run(
    tracker: Tracker,
    video: FrameSource,
    frames: Iterator[Frame],
    given: Sequence[Target],
    memory: Sequence[tuple[int, Sequence[Target]]],
    kept: Pass,
    warm: bool,
    observe: Observer | None,
    is_forward: bool,
) -> None:
    """One pass from a frame with known masks."""
    begin: Callable[[Frame, Sequence[Target]], FrameResult] = tracker.start
    if warm and isinstance(tracker, Restartable):
        begin = tracker.restart
    for index, targets in memory:
        begin(next(iter(video.frames(index, index + 1))), targets)
        begin = tracker.step
    result = begin(edge := next(frames), given)
    if observe is not None:
        observe(edge, result, is_forward)
    for frame in frames:
        result = tracker.step(frame)
        kept.add(result)
        if observe is not None:
            observe(frame, result, is_forward)


def join(
    first: int,
    last: int,
    forward: Mapping[int, PackedMask],
    backward: Mapping[int, PackedMask],
    size: tuple[int, int],
    settings: IntervalSettings,
) -> Joined:
    """One object's masks of two passes over ``first`` to ``last``; a pass may have none."""
    frames = range(first, last + 1)
    both = [f for f in frames if f in forward and f in backward]
    agreement = [packed_iou(forward[f].rle, backward[f].rle, size) for f in both]
    switch: int | None = None
    if len(both) == len(frames) > 0:
        switch = switch_frame(first, agreement, settings.pull)
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


def fill_key_frames(
    tracker: Tracker,
    video: FrameSource,
    keys: Iterable[FrameResult],
    settings: IntervalSettings | None = None,
) -> Iterator[FrameResult]:
    """All frames from the first key frame to the last, with the results of the key frames as they are.

    The masks in between are the tracker's, by the interval rule; one interval is in memory at a time.

    Args:
        tracker: fills the gaps.
        keys: results in order of frames, such as those of a stronger tracker on every fifth frame.
    """
    settings = settings or IntervalSettings(warm=True)
    previous: FrameResult | None = None
    for key in keys:
        if previous is not None and key.frame_index > previous.frame_index + 1:
            yield from _between(tracker, video, previous, key, settings)
        yield key
        previous = key


def _between(
    tracker: Tracker, video: FrameSource, p: FrameResult, q: FrameResult, settings: IntervalSettings
) -> Iterator[FrameResult]:
    ids = sorted({*p.ids, *q.ids})
    size = (p.labels.shape[0], p.labels.shape[1])
    joined = track_interval(
        tracker,
        video,
        p.frame_index + 1,
        q.frame_index - 1,
        ids,
        size=size,
        before=as_targets(p),
        after=as_targets(q),
        settings=settings,
    )
    for row, frame in enumerate(range(p.frame_index + 1, q.frame_index)):
        packed = {object_id: joined[object_id].masks[row] for object_id in ids}
        masks = [unpack_mask(packed[object_id].rle, size) for object_id in ids]
        keys = [(-packed[k].confidence, int(mask.sum()), k) for k, mask in zip(ids, masks, strict=True)]
        labels: Labels = paint_by(masks, ids, keys) if ids else np.zeros(size, label_dtype(ids))
        yield FrameResult(frame, labels, {k: packed[k].confidence for k in ids})


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
