"""Tracking a project: what is stale or unknown, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..frame import Frame
from ..ops.rle import pack_mask
from ..results import FrameResult
from ..trackers.flow_filling import fill_gap
from ..trackers.intervals import (
    Joined,
    PackedMask,
    Pass,
    PassStart,
    TrackerPasses,
    as_targets,
    track_interval,
)
from .engine import Engine, engine_of
from .events import Draft, Event
from .jobs import Job, pending_jobs
from .passes import PASSES, PassCache
from .recording import job_signals, tracked_draft
from .shown import shown_frame
from .signals import ColourObserver
from .state import Interval, State

if TYPE_CHECKING:
    from ..trackers.base import Tracker
    from ..video import Video
    from .project import Project
    from .project_file import ProjectVideo

MIN_AGREEMENT = 0.5
"""Mean IoU of an object's masks warped from both ends from which on a short interval is filled with them.

In 39 intervals of nine frames, filled masks had a mean J of 83 to 98 above it, and of 44 to 85 below."""


@dataclass(frozen=True)
class TrackProgress:
    """How far tracking is."""

    job: Job
    frame: int
    """The frame just tracked."""
    done: int
    """Frames tracked in this job, both directions counted."""
    total: int
    """At most this many in this job."""


Report = Callable[[TrackProgress], None]
"""Called after every frame; what it raises stops tracking, and leaves the project as it is. The next time
tracking continues at the last checkpoint of the pass, see :mod:`vos.projects.passes`."""


def track_project(
    project: Project,
    video: str | None = None,
    objects: Sequence[int] | None = None,
    *,
    engine: Engine | None = None,
    progress: Report | None = None,
) -> list[Event]:
    """Track everything that is stale or unknown; locked frames and other intervals are left alone.

    Each interval is shown as soon as it is done, and one that was stopped continues at its last checkpoint
    (:data:`vos.projects.passes.CHECKPOINT`). The project may be
    changed meanwhile: an interval whose anchors were is tracked again.

    Args:
        video, objects: only these.
        engine: tracker to use in place of the one in the project's settings.
        progress: called after every frame, those kept from an earlier pass included; what it raises stops
            tracking.

    Returns:
        The ``tracked`` events.

    Raises:
        MediaError: a video is missing, damaged or another than it was.
        ModelError: the tracker's weights are missing.
    """
    events: list[Event] = []
    jobs = pending_jobs(project, video, objects)
    if not jobs:
        return events
    engine = engine or engine_of(project.settings)
    tracker = engine.build()
    cache = PassCache(project.folder / PASSES, engine.record)
    while jobs:
        job = jobs[0]
        state, view = project.snapshot()
        project.check_video(job.video)
        with project.open_video(job.video) as source:
            report = _reporter(job, progress)
            draft = run_job(project, state, job, tracker, source, report, cache)
        record = {**engine.record, "memory": project.settings.memory, "fill": job.fill}
        draft = replace(draft, payload={**draft.payload, "engine": record, "view": view})
        if all(_has_interval(project.state, job, k) for k in job.objects):  # else anchors changed meanwhile
            events += project.append([draft])
        jobs = pending_jobs(project, video, objects)
    return events


def _has_interval(state: State, job: Job, object_id: int) -> bool:
    """Whether an object still has the interval of a job, between the same barriers."""
    interval = Interval(job.first, job.last, *job.sides[object_id])
    return interval in state.track(job.video, object_id).intervals


def _reporter(job: Job, progress: Report | None) -> Callable[[int], None]:
    done = 0

    def report(frame: int) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(TrackProgress(job, frame, done, 2 * job.num_frames))

    return report


def run_job(
    project: Project,
    state: State,
    job: Job,
    tracker: Tracker,
    source: Video,
    report: Callable[[int], None],
    cache: PassCache | None = None,
) -> Draft:
    """The ``tracked`` event of a job, with the project in some state; its pieces are stored.

    Args:
        cache: passes that begin as an earlier one did are taken from there.
    """
    video = project.video(job.video)
    before, after = (_shown(project, state, video, frame) for frame in (job.first - 1, job.last + 1))
    colours = {True: ColourObserver(), False: ColourObserver()}
    joined = None
    if job.num_frames <= job.fill and all(
        shown is not None and shown.mask(k).any() for k in job.objects for shown in (before, after)
    ):
        assert before is not None
        assert after is not None
        joined = _filled(job, source, before, after, colours[True])
    is_filled = joined is not None
    if joined is not None:
        for frame in range(job.first, job.last + 1):
            report(frame)
    else:
        colours[True] = ColourObserver()
        joined = track_interval(
            _passes(job, video, tracker, source, report, cache, colours),
            job.first,
            job.last,
            job.objects,
            size=video.size,
            before=[] if before is None else as_targets(before),
            after=[] if after is None else as_targets(after),
            memory=[
                (frame, as_targets(shown_frame(state, project.blobs, video.key, frame, video.size)))
                for frame in job.memory
            ],
        )
    signals = {k: job_signals(project, state, video, k, joined[k], colours) for k in job.objects}
    draft = tracked_draft(project, video.key, job.first, job.last, joined, job.sides, signals)
    return replace(draft, payload={**draft.payload, "memory": list(job.memory), "filled": is_filled})


def _passes(
    job: Job,
    video: ProjectVideo,
    tracker: Tracker,
    source: Video,
    report: Callable[[int], None],
    cache: PassCache | None,
    colours: Mapping[bool, ColourObserver],
) -> Callable[[PassStart, int], Pass]:
    """What runs a pass of a job's tracker, or takes it from the cache; the colours of its frames are seen by
    the observer of its direction, forward or not."""

    def report_inside(frame: int) -> None:
        if job.first <= frame <= job.last:
            report(frame)

    def run(start: PassStart, end: int) -> Pass:
        observer = colours[start.is_forward]

        def observe(frame: Frame, result: FrameResult) -> None:
            observer(frame, result)
            report_inside(frame.index)

        passes = TrackerPasses(tracker, source, observe)
        if cache is None:
            return passes(start, end)
        return cache.run(passes, observer, video, start, end, report_inside)

    return run


def _filled(
    job: Job,
    source: Video,
    before: FrameResult,
    after: FrameResult,
    colours: ColourObserver,
) -> dict[int, Joined] | None:
    """The masks of a short interval, from both ends along optical flow; None where the two sides disagree."""
    frames = list(source.frames(job.first - 1, job.last + 2))
    masks: dict[int, list[PackedMask]] = {k: [] for k in job.objects}
    disagreement: dict[int, list[float]] = {k: [] for k in job.objects}
    colours(frames[0], before)
    for frame, filled in zip(frames[1:-1], fill_gap(frames, before, after), strict=True):
        for k in job.objects:
            masks[k].append(PackedMask(pack_mask(filled.result.mask(k)), filled.result.confidence[k]))
            disagreement[k].append(1 - filled.agreement[k])
        colours(frame, filled.result)
    if any(1 - np.mean(values) < MIN_AGREEMENT for values in disagreement.values()):
        return None
    is_forward = (True,) * job.num_frames
    return {
        k: Joined(job.first, tuple(masks[k]), None, tuple(disagreement[k]), is_forward) for k in job.objects
    }


def _shown(project: Project, state: State, video: ProjectVideo, frame: int) -> FrameResult | None:
    """All objects that are shown in a frame; None outside the video."""
    if not 0 <= frame < video.frames:
        return None
    return shown_frame(state, project.blobs, video.key, frame, video.size)
