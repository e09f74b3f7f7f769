"""Results of tracking as ``tracked`` events, with the signals of every mask."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..distribution import own_version
from ..ops.rle import unpack_mask
from ..trackers.intervals import Joined, PackedMask
from .blobs import TrackedMask
from .events import Draft
from .shown import shown_mask
from .signals import ColourObserver, SignalValues, disagreement_signal, mask_signals, merged
from .spans import Span, SpanMap
from .state import Sides, State

if TYPE_CHECKING:
    from .project import Project
    from .project_file import ProjectVideo

IMPORT = "import"
"""What masks are recorded with that are to be reviewed, and that no tracker of the project made."""


def tracked_draft(
    project: Project,
    video: str,
    first: int,
    last: int,
    joined: Mapping[int, Joined],
    sides: Mapping[int, Sides],
    signals: Mapping[int, SignalValues],
) -> Draft:
    """A ``tracked`` event, with its pieces stored."""
    pieces = {
        str(object_id): project.blobs.put_pieces(
            TrackedMask(frame, round(mask.confidence, 4), mask.rle)
            for frame, mask in enumerate(masks.masks, start=first)
        )
        for object_id, masks in joined.items()
    }
    return Draft(
        "tracked",
        {
            "video": video,
            "objects": sorted(joined),
            "first": first,
            "last": last,
            "from": {str(object_id): list(sides[object_id]) for object_id in sorted(joined)},
            "switch": {str(k): masks.switch for k, masks in sorted(joined.items())},
            "pieces": pieces,
            "signals": {
                str(object_id): {
                    name: {str(frame): value for frame, value in sorted(frames.items())}
                    for name, frames in sorted(values.items())
                }
                for object_id, values in sorted(signals.items())
            },
        },
    )


def import_drafts(
    project: Project,
    state: State,
    view: Mapping[str, int],
    video: ProjectVideo,
    object_id: int,
    masks: Mapping[int, PackedMask],
    known: dict[Hashable, SignalValues] | None = None,
) -> Iterator[Draft]:
    """``tracked`` events of masks by frame that no tracker of the project made.

    One for each run of frames between locked ones of ``state``, which stay as they are.

    Args:
        view: what ``state`` was made of, for the record.
        known: signals that were measured before; what is measured now is added.
    """
    known = {} if known is None else known
    engine = {"name": IMPORT, "version": own_version()}
    track = state.track(video.key, object_id)
    for interval in track.intervals:
        inside = [frame for frame in masks if interval.first <= frame <= interval.last]
        for run in SpanMap.of(Span(frame, frame, True) for frame in inside):
            first, last = run.first, run.last
            packed = tuple(masks[frame] for frame in range(first, last + 1))
            joined = Joined(first, packed, None, (), (True,) * len(packed))
            anchor = track.anchors.get(first - 1)
            key = object_id, first, last, (anchor.mask,) if anchor else track.results.get(first - 1)
            if key not in known:
                observers = {True: ColourObserver()}
                known[key] = job_signals(project, state, video, object_id, joined, observers)
            sides, signals = {object_id: interval.sides}, {object_id: known[key]}
            draft = tracked_draft(project, video.key, first, last, {object_id: joined}, sides, signals)
            yield replace(draft, payload={**draft.payload, "engine": engine, "view": dict(view)})


def job_signals(
    project: Project,
    state: State,
    video: ProjectVideo,
    object_id: int,
    joined: Joined,
    colours: Mapping[bool, ColourObserver],
) -> SignalValues:
    """The signals of one object over an interval; ``colours`` by whether a pass went forward."""
    first, last = joined.first, joined.first + len(joined.masks) - 1
    known = None
    if first > 0:
        shown = shown_mask(state, project.blobs, video.key, first - 1, object_id, video.size)
        known = None if shown is None else shown.mask
    masks = ((unpack_mask(mask.rle, video.size), mask.confidence) for mask in joined.masks)
    cuts = {f: 1.0 for seen in colours.values() for f in sorted(seen.cuts) if first <= f <= last}
    swaps: dict[int, float] = {}
    for is_forward, seen in colours.items():
        for frame, value in seen.swaps.get(object_id, {}).get("swap", {}).items():
            if first <= frame <= last and joined.forward[frame - first] == is_forward:
                swaps[frame] = value
    return merged(
        mask_signals(first, masks, known),
        disagreement_signal(first, joined.disagreement),
        {name: values for name, values in (("cut", cuts), ("swap", swaps)) if values},
    )
