"""What there is to track: intervals with stale or unknown frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .state import Interval, Sides, State

if TYPE_CHECKING:
    from .project import Project


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
    fill: int = 0
    """An interval of at most this many frames is filled by optical flow, where both ends show its objects."""

    @property
    def num_frames(self) -> int:
        """Frames to track, in each direction."""
        return self.last - self.first + 1


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
                # What the tracker is shown first shows all objects, so those that share it share a pass.
                group = (key, interval.first, interval.last, memory)
                sides = {object_id: interval.sides}
                job = jobs.get(group)
                if job is not None:
                    sides = {**job.sides, **sides}
                fill = project.settings.fill
                jobs[group] = Job(key, tuple(sides), interval.first, interval.last, sides, memory, fill)
    return sorted(jobs.values(), key=lambda job: (videos.index(job.video), job.first, job.objects))


def _memory(state: State, video: str, object_id: int, interval: Interval, count: int) -> tuple[int, ...]:
    """Frames of the nearest further anchors of an object that show it, farthest first."""
    inside = range(interval.first - 1, interval.last + 2)
    anchors = state.track(video, object_id).anchors.items()
    frames = [frame for frame, anchor in anchors if anchor.mask is not None and frame not in inside]

    def distance(frame: int) -> tuple[int, int]:
        return max(inside.start - frame, frame - inside[-1]), frame

    return tuple(sorted(frames, key=distance)[:count][::-1])
