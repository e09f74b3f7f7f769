"""Two objects of a project that are one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..arrays import Mask
from ..errors import InputError
from ..ops.rle import pack_mask
from ..trackers.intervals import PackedMask
from .events import Draft, Event
from .folding import foretell
from .recording import import_drafts
from .shown import shown_mask
from .spans import Span, SpanMap
from .state import FrameState, State

if TYPE_CHECKING:
    from .project import Project
    from .project_file import ProjectVideo

LOCKED = (FrameState.ANCHOR, FrameState.ACCEPTED)
NOTHING = (FrameState.UNKNOWN, FrameState.REJECTED)
"""States of frames of which no mask is kept."""


@dataclass(frozen=True)
class JoinedObjects:
    """What became of two objects."""

    events: tuple[Event, ...]
    unions: int
    """Frames in which both had a part of their own."""


def join_objects(
    project: Project,
    giver: int,
    taker: int,
    progress: Callable[[int, int, str, int], None] | None = None,
) -> JoinedObjects:
    """Everything of one object becomes another's, as one action.

    Rejected masks are left out. A locked frame of the receiving object stays as it is, unless the other
    object's is locked as well: then their union becomes an anchor. Other unions, and tracked masks of the
    other object, are results of tracking, to be reviewed.

    Args:
        giver: id of the object that is no more.
        taker: id of the one that receives its masks.
        progress: called with the frames done, those of all videos together, the video and the frame.

    Raises:
        InputError: if there is no such object, or both are the same one.
        ConflictError: if anything was changed meanwhile; nothing is joined then.
    """
    counter = project.counter
    state, view = project.snapshot()
    for object_id in (giver, taker):
        if object_id not in state.visible:
            raise InputError(f"there is no object {object_id}; the project has {list(state.visible)}")
    if giver == taker:
        raise InputError(f"object {giver} cannot be merged with itself: name two objects")
    total = sum(video.frames for video in project.videos.values())
    done = unions = 0
    # Undo takes back what was appended together if it begins with what people do, which results are not.
    drafts = [Draft("remove", {"object": giver})]
    decisions: dict[str, _Decisions] = {}
    for key, video in project.videos.items():
        found = decisions[key] = _Decisions()
        for frame in range(video.frames):
            done += 1
            if progress is not None:
                progress(done, total, key, frame)
            _decide(project, state, video, frame, giver, taker, found)
        for run in SpanMap.of(Span(frame, frame, True) for frame in found.moved):
            payload = {"video": key, "from": giver, "to": taker, "first": run.first, "last": run.last}
            drafts.append(Draft("move", payload))
        for frame, mask in found.anchored.items():
            payload = {"video": key, "frame": frame, "object": taker, "mask": project.put_mask(key, mask)}
            drafts.append(Draft("anchor", {**payload, "origin": "accepted"}))
        unions += found.unions
    after = foretell(state, view, project.writer, drafts)
    for key, found in decisions.items():
        stale = after.track(key, taker).stale
        masks = {f: m for f, m in found.tracked.items() if f not in found.same or stale.get(f)}
        drafts += import_drafts(project, after, view, project.videos[key], taker, masks)
    return JoinedObjects(tuple(project.append(drafts, expect=counter)), unions)


@dataclass
class _Decisions:
    """What becomes of the frames of one video; those that are not named stay as the receiving object has
    them."""

    moved: list[int] = field(default_factory=list)
    """The other object's mask takes the place of what is there, locked if it was."""
    anchored: dict[int, Mask] = field(default_factory=dict)
    """Frame -> union of two locked masks."""
    tracked: dict[int, PackedMask] = field(default_factory=dict)
    """Frame -> mask that is not confirmed, or not all of it."""
    same: set[int] = field(default_factory=set)
    """The frames of these in which the receiving object has this mask already."""
    unions: int = 0
    """See :class:`JoinedObjects`."""


def _decide(
    project: Project,
    state: State,
    video: ProjectVideo,
    frame: int,
    giver: int,
    taker: int,
    found: _Decisions,
) -> None:
    """Decide about a frame."""
    theirs, ours = (state.track(video.key, object_id).state(frame) for object_id in (giver, taker))
    if theirs in NOTHING or (ours in LOCKED and theirs not in LOCKED):
        return
    given, shown = (
        shown_mask(state, project.blobs, video.key, frame, object_id, video.size)
        for object_id in (giver, taker)
    )
    own = None if ours in NOTHING else shown
    assert given is not None
    is_more = own is None or bool((given.mask & ~own.mask).any())
    is_all = own is None or (is_more and not (own.mask & ~given.mask).any())
    if is_all and theirs != FrameState.TRACKED:
        found.moved.append(frame)
        return
    union = given.mask if own is None else given.mask | own.mask
    if ours in LOCKED:
        if is_more:
            found.anchored[frame] = union
    elif is_more or ours == FrameState.TRACKED:
        sure = [given] if is_all else [entry for entry in (given, own) if entry and entry.mask.any()]
        confidence = min((entry.confidence for entry in sure), default=given.confidence)
        found.tracked[frame] = PackedMask(pack_mask(union), confidence)
        if not is_more:
            found.same.add(frame)
    if is_more and not is_all:
        found.unions += 1
