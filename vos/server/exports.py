"""The job that exports what is shown."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from typing import Any

from ..errors import InputError
from ..formats.exporting import export as export_annotations
from ..formats.frame_images import Images
from ..formats.registry import find_format, writers
from ..formats.transfer import needs_frames
from ..projects import Draft
from ..projects.digests import digests_of
from ..projects.exporting import project_annotations
from .jobs import BackgroundJob
from .workspace import Workspace


def export(workspace: Workspace, job: BackgroundJob) -> dict[str, Any]:
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
        record = {"what": ", ".join(formats), "to": path.name, "digests": digests_of(path)}
        project.append([Draft("export", record)])
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
