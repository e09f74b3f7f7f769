"""A project in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .jobs import pending_jobs

if TYPE_CHECKING:
    from .project import Project


def summarize(project: Project) -> dict[str, Any]:
    """Videos, objects, and how many frames of each are in which state, as JSON."""
    state = project.state
    videos: dict[str, Any] = {}
    for key, video in project.videos.items():
        objects = []
        for object_id in state.visible:
            track = state.track(key, object_id)
            counts = Counter(str(track.state(frame)) for frame in range(track.num_frames))
            name = state.objects[object_id].name
            objects.append({"object": object_id, "name": name, "states": dict(counts.most_common())})
        assigned = [[span.first, span.last, span.value] for span in state.assignments.get(key, ())]
        videos[key] = {
            "frames": video.frames,
            "width": video.width,
            "height": video.height,
            "objects": objects,
            "assigned": assigned,
        }
    return {
        "id": project.id,
        "counter": project.counter,
        "annotators": sorted(project.view),
        "videos": videos,
        "pending": len(pending_jobs(project)),
        "conflicts": len(state.conflicts),
        "renumbered": [asdict(one) for one in state.renumbered],
    }
