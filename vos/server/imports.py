"""The job that brings in masks that were made elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..formats.reading import Annotations
from ..formats.records import FrameRecord, ObjectMask
from ..names import plain_name
from ..ops.rle import pack_mask
from ..projects import Project, ProjectVideo
from ..projects.digests import digests_of
from ..projects.importing import import_annotations
from .jobs import BackgroundJob
from .sandbox import in_sandbox
from .workspace import Workspace


def import_upload(workspace: Workspace, job: BackgroundJob) -> dict[str, Any]:
    """Read an uploaded file and bring in its masks, see :func:`vos.projects.importing.import_annotations`."""
    project, request = workspace.project, job.request
    video = project.video(request.get("video"))
    upload = workspace.uploads.get(request["upload"])
    if upload is None:
        raise InputError(f"there is no upload {request['upload']!r}; upload the file again")
    job.report(0, 1, f"reading {upload.name}", video.key)
    path = workspace.scratch / secrets.token_hex(8)
    summary = in_sandbox(_request(project, video, upload, request.get("format"), path))
    if not summary["objects"]:
        reason = f": {summary['notes'][0]}" if summary["notes"] else ""
        raise InputError(f"{upload.name} holds no masks{reason}")

    def records() -> Iterator[FrameRecord]:
        for row, record in enumerate(_records(path, video, summary)):
            job.report(row, summary["frames"], f"importing {upload.name}", video.key, record.index)
            yield record

    names, categories = (
        {int(k): plain_name(name) for k, name in summary[what].items()} for what in ("names", "categories")
    )
    annotations = Annotations(records, names=names, categories=categories)
    found = import_annotations(
        project,
        video.key,
        annotations,
        ids=request.get("ids"),
        source=upload.name,
        digests=digests_of(upload),
    )
    return {
        "events": len(found.events),
        "given": found.given,
        "tracked": found.tracked,
        "objects": list(found.objects),
        "notes": summary["notes"],
    }


def _records(path: Path, video: ProjectVideo, summary: dict[str, Any]) -> Iterator[FrameRecord]:
    """What :func:`vos.server.sandbox.read_annotations` wrote.

    Where the file has all frames of the video, an object that it does not name in one of them is absent
    there, unless the file says how its masks came about: then it is not known.
    """
    is_dense = summary["frames"] == video.frames
    everywhere = set(summary["objects"]) - set(summary["sourced"]) if is_dense else set()
    nothing = pack_mask(np.zeros(video.size, bool))
    with path.open(encoding="ascii") as file:
        for line in file:
            record = FrameRecord.from_json(line)
            absent = everywhere - {found.object_id for found in record.objects}
            objects = [*record.objects, *(ObjectMask(object_id, nothing) for object_id in absent)]
            yield replace(record, objects=tuple(sorted(objects, key=lambda found: found.object_id)))


def _request(
    project: Project, video: ProjectVideo, upload: Path, format: str | None, output: Path
) -> dict[str, Any]:
    with project.open_video(video.key) as source:
        images = source.paths if source.is_images else None
    return {
        "task": "annotations",
        "upload": str(upload),
        "format": format,
        "output": str(output),
        "size": list(video.size),
        "stems": [path.stem for path in images] if images else [f"{i:05d}" for i in range(video.frames)],
        "files": [path.name for path in images] if images else None,
    }
