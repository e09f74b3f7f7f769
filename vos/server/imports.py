"""The job that makes anchors of masks that were made elsewhere."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError
from ..names import plain_name
from ..projects import Draft, Project, ProjectVideo
from ..projects.importing import match_ids
from .jobs import BackgroundJob
from .sandbox import in_sandbox
from .workspace import Workspace


def import_upload(workspace: Workspace, job: BackgroundJob) -> dict[str, Any]:
    """Read an uploaded file and make its masks anchors: all or none."""
    project, request = workspace.project, job.request
    video = project.video(request.get("video"))
    upload = workspace.uploads.get(request["upload"])
    if upload is None:
        raise InputError(f"there is no upload {request['upload']!r}; upload the file again")
    job.report(0, 1, f"reading {upload.name}", video.key)
    output = workspace.scratch / secrets.token_hex(8)
    summary = in_sandbox(_request(project, video, upload, request.get("format"), output))
    ids = match_ids(project, summary["objects"], request.get("ids"))
    names, categories = summary["names"], summary["categories"]
    drafts = [
        Draft(
            "object",
            {
                "object": own,
                "name": plain_name(names.get(str(theirs), "")),
                "category": plain_name(categories.get(str(theirs), "")),
            },
        )
        for theirs, own in ids.items()
        if own not in project.state.objects
    ]
    is_dense = len(summary["frames"]) == video.frames
    masks = 0
    for row, entry in enumerate(summary["frames"]):
        job.report(row, len(summary["frames"]), f"importing {upload.name}", video.key, entry["index"])
        labels = _labels(output / "import" / "masks" / f"{entry['name']}.png")
        for theirs, own in ids.items():
            mask = labels == theirs
            if not mask.any() and not is_dense:
                continue
            masks += 1
            digest = project.put_mask(video.key, mask) if mask.any() else None
            payload = {"video": video.key, "frame": entry["index"], "object": own, "mask": digest}
            drafts.append(Draft("anchor", {**payload, "origin": "imported"}))
    if not masks:
        raise InputError(
            f"{upload.name} holds no masks{': ' + summary['notes'][0] if summary['notes'] else ''}"
        )
    drafts.append(Draft("import", {"what": "masks", "from": upload.name}))
    events = project.append(drafts)
    return {"events": len(events), "masks": masks, "objects": sorted(ids.values()), "notes": summary["notes"]}


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


def _labels(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)
