"""The jobs that track."""

from __future__ import annotations

from typing import Any

from ..projects import Job as Interval
from ..projects import TrackProgress, pending_jobs, track_project
from ..projects import rebuild as rebuild_project
from .jobs import BackgroundJob
from .workspace import Workspace


def track(workspace: Workspace, job: BackgroundJob) -> dict[str, Any]:
    """Track what is stale or unknown; what is done stays when the job is cancelled."""
    project = workspace.project
    video, objects = job.request.get("video"), job.request.get("objects")
    finished = left = 0
    current: Interval | None = None

    def report(progress: TrackProgress) -> None:
        nonlocal finished, left, current
        interval = progress.job
        if interval is not current:
            finished += _frames(current) if current else 0
            left = sum(map(_frames, pending_jobs(project, video, objects)[1:]))
            current = interval
        total = finished + _frames(interval) + left
        text = f"frames {interval.first}-{interval.last} of {interval.video}"
        job.report(min(finished + progress.done, total), total, text, interval.video, progress.frame)

    job.report(0, sum(map(_frames, pending_jobs(project, video, objects))), "loading the tracker")
    events = track_project(project, video, objects, progress=report)
    job.done = job.total
    return {"events": len(events)}


def _frames(interval: Interval) -> int:
    """Frames that an interval takes, each direction counted."""
    directions = max(sum(side is not None for side in sides) for sides in interval.sides.values())
    return directions * interval.num_frames


def rebuild(workspace: Workspace, job: BackgroundJob) -> dict[str, Any]:
    """Track a video again from its locked frames alone; cancelled, the project stays as it is."""
    project = workspace.project
    key = project.video(job.request.get("video")).key
    job.report(0, 2 * project.video(key).frames, "loading the tracker", key)
    events = rebuild_project(
        project, key, progress=lambda done, total: job.report(done, total, f"rebuilding {key}", key)
    )
    return {"events": len(events)}
