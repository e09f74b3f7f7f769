"""One attempt at one task: what it is given, and what it gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...pool import Report
from ..settings import TrackSettings
from .failures import Failure, failure_of
from .pack import Pack
from .task import Task


@dataclass(frozen=True)
class Attempt:
    """What a worker needs to know to run a task; travels to another process."""

    task: Task
    folder: str
    """What the paths of the task are relative to; may be a URL."""
    output: str
    """The batch; may be a URL."""
    settings: TrackSettings
    """Of the command line."""
    generation: int = 1
    """Of the lease."""
    overwrite: bool = False
    size: str | None = None
    """In place of the task's size, after it ran out of memory."""
    scratch: str | None = None
    """Folder for copies of what is in an object store."""
    endpoint_url: str | None = None
    upload_checkpoints: bool = False
    pack: Pack | None = None


@dataclass(frozen=True)
class Record:
    """What a finished attempt leaves for the done marker."""

    key: str
    identity: dict[str, Any]
    place: str
    """Folder of the results, relative to the batch."""
    frames: int
    objects: list[int]
    seconds: dict[str, float]
    warnings: list[str]
    files: dict[str, dict[str, Any]]
    """Name in the folder -> size in bytes and SHA-256."""
    peak_memory: int
    """Bytes, of the process so far."""
    version: str
    size: str | None = None
    video_seconds: float | None = None
    """Of the video that the frames are from; None where its frame rate is not known."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


Run = Callable[[Attempt, Report], Record]
"""A function that does a task, such as :func:`~vos.runs.batch.tracking.track_task`."""


def run_attempt(attempt: Attempt, report: Report, *, run: Run) -> Record | Failure:
    """Do a task; what it raises is returned as the kind of failure that it is."""
    try:
        return run(attempt, report)
    except BaseException as error:
        return failure_of(error)
