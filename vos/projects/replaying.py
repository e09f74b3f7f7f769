"""Replay and rebuild: results once more, as they were recorded or from the anchors alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..prompts import Prompt, Target
from ..results import FrameResult
from ..trackers.intervals import Joined, Pass, join
from .engine import Engine, engine_of, recorded_engine
from .events import Draft, Event
from .folding import fold
from .jobs import Job
from .recording import IMPORT, job_signals, tracked_draft
from .shown import resolve, shown_mask
from .signals import ColourObserver
from .state import FrameState, State
from .tracking import run_job

if TYPE_CHECKING:
    from ..trackers.base import Tracker
    from .project import Project
    from .project_file import ProjectVideo


@dataclass(frozen=True)
class Replayed:
    """One ``tracked`` event, run again."""

    event: str
    differs: tuple[int, ...]
    """Objects whose masks are not the same, byte for byte."""
    reason: str = ""
    """Why they may differ, where that is known."""


def replay(
    project: Project,
    *,
    engine: Engine | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Replayed]:
    """Run all ``tracked`` events again, in order, as they were recorded, and compare.

    On the same kind of machine and the same versions nothing may differ. Nothing is appended. What was
    imported is left out.

    Args:
        engine: tracker to use in place of the recorded ones.
        progress: called with the number of events done, and of all.
    """
    events = [
        event
        for event in project.events()
        if event.kind == "tracked" and event.payload["engine"]["name"] != IMPORT
    ]
    engines: dict[str, Engine] = {}
    outcomes = []
    for row, event in enumerate(events):
        record = event.payload["engine"]
        options = json.dumps(record, sort_keys=True)
        if engine is None and options not in engines:
            engines[options] = recorded_engine(record)
        current = engine or engines[options]
        again = _again(project, event, current)
        differs = tuple(
            k for k in event.payload["objects"] if again["pieces"][str(k)] != event.payload["pieces"][str(k)]
        )
        named = ("version", "settings", "weights")
        changed = [key for key in named if current.record.get(key) != record.get(key)]
        reason = f"recorded with another {' and '.join(changed)}" if differs and changed else ""
        outcomes.append(Replayed(event.id, differs, reason))
        if progress is not None:
            progress(row + 1, len(events))
    return outcomes


def _again(project: Project, event: Event, engine: Engine) -> Mapping[str, Any]:
    """The payload of a ``tracked`` event, computed from what its writer saw then."""
    payload = event.payload
    seen = [e for e in project.events() if e.number <= payload["view"].get(e.writer, 0)]
    state = fold(seen, {video.key: video.frames for video in project.videos.values()})
    video, first, last = payload["video"], payload["first"], payload["last"]
    sides = {k: tuple(payload["from"][str(k)]) for k in payload["objects"]}
    if payload.get("rebuilt"):
        drafts = rebuild_drafts(project, state, video, engine.build())
        return next(
            draft.payload
            for draft in drafts
            if (draft.payload["first"], draft.payload["last"], draft.payload["objects"])
            == (first, last, payload["objects"])
        )
    memory = tuple(payload["memory"])
    fill = payload["engine"].get("fill", 0)
    job = Job(video, tuple(payload["objects"]), first, last, sides, memory, fill)
    with project.open_video(video) as source:
        return run_job(project, state, job, engine.build(), source, lambda frame: None).payload


def rebuild(
    project: Project,
    video: str | None = None,
    *,
    engine: Engine | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Event]:
    """Forget all results of a video that are not locked, and track it from its locked frames alone.

    There is one forward and one backward pass over all objects, joined in each interval. The result depends
    on which masks are locked only, not on the order in which they were.

    Args:
        engine: tracker to use in place of the one in the project's settings.
        progress: called with the number of frames done and of all, both passes counted; what it raises
            stops, and leaves the project as it is.
    """
    key = project.video(video).key
    engine = engine or engine_of(project.settings)
    state, view = project.snapshot()
    drafts = rebuild_drafts(project, state, key, engine.build(), progress)
    record = {**engine.record, "memory": project.settings.memory}
    drafts = [replace(d, payload={**d.payload, "engine": record, "view": view}) for d in drafts]
    return project.append(drafts) if drafts else []


def rebuild_drafts(
    project: Project,
    state: State,
    key: str,
    tracker: Tracker,
    progress: Callable[[int, int], None] | None = None,
) -> list[Draft]:
    """The ``tracked`` events of :func:`rebuild` for a state of the project; their pieces are stored."""
    video = project.video(key)
    ids = [k for k in state.visible if len(state.track(key, k).barriers)]
    colours = {True: ColourObserver(), False: ColourObserver()}
    passes = [
        _pass_over(project, state, video, ids, tracker, colours[is_forward], is_forward, progress)
        for is_forward in (True, False)
    ]
    drafts = []
    for object_id in ids:
        for interval in state.track(key, object_id).intervals:
            first, last = interval.first, interval.last
            forward, backward = (
                {f: m for f, m in kept.masks[object_id].items() if first <= f <= last} for kept in passes
            )
            joined = join(first, last, forward, backward, video.size)
            signals = {object_id: job_signals(project, state, video, object_id, joined, colours)}
            one: dict[int, Joined] = {object_id: joined}
            draft = tracked_draft(project, key, first, last, one, {object_id: interval.sides}, signals)
            drafts.append(replace(draft, payload={**draft.payload, "rebuilt": True}))
    return drafts


def _pass_over(
    project: Project,
    state: State,
    video: ProjectVideo,
    ids: Sequence[int],
    tracker: Tracker,
    colours: ColourObserver,
    is_forward: bool,
    progress: Callable[[int, int], None] | None,
) -> Pass:
    """All frames in one direction; an object is tracked from where it is locked to where it is absent."""
    kept = Pass(ids)
    tracked: set[int] = set()
    with project.open_video(video.key) as source:
        for row, frame in enumerate(source.frames(0, video.frames, reverse=not is_forward)):
            targets, absent = _known(project, state, video, ids, frame.index, is_forward)
            tracked -= absent
            if tracked:
                for object_id in absent:
                    tracker.remove(object_id)
                result = tracker.step(frame, targets)
            elif targets:
                result = tracker.start(frame, targets)
            else:
                result = FrameResult(frame.index, np.zeros(video.size, np.uint8))
            tracked |= {target.object_id for target in targets}
            kept.add(result)
            colours(frame, result)
            if progress is not None:
                progress(row + 1 + (0 if is_forward else video.frames), 2 * video.frames)
    return kept


def _known(
    project: Project,
    state: State,
    video: ProjectVideo,
    ids: Sequence[int],
    index: int,
    is_forward: bool,
) -> tuple[list[Target], set[int]]:
    """The locked masks of a frame that the tracker has to see, and the objects that are absent in it."""
    following = index + (1 if is_forward else -1)
    locked = [k for k in ids if state.track(video.key, k).is_locked(index)]
    found = [shown_mask(state, project.blobs, video.key, index, k, video.size) for k in locked]
    masks = [shown for shown in found if shown is not None]
    result = resolve(masks, index, video.size)
    targets, absent = [], set()
    for shown in masks:
        mask = result.mask(shown.object_id)
        is_last = not state.track(video.key, shown.object_id).is_locked(following)
        if not mask.any():
            absent.add(shown.object_id)
        elif is_last or shown.state == FrameState.ANCHOR:  # of accepted ranges the edge is enough
            targets.append(Target(shown.object_id, Prompt(mask=mask), index))
    return targets, absent
