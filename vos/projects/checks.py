"""Whether events go with a project, before they are appended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..names import check_name
from .events import Draft, check_draft
from .numbering import with_current_numbers
from .spans import SpanMap
from .state import Result

if TYPE_CHECKING:
    from .project import Project
    from .project_file import ProjectVideo


def complete(drafts: Sequence[Draft], project: Project) -> list[Draft]:
    """The drafts, checked against the project; what is accepted names the results that are shown.

    Objects get the numbers that they have now.

    Raises:
        InputError: for an unknown video, frame, object, mask or event, or a malformed draft.
    """
    if not drafts:
        raise InputError("there is no event to append")
    objects = set(project.state.objects)
    completed = []
    for draft in drafts:
        check_draft(draft)
        draft = with_current_numbers(draft, project.state.added)
        if draft.kind == "object":
            objects.add(draft.payload["object"])
            _check_names(draft)
        _check_frames(draft, project)
        _check_objects(draft, objects)
        _check_references(draft, project)
        completed.append(_with_pins(draft, project))
    return completed


def check_mask(mask: NDArray, video: ProjectVideo) -> None:
    """InputError unless ``mask`` is boolean and as large as the frames of ``video``."""
    kind = f"{mask.shape} {mask.dtype}" if isinstance(mask, np.ndarray) else f"a {type(mask).__name__}"
    if kind != f"{video.size} bool":
        raise InputError(
            f"the mask is {kind}, frames of {video.key!r} are {video.size}: give a boolean mask of that shape"
        )


def _check_names(draft: Draft) -> None:
    for what in ("name", "category"):
        if draft.payload.get(what):
            check_name(draft.payload[what], f"object {what}")


def _check_frames(draft: Draft, project: Project) -> None:
    if "video" in draft.payload:
        project.video(draft.payload["video"])
        for name in ("frame", "first", "last"):
            if name in draft.payload:
                project.check_frame(draft.payload["video"], draft.payload[name])


def _check_objects(draft: Draft, objects: set[int]) -> None:
    payload = draft.payload
    named = [payload[name] for name in ("object", "a", "b") if name in payload]
    named += payload.get("objects", [])
    named += [payload["from"], payload["to"]] if draft.kind == "move" else []
    for object_id in named:
        if object_id not in objects:
            known = ", ".join(map(str, sorted(objects))) or "none: add one first"
            raise InputError(f"there is no object {object_id}; the project has {known}")
    if draft.kind in ("swap", "move") and len(set(named)) < 2:
        raise InputError(f"{draft.kind} needs two different objects, got {named[0]} twice")


def _check_references(draft: Draft, project: Project) -> None:
    payload = draft.payload
    digest = payload.get("mask")
    if digest is not None:
        if not project.blobs.has_mask(digest):
            raise InputError(f"there is no mask {digest} in the project; store it first")
        if project.blobs.mask(digest).shape != project.video(payload["video"]).size:
            raise InputError(f"mask {digest} is not as large as the frames of {payload['video']!r}")
    if draft.kind == "undo" and not any(event.id == payload["of"] for event in project.events()):
        raise InputError(f"there is no event {payload['of']!r} to undo")


def _with_pins(draft: Draft, project: Project) -> Draft:
    payload = draft.payload
    if draft.kind != "review" or payload["state"] != "accepted" or "pins" in payload:
        return draft
    objects = payload.get("objects", list(project.state.visible))
    pins = {}
    for object_id in objects:
        results = project.state.track(payload["video"], object_id).results
        seen: SpanMap[Result] = SpanMap()
        for span in results.within(payload["first"], payload["last"]):
            seen = seen.set(span.first, span.last, replace(span.value, basis=(None, None)))
        pins[str(object_id)] = [[s.first, s.last, s.value.event, s.value.object_id] for s in seen]
    return replace(draft, payload={**payload, "objects": objects, "pins": pins})
