"""The job that makes two objects one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from ..projects import Draft, State
from ..projects.spans import SpanMap
from .jobs import BackgroundJob
from .revisions import joined
from .workspace import Workspace


def merge_objects(workspace: Workspace, job: BackgroundJob) -> dict[str, Any]:
    """Everything of one object becomes another's; where both are visible, their union becomes an anchor."""
    project = workspace.project
    counter, state = project.counter, project.state
    giver, taker = job.request["from"], job.request["into"]
    for object_id in (giver, taker):
        if object_id not in state.visible:
            raise InputError(f"there is no object {object_id}; the project has {list(state.visible)}")
    if giver == taker:
        raise InputError(f"object {giver} cannot be merged with itself: name two objects")
    drafts: list[Draft] = []
    total = sum(project.videos[key].frames for key in project.videos)
    done = unions = 0
    for key, video in project.videos.items():
        moved: list[tuple[int, int]] = []
        for frame in range(video.frames):
            done += 1
            job.report(done, total, f"merging {giver} into {taker}", key, frame)
            if not _is_known(state, key, giver, frame):
                continue
            if not _is_known(state, key, taker, frame):
                moved.append((frame, frame))
                continue
            masks = [project.shown(key, frame, object_id) for object_id in (giver, taker)]
            given, own = (np.zeros(video.size, bool) if m is None else m.mask for m in masks)
            if given.any() and not own.any():
                moved.append((frame, frame))
            elif given.any() and (given & ~own).any():
                unions += 1
                digest = project.put_mask(key, given | own)
                payload = {"video": key, "frame": frame, "object": taker, "mask": digest}
                drafts.append(Draft("anchor", {**payload, "origin": "accepted"}))
        for first, last in joined(moved):
            payload = {"video": key, "from": giver, "to": taker, "first": first, "last": last}
            drafts.append(Draft("move", payload))
    drafts.append(Draft("remove", {"object": giver}))
    events = project.append(drafts, expect=counter)
    return {"events": len(events), "unions": unions}


def _is_known(state: State, video: str, object_id: int, frame: int) -> bool:
    track = state.track(video, object_id)
    results: SpanMap[Any] = track.results
    return frame in track.anchors or results.get(frame) is not None
