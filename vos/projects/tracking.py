"""Tracking a project: what is stale or unknown, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..frame import Frame
from ..ops.rle import unpack_mask
from ..prompts import Prompt, Target
from ..results import FrameResult
from ..trackers.intervals import IntervalSettings, Joined, as_targets, track_interval
from .blobs import TrackedMask
from .engine import Engine, engine_of
from .events import Draft, Event
from .shown import mask_of_anchor, shown_frame, shown_mask
from .signals import ColourObserver, SignalValues, disagreement_signal, mask_signals, merged
from .state import Interval, Sides, State

if TYPE_CHECKING:
    from ..trackers.base import Tracker
    from ..video import Video
    from .project import Project
    from .project_file import ProjectVideo


@dataclass(frozen=True)
class Job:
    """An interval to track, of objects that share it."""

    video: str
    objects: tuple[int, ...]
    first: int
    last: int
    sides: Mapping[int, Sides]
    """Object id -> ids of the barriers at both ends."""
    memory: tuple[int, ...] = ()
    """Frames of further anchors that the tracker is shown first, farthest first."""

    @property
    def num_frames(self) -> int:
        """Frames to track, in each direction."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class TrackProgress:
    """How far tracking is."""

    job: Job
    frame: int
    """The frame just tracked."""
    done: int
    """Frames tracked in this job, both directions counted."""
    total: int
    """At most so many in this job."""
    jobs_left: int
    """Jobs after this one."""


Report = Callable[[TrackProgress], None]
"""Called after every frame; what it raises stops tracking, and leaves the project as it is."""


def pending_jobs(
    project: Project, video: str | None = None, objects: Sequence[int] | None = None
) -> list[Job]:
    """What there is to track: the intervals with stale or unknown frames, in order of frames.

    Args:
        video: only this one.
        objects: only these.
    """
    state = project.state
    videos = list(project.videos) if video is None else [project.video(video).key]
    jobs: dict[tuple[Any, ...], Job] = {}
    group: tuple[Any, ...]
    for key in videos:
        for object_id in state.visible if objects is None else objects:
            for interval in state.track(key, object_id).pending:
                memory = _memory(state, key, object_id, interval, project.settings.memory)
                group = (key, interval.first, interval.last, memory)
                # What the tracker is shown first is one object's own, so only without it they share a pass.
                group = group if not memory else (*group, object_id)
                sides = {object_id: interval.sides}
                job = jobs.get(group)
                if job is not None:
                    sides = {**job.sides, **sides}
                jobs[group] = Job(key, tuple(sides), interval.first, interval.last, sides, memory)
    return sorted(jobs.values(), key=lambda job: (videos.index(job.video), job.first, job.objects))


def _memory(state: State, video: str, object_id: int, interval: Interval, count: int) -> tuple[int, ...]:
    """Frames of the nearest further anchors of an object that show it, farthest first."""
    inside = range(interval.first - 1, interval.last + 2)
    anchors = state.track(video, object_id).anchors.items()
    frames = [frame for frame, anchor in anchors if anchor.mask is not None and frame not in inside]

    def distance(frame: int) -> tuple[int, int]:
        return max(inside.start - frame, frame - inside[-1]), frame

    return tuple(sorted(frames, key=distance)[:count][::-1])


def track_project(
    project: Project,
    video: str | None = None,
    objects: Sequence[int] | None = None,
    *,
    engine: Engine | None = None,
    progress: Report | None = None,
) -> list[Event]:
    """Track everything that is stale or unknown; locked frames and other intervals are left alone.

    Each interval counts as soon as it is done, so stopping loses the current one at most. The project may be
    changed meanwhile: an interval whose anchors were is tracked again.

    Args:
        video, objects: only these.
        engine: tracker to use in place of the one in the project's settings.
        progress: called after every frame; what it raises stops tracking.

    Returns:
        The ``tracked`` events.

    Raises:
        MediaError: a video is missing or damaged.
        ModelError: the tracker's weights are missing.
    """
    events: list[Event] = []
    jobs = pending_jobs(project, video, objects)
    if not jobs:
        return events
    engine = engine or engine_of(project.settings)
    tracker = engine.build()
    while jobs:
        job = jobs[0]
        state, view = project.snapshot()
        with project.open_video(job.video) as source:
            draft = run_job(project, state, job, tracker, source, _reporter(job, len(jobs), progress))
        record = {**engine.record, "memory": project.settings.memory}
        draft = replace(draft, payload={**draft.payload, "engine": record, "view": view})
        if all(_has_interval(project.state, job, k) for k in job.objects):  # else anchors changed meanwhile
            events += project.append([draft])
        jobs = pending_jobs(project, video, objects)
    return events


