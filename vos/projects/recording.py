"""Results of tracking as ``tracked`` events, with the signals of every mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..ops.rle import unpack_mask
from ..trackers.intervals import Joined
from .blobs import TrackedMask
from .events import Draft
from .shown import shown_mask
from .signals import ColourObserver, SignalValues, disagreement_signal, mask_signals, merged
from .state import Sides, State

if TYPE_CHECKING:
    from .project import Project
    from .project_file import ProjectVideo


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
