"""The job that exports what is shown."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from ..errors import InputError
from ..formats.exporting import export as export_annotations
from ..formats.frame_images import Images
from ..formats.reading import Annotations
from ..formats.records import FrameRecord, ObjectMask
from ..formats.registry import find_format, writers
from ..formats.transfer import needs_frames
from ..ops.rle import encode_counts
from ..projects import Draft, FrameState, Project, ProjectVideo, State
from ..projects.shown import shown_frame
from ..video import Video
from .jobs import Job
from .workspace import Workspace

ONLY = {"all": frozenset(FrameState), "accepted": frozenset({FrameState.ACCEPTED, FrameState.ANCHOR})}
"""What may be exported -> the states of masks that belong to it."""


def export(workspace: Workspace, job: Job) -> dict[str, Any]:
    """Write an archive in one or more formats."""
    project, request = workspace.project, job.request
    video = project.video(request.get("video"))
    formats = request["formats"]
    if not formats or not all(isinstance(name, str) for name in formats):
        raise InputError("formats must be a list of names, such as ['davis']")
    for name in formats:
        find_format(name, writers())
    first, last = request.get("first", 0), request.get("last", video.frames - 1)
    if not 0 <= first <= last < video.frames:
        raise InputError(f"frames {first} to {last}: {video.key!r} has the frames 0 to {video.frames - 1}")
    only = request.get("only", "all")
    if only not in ONLY:
        raise InputError(f"only={only!r}: choose one of {', '.join(ONLY)}")
    done = 0

    def progress(frame: int) -> None:
        nonlocal done
        done += 1
        total = max(len(formats) * (last - first + 1), done)
        job.report(done, total, f"writing {', '.join(formats)}", video.key, frame)

    key = secrets.token_hex(8)
    path = workspace.scratch / key / f"{video.key}.zip"
    with ExitStack() as stack:
        source = stack.enter_context(project.open_video(video.key))
        annotations = project_annotations(
            project, video, source, range(first, last + 1), request.get("objects"), only, progress
        )
        written = export_annotations(
            annotations,
            path,
            formats,
            sequence=video.key,
            options=request.get("options") or {},
            frames=source if any(map(needs_frames, formats)) else None,
            images=Images(source) if request.get("images") else None,
            source={"project": project.id, "video": video.key, "counter": project.counter, "only": only},
        )
    workspace.exports[key] = path
    if not project.read_only:
        project.append([Draft("export", {"what": ", ".join(formats), "to": path.name})])
    return {
        "export": key,
        "name": path.name,
        "size": path.stat().st_size,
        "formats": [
            {
                "format": one.format,
                "frames": one.frames,
                "objects": list(one.objects),
                "notes": list(one.notes),
                "losses": dict(one.losses),
            }
            for one in written
        ],
    }


def project_annotations(
    project: Project,
    video: ProjectVideo,
    source: Video,
    frames: range,
    objects: list[int] | None,
    only: str,
    progress: Any = None,
) -> Annotations:
    """What a project shows of a video, as it is now, for writers of formats.

    Args:
        source: the video, for the names of its frames.
        frames: to write.
        objects: ids; None for all that are visible.
        only: a key of :data:`ONLY`.
        progress: called with the index of every frame.

    Raises:
        InputError: for an unknown object.
    """
    state = project.state
    ids = list(state.visible) if objects is None else objects
    unknown = [object_id for object_id in ids if object_id not in state.visible]
    if unknown:
        raise InputError(f"there is no object {unknown[0]}; the project has {list(state.visible)}")
    stems = [path.stem for path in source.paths] if source.is_images else None
    files = [path.name for path in source.paths] if source.is_images else None

    def records() -> Iterator[FrameRecord]:
        for index in frames:
            if progress is not None:
                progress(index)
            found = _objects(project, state, video, index, ids, only)
            name = stems[index] if stems else f"{index:05d}"
            yield FrameRecord(index, name, video.size, found, files[index] if files else None)

    infos = {object_id: state.objects[object_id] for object_id in ids}
    return Annotations(
        records,
        video.key,
        {object_id: info.name for object_id, info in infos.items() if info.name},
        {object_id: info.category for object_id, info in infos.items() if info.category},
        video.fps,
    )


def _objects(
    project: Project, state: State, video: ProjectVideo, index: int, ids: list[int], only: str
) -> tuple[ObjectMask, ...]:
    result = shown_frame(state, project.blobs, video.key, index, video.size)
    kept = [
        object_id
        for object_id in sorted(ids)
        if object_id in result.confidence and state.track(video.key, object_id).state(index) in ONLY[only]
    ]
    return tuple(
        ObjectMask(
            object_id,
            encode_counts(result.mask(object_id)),
            result.confidence[object_id],
            result.source[object_id].value,
        )
        for object_id in kept
    )
