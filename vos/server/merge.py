"""The job that makes two objects one."""

from __future__ import annotations

from typing import Any

from ..projects.joining import join_objects
from .jobs import BackgroundJob
from .workspace import Workspace


def merge_objects(workspace: Workspace, job: BackgroundJob) -> dict[str, Any]:
    """See :func:`vos.projects.joining.join_objects`."""
    giver, taker = job.request["from"], job.request["into"]

    def report(done: int, total: int, video: str, frame: int) -> None:
        job.report(done, total, f"merging {giver} into {taker}", video, frame)

    found = join_objects(workspace.project, giver, taker, progress=report)
    return {"events": len(found.events), "unions": found.unions}
