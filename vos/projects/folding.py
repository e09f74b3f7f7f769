"""From events to state: a pure function, and one function per kind of event.

Results of tracking are recorded in the events, so folding needs no tracker, and gives the same state
whatever order the journals are read in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from .events import Draft, Event
from .numbering import renumbered
from .spans import Span, SpanMap, gaps
from .state import (
    Anchor,
    Conflict,
    ObjectInfo,
    Result,
    Review,
    Sides,
    State,
    Track,
    Verdict,
)


def fold(events: Iterable[Event], frames: Mapping[str, int]) -> State:
    """What events add up to, whatever order they come in.

    Args:
        events: of all journals.
        frames: video -> number of frames; events of other videos are ignored.
    """
    ordered, others = renumbered(sorted(events, key=lambda event: event.order))
    state = State(frames, renumbered=others, undone=undone_ids(ordered))
    for event in ordered:
        state = apply(state, event)
    return state


def undone_ids(ordered: Sequence[Event]) -> frozenset[str]:
    """Ids of the events that are undone, for events in the total order. Undoing an ``undo`` is redo."""
    undone: set[str] = set()
    later: set[str] = set()
    for event in reversed(ordered):
        # An `undo` cannot be about what came after it.
        if event.kind == "undo" and event.id not in undone and event.payload["of"] not in later:
            undone.add(event.payload["of"])
        later.add(event.id)
    return frozenset(undone)


def extend(state: State, events: Sequence[Event]) -> State | None:
    """The state with more events, the last ones in the total order, of a writer who knows all others; None
    where they change more than what comes after them: fold all again."""
    if any(event.kind == "undo" or (event.kind == "tracked" and state.renumbered) for event in events):
        return None
    for event in events:
        state = apply(state, event)
    return state


def foretell(state: State, view: Mapping[str, int], writer: str, drafts: Sequence[Draft]) -> State:
    """The state after these drafts, with the ids that their events will have if they are appended next.

    Args:
        state: what the events add up to.
        view: writer -> number of these events.
        writer: who appends the drafts.
        drafts: no ``undo`` and no ``tracked`` events.
    """
    number = view.get(writer, 0)
    seen = {name: count for name, count in view.items() if name != writer}
    # Their counters only order masks that overlap, which is not needed of a state to come.
    events = [
        Event(writer, number + row, row, draft.kind, draft.payload, seen=seen)
        for row, draft in enumerate(drafts, start=1)
    ]
    after = extend(state, events)
    assert after is not None
    return after


def apply(state: State, event: Event) -> State:
    """The state with one more event, which is the last in the total order and not an ``undo``."""
    if event.kind == "tracked":
        state = replace(state, tracked={**state.tracked, event.id: event})
    if event.kind == "object":
        state = replace(state, added={event.payload["object"]: event.id, **state.added})
    known = event.payload.get("video") is None or event.payload["video"] in state.frames
    effect = _EFFECTS.get(event.kind)
    return effect(state, event) if effect and known and event.id not in state.undone else state


def _with_track(state: State, video: str, object_id: int, track: Track) -> State:
    return replace(state, tracks={**state.tracks, (video, object_id): track})


def _object(state: State, event: Event) -> State:
    object_id = event.payload["object"]
    known = state.objects.get(object_id) or ObjectInfo(object_id)
    given = {name: event.payload[name] for name in ("name", "category", "color") if name in event.payload}
    return replace(state, objects={**state.objects, object_id: replace(known, **given, removed=False)})


def _remove(state: State, event: Event) -> State:
    object_id = event.payload["object"]
    known = state.objects.get(object_id) or ObjectInfo(object_id)
    return replace(state, objects={**state.objects, object_id: replace(known, removed=True)})


def _anchor(state: State, event: Event) -> State:
    payload = event.payload
    video, frame, object_id = payload["video"], payload["frame"], payload["object"]
    track = state.track(video, object_id)
    anchor = Anchor(event.id, event.order, payload["mask"], payload.get("origin", "drawn"))
    state = _with_conflict(state, event, track.anchors.get(frame))
    state = _with_verdict(state, event, object_id, frame, frame, Verdict(anchor=anchor))
    if object_id not in state.objects:
        state = replace(state, objects={**state.objects, object_id: ObjectInfo(object_id)})
    anchors = {**track.anchors, frame: anchor}
    return _with_track(
        state,
        video,
        object_id,
        replace(track, anchors=anchors, reviews=track.reviews.set(frame, frame, None)),
    )


def _unanchor(state: State, event: Event) -> State:
    video, frame, object_id = (event.payload[key] for key in ("video", "frame", "object"))
    track = state.track(video, object_id)
    anchors = {index: anchor for index, anchor in track.anchors.items() if index != frame}
    state = _with_conflict(state, event, None)
    return _with_track(state, video, object_id, replace(track, anchors=anchors))


def _with_conflict(state: State, event: Event, before: Anchor | None) -> State:
    """The conflicts after an event about an anchor: it settles those of whose events its writer knew."""
    key = event.payload["video"], event.payload["frame"], event.payload["object"]
    known = state.conflicts.get(key)
    involved = known.events if known else ()
    if before is not None and not _knew(event, before.event):
        involved = (*(involved or (before.event,)), event.id)
        return replace(state, conflicts={**state.conflicts, key: Conflict(*key, involved)})
    if known is not None and all(_knew(event, other) for other in involved):
        rest = {other: conflict for other, conflict in state.conflicts.items() if other != key}
        return replace(state, conflicts=rest)
    return state


def _knew(event: Event, other: str) -> bool:
    writer, _, number = other.rpartition(":")
    return int(number) <= (event.number if writer == event.writer else event.seen.get(writer, 0))


def _with_verdict(
    state: State, event: Event, object_id: int, first: int, last: int, verdict: Verdict
) -> State:
    key = event.writer, event.payload["video"], object_id
    verdicts = state.verdicts.get(key, SpanMap()).set(first, last, verdict)
    return replace(state, verdicts={**state.verdicts, key: verdicts})


def _tracked(state: State, event: Event) -> State:
    payload = event.payload
    if any(side in state.undone for sides in payload["from"].values() for side in sides):
        return state  # tracked from what was undone: what was shown before returns
    for object_id in payload["objects"]:
        track = state.track(payload["video"], object_id)
        result = Result(event.id, object_id, _basis(state, event.id, object_id))
        results, reviews = track.results, track.reviews
        for first, last in _not_accepted(track, payload["first"], payload["last"]):
            results = results.set(first, last, result)
            reviews = reviews.set(first, last, None)  # what was rejected there is no longer shown
        track = replace(track, results=results, reviews=reviews)
        state = _with_track(state, payload["video"], object_id, track)
    return state


def _basis(state: State, event_id: str, object_id: int | None) -> Sides:
    event = state.tracked.get(event_id)
    before, after = (None, None) if event is None else event.payload["from"].get(str(object_id), (None, None))
    return before, after


def _not_accepted(track: Track, first: int, last: int) -> list[tuple[int, int]]:
    """The ranges that tracking may change; what is tracked below an anchor shows when that is taken away."""
    reviews = track.reviews.within(first, last)
    accepted = SpanMap.of(Span(r.first, r.last, True) for r in reviews if r.value.state == "accepted")
    return list(gaps(first, last, accepted))


def _review(state: State, event: Event) -> State:
    payload = event.payload
    video, first, last = payload["video"], payload["first"], payload["last"]
    objects = payload.get("objects")
    for object_id in state.visible if objects is None else objects:
        track = state.track(video, object_id)
        if payload["state"] == "open":
            track = replace(track, reviews=track.reviews.set(first, last, None))
            state = _with_track(state, video, object_id, track)
            continue
        review = Review(payload["state"], event.id, payload.get("note", ""))
        results, reviews = track.results, track.reviews
        for low, high, result in _reviewed(state, track, event, object_id):
            results = results.set(low, high, result)
            reviews = reviews.set(low, high, review)
            if review.state == "accepted":
                state = _with_verdict(state, event, object_id, low, high, Verdict(result=result))
        state = _with_track(state, video, object_id, replace(track, results=results, reviews=reviews))
    return state


def _reviewed(state: State, track: Track, event: Event, object_id: int) -> Iterator[tuple[int, int, Result]]:
    """The ranges that a review is about, without anchors, and the results that the reviewer saw.

    ``pins`` names the results that were accepted, so that another writer's tracking cannot slip under them.
    """
    first, last = event.payload["first"], event.payload["last"]
    seen = track.results
    for low, high, result_event, result_object in event.payload.get("pins", {}).get(str(object_id), []):
        result = Result(result_event, result_object, _basis(state, result_event, result_object))
        seen = seen.set(low, high, result)
    for span in seen.within(first, last):
        for low, high in gaps(span.first, span.last, track.anchored):
            yield low, high, span.value


def _hide(state: State, event: Event) -> State:
    video, object_id, first, last = (event.payload[key] for key in ("video", "object", "first", "last"))
    track = state.track(video, object_id)
    anchors = {frame: anchor for frame, anchor in track.anchors.items() if not first <= frame <= last}
    absent = Result(event.id, None, (None, None))
    track = replace(
        track,
        anchors=anchors,
        results=track.results.set(first, last, absent),
        reviews=track.reviews.set(first, last, Review("accepted", event.id)),
    )
    return _with_track(state, video, object_id, track)


def _swap(state: State, event: Event) -> State:
    video, a, b, first, last = (event.payload[key] for key in ("video", "a", "b", "first", "last"))
    one, two = state.track(video, a), state.track(video, b)
    state = _with_track(state, video, a, _transplanted(one, two, first, last))
    return _with_track(state, video, b, _transplanted(two, one, first, last))


def _move(state: State, event: Event) -> State:
    video, giver, taker, first, last = (
        event.payload[key] for key in ("video", "from", "to", "first", "last")
    )
    source = state.track(video, giver)
    state = _with_track(state, video, taker, _transplanted(state.track(video, taker), source, first, last))
    absences: SpanMap[Result] = SpanMap()
    absences = absences.set(first, last, Result(event.id, None, (None, None)))
    absent = Track(source.num_frames, results=absences)
    return _with_track(state, video, giver, _transplanted(source, absent, first, last))


def _transplanted(track: Track, source: Track, first: int, last: int) -> Track:
    """``track`` with what ``source`` has in a range. What was fresh there stays so until anchors change."""
    anchors = {frame: anchor for frame, anchor in track.anchors.items() if not first <= frame <= last}
    anchors |= {frame: anchor for frame, anchor in source.anchors.items() if first <= frame <= last}
    results, reviews = track.results.set(first, last, None), track.reviews.set(first, last, None)
    for span in source.results.within(first, last):
        results = results.set(span.first, span.last, span.value)
    for review in source.reviews.within(first, last):
        reviews = reviews.set(review.first, review.last, review.value)
    moved = replace(track, anchors=anchors, results=results, reviews=reviews)
    for interval in moved.intervals:
        low, high = max(interval.first, first), min(interval.last, last)
        for begin, end in gaps(low, high, source.stale) if low <= high else ():
            for span in list(results.within(begin, end)):
                rebased = replace(span.value, basis=interval.sides)
                results = results.set(span.first, span.last, rebased)
    return replace(moved, results=results)


def _assign(state: State, event: Event) -> State:
    video, first, last = (event.payload[key] for key in ("video", "first", "last"))
    assigned = state.assignments.get(video, SpanMap()).set(first, last, event.payload["to"])
    return replace(state, assignments={**state.assignments, video: assigned})


_EFFECTS: dict[str, Callable[[State, Event], State]] = {
    "object": _object,
    "remove": _remove,
    "anchor": _anchor,
    "unanchor": _unanchor,
    "tracked": _tracked,
    "review": _review,
    "hide": _hide,
    "swap": _swap,
    "move": _move,
    "assign": _assign,
}
"""Kind -> what it does to the state; the other kinds are for the record."""
