"""What of a video is shown, frame by frame, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import pairwise

from ..projects.spans import SpanMap
from ..projects.state import State, Track

Ranges = list[tuple[int, int]]
"""First and last frames, ascending, not touching each other."""


def frame_key(state: State, video: str, frame: int) -> Hashable:
    """Equal for frames that show the same masks."""
    keys: list[tuple[Hashable, ...]] = []
    for object_id in state.visible:
        track = state.track(video, object_id)
        anchor = track.anchors.get(frame)
        if anchor is not None:
            keys.append((object_id, anchor.event))
            continue
        result = track.results.get(frame)
        if result is not None:
            review = track.reviews.get(frame)
            is_accepted = review is not None and review.state == "accepted"
            keys.append((object_id, result.event, result.object_id, is_accepted))
    return tuple(keys)


def changed_ranges(before: State, after: State) -> dict[str, Ranges]:
    """The frames whose masks or states differ, by video; videos without any are left out."""
    found: dict[str, list[tuple[int, int]]] = {}
    was, is_now = set(before.visible), set(after.visible)
    for key in {**before.tracks, **after.tracks}:
        video, object_id = key
        if video not in before.frames or video not in after.frames:
            continue
        old, new = before.track(video, object_id), after.track(video, object_id)
        if (object_id in was) != (object_id in is_now):
            empty = Track(new.num_frames)
            found.setdefault(video, []).extend([*_differing(old, empty), *_differing(empty, new)])
        elif old is not new and object_id in is_now:
            found.setdefault(video, []).extend(_differing(old, new))
    return {video: joined(ranges) for video, ranges in found.items() if ranges}


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The union of ranges.

    >>> joined([(5, 6), (0, 2), (3, 3), (2, 2)])
    [(0, 3), (5, 6)]
    """
    result: Ranges = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def _differing(old: Track, new: Track) -> Ranges:
    edges = {0, new.num_frames}
    for track in (old, new):
        maps: tuple[SpanMap, ...] = (track.results, track.reviews, track.stale)
        for spans in maps:
            for span in spans:
                edges.update((span.first, span.last + 1))
        for frame in track.anchors:
            edges.update((frame, frame + 1))
    ordered = sorted(edges)
    return [
        (first, stop - 1) for first, stop in pairwise(ordered) if _value(old, first) != _value(new, first)
    ]


def _value(track: Track, frame: int) -> Hashable:
    return (
        track.anchors.get(frame),
        track.results.get(frame),
        track.reviews.get(frame),
        track.stale.get(frame),
    )
