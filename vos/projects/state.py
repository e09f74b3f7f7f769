"""The state of a project: what its events add up to. Everything here is immutable.

:mod:`vos.projects.folding` makes it of the events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from .events import MAX_PROJECT_OBJECT, Event
from .numbering import Renumbered
from .spans import Span, SpanMap, gaps

Sides = tuple[str | None, str | None]
"""Ids of the barriers before and after an interval; None is an end of the video."""


class FrameState(StrEnum):
    """What is known of one object in one frame."""

    UNKNOWN = "unknown"
    """Nothing."""
    TRACKED = "tracked"
    STALE = "stale"
    """Tracked from anchors that have changed since; shown until it is tracked again."""
    REJECTED = "rejected"
    """A reviewer rejected the tracked mask."""
    ACCEPTED = "accepted"
    """A reviewer accepted the tracked mask: locked."""
    ANCHOR = "anchor"
    """The mask was given: locked."""


@dataclass(frozen=True)
class ObjectInfo:
    """An object of the project."""

    object_id: int
    name: str = ""
    category: str = ""
    color: str | None = None
    """``#rrggbb``; None for the palette's."""
    removed: bool = False
    """Hidden everywhere; its masks are kept."""


@dataclass(frozen=True)
class Anchor:
    """A mask that was given, in one frame."""

    event: str
    """Id of the event."""
    order: tuple[int, str, int]
    """Of the event in the total order."""
    mask: str | None
    """Digest of the mask; None: the object is absent."""
    origin: str = "drawn"


@dataclass(frozen=True)
class Result:
    """Where the tracked mask of a frame comes from."""

    event: str
    """The ``tracked`` event; for an absence the event that says so."""
    object_id: int | None
    """The object in that event, which differs from the track's after a swap; None: absent."""
    basis: Sides
    """What it was tracked from."""


@dataclass(frozen=True)
class Review:
    """A reviewer's word on a range."""

    state: str
    """``accepted`` or ``rejected``."""
    event: str
    note: str = ""


@dataclass(frozen=True)
class Interval:
    """The frames ``first`` to ``last`` between two barriers, or a barrier and an end of the video."""

    first: int
    last: int
    before: str | None
    """Id of the barrier in frame ``first - 1``: the anchor's event, or the event whose result is accepted
    there; None if ``first`` is 0."""
    after: str | None
    """The same in frame ``last + 1``."""

    @property
    def sides(self) -> Sides:
        """Ids of both barriers."""
        return self.before, self.after


@dataclass(frozen=True)
class Track:
    """All that is known of one object in one video."""

    num_frames: int
    anchors: Mapping[int, Anchor] = field(default_factory=dict)
    """By frame."""
    results: SpanMap[Result] = field(default_factory=SpanMap)
    """Tracked masks, also below anchors."""
    reviews: SpanMap[Review] = field(default_factory=SpanMap)

    @cached_property
    def anchored(self) -> SpanMap[bool]:
        """The frames with anchors."""
        return SpanMap.of(Span(frame, frame, True) for frame in self.anchors)

    @cached_property
    def barriers(self) -> SpanMap[str]:
        """The locked frames, anchors and accepted ones, with the id of the event their masks come from."""
        spans = [Span(frame, frame, anchor.event) for frame, anchor in self.anchors.items()]
        for review in self.reviews:
            if review.value.state == "accepted":
                for span in self.results.within(review.first, review.last):
                    for first, last in gaps(span.first, span.last, self.anchored):
                        spans.append(Span(first, last, span.value.event))
        return SpanMap.of(spans)

    @cached_property
    def intervals(self) -> tuple[Interval, ...]:
        """The longest ranges without locked frames, in order."""
        return tuple(
            Interval(first, last, self.barriers.get(first - 1), self.barriers.get(last + 1))
            for first, last in gaps(0, self.num_frames - 1, self.barriers)
        )

    @cached_property
    def stale(self) -> SpanMap[bool]:
        """The frames whose tracked mask comes from barriers that have changed since."""
        return SpanMap.of(
            Span(span.first, span.last, True)
            for interval in self.intervals
            for span in self.results.within(interval.first, interval.last)
            if not is_fresh(span.value, interval.sides)
        )

    @cached_property
    def pending(self) -> tuple[Interval, ...]:
        """The intervals to track: a barrier at one end at least, and a frame that is stale or unknown."""
        return tuple(
            interval
            for interval in self.intervals
            if interval.sides != (None, None)
            and (
                any(self.stale.within(interval.first, interval.last))
                or any(gaps(interval.first, interval.last, self.results))
            )
        )

    def state(self, frame: int) -> FrameState:
        """What is known of a frame."""
        if frame in self.anchors:
            return FrameState.ANCHOR
        if self.results.get(frame) is None:
            return FrameState.UNKNOWN
        review = self.reviews.get(frame)
        if review is not None:
            return FrameState(review.state)
        return FrameState.STALE if self.stale.get(frame) else FrameState.TRACKED

    def is_locked(self, frame: int) -> bool:
        """Whether tracking leaves the frame alone."""
        return self.barriers.get(frame) is not None


def is_fresh(result: Result, sides: Sides) -> bool:
    """Whether a result still belongs between these barriers: they are those it was tracked from, or frames of
    the very same result that have been accepted."""
    return all(side in (basis, result.event) for side, basis in zip(sides, result.basis, strict=True))


@dataclass(frozen=True)
class Conflict:
    """Anchors of one object in one frame whose writers did not know of each other."""

    video: str
    frame: int
    object_id: int
    events: tuple[str, ...]
    """In the total order: the last one counts."""


@dataclass(frozen=True)
class Verdict:
    """What one writer says the mask of a frame is."""

    anchor: Anchor | None = None
    result: Result | None = None


@dataclass(frozen=True)
class State:
    """What the events of a project add up to."""

    frames: Mapping[str, int]
    """Video -> number of frames."""
    objects: Mapping[int, ObjectInfo] = field(default_factory=dict)
    """By id, removed ones included."""
    tracks: Mapping[tuple[str, int], Track] = field(default_factory=dict)
    """By video and object."""
    assignments: Mapping[str, SpanMap[str]] = field(default_factory=dict)
    """Video -> who is to work on which frames."""
    conflicts: Mapping[tuple[str, int, int], Conflict] = field(default_factory=dict)
    """By video, frame and object."""
    verdicts: Mapping[tuple[str, str, int], SpanMap[Verdict]] = field(default_factory=dict)
    """By writer, video and object: anchors given and frames accepted."""
    added: Mapping[int, str] = field(default_factory=dict)
    """Id of an object -> that of the event that added it, also where that was undone: it can be redone."""
    renumbered: tuple[Renumbered, ...] = ()
    """Objects that have another number than they were added with: somebody else had used it."""
    tracked: Mapping[str, Event] = field(default_factory=dict)
    """The ``tracked`` events by id, also those that no longer count."""
    undone: frozenset[str] = frozenset()
    """Ids of the events that were undone."""

    @property
    def visible(self) -> tuple[int, ...]:
        """Ids of the objects that are not removed, ascending."""
        return tuple(sorted(k for k, info in self.objects.items() if not info.removed))

    @property
    def free_ids(self) -> tuple[int, ...]:
        """Ids that no object has had yet, not even one whose making was undone, ascending."""
        taken = {*self.objects, *self.added}
        return tuple(k for k in range(1, MAX_PROJECT_OBJECT + 1) if k not in taken)

    def track(self, video: str, object_id: int) -> Track:
        """The track of an object, empty where nothing is known."""
        return self.tracks.get((video, object_id)) or Track(self.frames[video])