def _has_interval(state: State, job: Job, object_id: int) -> bool:
    """Whether an object still has the interval of a job, between the same barriers."""
    interval = Interval(job.first, job.last, *job.sides[object_id])
    return interval in state.track(job.video, object_id).intervals


def _reporter(job: Job, jobs: int, progress: Report | None) -> Callable[[int], None]:
    done = 0

    def report(frame: int) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(TrackProgress(job, frame, done, 2 * job.num_frames, jobs - 1))

    return report


def run_job(
    project: Project,
    state: State,
    job: Job,
    tracker: Tracker,
    source: Video,
    report: Callable[[int], None],
) -> Draft:
    """The ``tracked`` event of a job, with the project in some state; its pieces are stored."""
    video = project.video(job.video)
    colours = ColourObserver()

    def observe(frame: Frame, result: FrameResult, is_forward: bool) -> None:
        colours(frame, result, is_forward)
        if job.first <= frame.index <= job.last:
            report(frame.index)

    joined = track_interval(
        tracker,
        source,
        job.first,
        job.last,
        job.objects,
        size=video.size,
        before=_shown_targets(project, state, video, job.first - 1),
        after=_shown_targets(project, state, video, job.last + 1),
        memory=[(frame, _anchor_targets(project, state, video, job, frame)) for frame in job.memory],
        settings=IntervalSettings(),
        observe=observe,
    )
    signals = {
        object_id: job_signals(project, state, video, object_id, joined[object_id], colours)
        for object_id in job.objects
    }
    draft = tracked_draft(project, video.key, job.first, job.last, joined, job.sides, signals)
    return replace(draft, payload={**draft.payload, "memory": list(job.memory)})


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
    colours: ColourObserver,
) -> SignalValues:
    """The signals of one object over an interval."""
    first, last = joined.first, joined.first + len(joined.masks) - 1
    known = None
    if first > 0:
        shown = shown_mask(state, project.blobs, video.key, first - 1, object_id, video.size)
        known = None if shown is None else shown.mask
    masks = ((unpack_mask(mask.rle, video.size), mask.confidence) for mask in joined.masks)
    cuts = {frame: 1.0 for frame in colours.cuts if first <= frame <= last}
    swaps: dict[int, float] = {}
    for is_forward, found in colours.swaps.items():
        for frame, value in found.get(object_id, {}).get("swap", {}).items():
            if first <= frame <= last and joined.forward[frame - first] == is_forward:
                swaps[frame] = value
    return merged(
        mask_signals(first, masks, known),
        disagreement_signal(first, joined.disagreement),
        {name: values for name, values in (("cut", cuts), ("swap", swaps)) if values},
    )


def _shown_targets(project: Project, state: State, video: ProjectVideo, frame: int) -> list[Target]:
    """All objects that are shown in a frame; none outside the video."""
    if not 0 <= frame < video.frames:
        return []
    return as_targets(shown_frame(state, project.blobs, video.key, frame, video.size))


def _anchor_targets(
    project: Project, state: State, video: ProjectVideo, job: Job, frame: int
) -> list[Target]:
    targets = []
    for object_id in job.objects:
        anchor = state.track(video.key, object_id).anchors[frame]
        mask = mask_of_anchor(anchor, project.blobs, video.size)
        targets.append(Target(object_id, Prompt(mask=np.array(mask)), frame))
    return targets
