"""Work that takes long: one job at a time in each lane, each with progress, and cancelled between frames."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import InputError, VosError

if TYPE_CHECKING:
    from .workspace import Workspace

logger = logging.getLogger(__name__)

INTERVAL = 0.1
"""Seconds between two reports of progress."""
KEPT = 100
"""Jobs that are remembered."""


class CancelledError(Exception):
    """The job was cancelled; raised where it reports progress."""


class BackgroundJob:
    """One job. Its function calls :meth:`report` between frames."""

    def __init__(
        self, job_id: str, kind: str, request: Mapping[str, Any], tell: Callable[[BackgroundJob], None]
    ) -> None:
        self.id = job_id
        self.kind = kind
        self.request = request
        self.state = "waiting"
        self.done = self.total = 0
        self.text = ""
        self.video: str | None = request.get("video")
        self.frame: int | None = None
        self.result: Mapping[str, Any] | None = None
        self.error: Mapping[str, str] | None = None
        self._tell = tell
        self._told = 0.0
        self._is_cancelled = threading.Event()

    def describe(self) -> dict[str, Any]:
        """As JSON: a JOB."""
        names = ("id", "kind", "state", "done", "total", "text", "video", "frame", "result", "error")
        return {name: getattr(self, name) for name in names}

    def report(
        self, done: int, total: int, text: str, video: str | None = None, frame: int | None = None
    ) -> None:
        """Say how far it is.

        Raises:
            CancelledError: if it is to stop.
        """
        if self._is_cancelled.is_set():
            raise CancelledError
        self.done, self.total, self.text = done, total, text
        self.video, self.frame = video or self.video, frame
        if time.monotonic() - self._told >= INTERVAL:
            self.tell()

    def set_state(self, state: str) -> None:
        """Change the state, and say so."""
        self.state = state
        self.tell()

    def tell(self) -> None:
        """Report now."""
        self._told = time.monotonic()
        self._tell(self)

    def cancel(self) -> None:
        """Have it stop at its next report."""
        self._is_cancelled.set()


@dataclass(frozen=True)
class Kind:
    """A kind of job."""

    function: str
    """Module and function of ``(workspace, job)``; its answer is the result."""
    fields: Mapping[str, tuple[type, ...]]
    """What a request may hold."""
    needs: Sequence[str] = ()
    """What it must hold."""
    lane: str = "files"
    """Jobs of one lane wait for each other."""
    changes: bool = True
    """Whether it appends events, so that it cannot run on a project that is open read-only."""


_TEXT, _WHOLE, _LIST, _MAPPING = (str,), (int,), (list,), (dict,)
KINDS: dict[str, Kind] = {
    "track": Kind("track:track", {"video": _TEXT, "objects": _LIST}, lane="tracker"),
    "rebuild": Kind("track:rebuild", {"video": _TEXT}, lane="tracker"),
    "merge": Kind("merge:merge_objects", {"from": _WHOLE, "into": _WHOLE}, ("from", "into")),
    "export": Kind(
        "exports:export",
        {
            "video": _TEXT,
            "formats": _LIST,
            "only": _TEXT,
            "objects": _LIST,
            "first": _WHOLE,
            "last": _WHOLE,
            "options": _MAPPING,
            "images": (bool,),
        },
        ("formats",),
        changes=False,
    ),
    "import": Kind(
        "imports:import_upload",
        {"video": _TEXT, "upload": _TEXT, "format": _TEXT, "ids": _TEXT},
        ("upload",),
    ),
}
"""Kind -> what runs it."""
FIELDS: dict[str, tuple[type, ...]] = {
    "kind": _TEXT,
    **{name: types for kind in KINDS.values() for name, types in kind.fields.items()},
}
"""All that requests may hold."""


class Jobs:
    """The jobs of a workspace. All methods may be called from any thread.

    Args:
        workspace: handed to the functions of jobs.
        tell: called with a JOB whenever one changes.
    """

    def __init__(self, workspace: Workspace, tell: Callable[[dict[str, Any]], None]) -> None:
        self._workspace = workspace
        self._tell = tell
        self._changed = threading.Condition()
        self._jobs: dict[str, BackgroundJob] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._count = 0
        self._is_closed = False

    def start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Start a job: see ``POST /api/jobs``.

        Raises:
            InputError: for an unknown kind or field, or a missing one.
        """
        name = request.get("kind")
        if name not in KINDS:
            raise InputError(f"unknown kind of job {name!r}; choose one of {', '.join(KINDS)}")
        kind = KINDS[name]
        given = {key: value for key, value in request.items() if key != "kind" and value is not None}
        unknown = [key for key in given if key not in kind.fields]
        if unknown:
            raise InputError(f"a job {name!r} takes no {unknown[0]!r}; it takes {', '.join(kind.fields)}")
        missing = [key for key in kind.needs if key not in given]
        if missing:
            raise InputError(f"a job {name!r} needs {missing[0]!r}")
        if kind.changes and self._workspace.project.read_only:
            raise InputError("the project is open read-only: nothing can be changed")
        with self._changed:
            self._count += 1
            job = BackgroundJob(str(self._count), name, given, lambda job: self._tell(job.describe()))
            self._jobs[job.id] = job
            self._forget()
            if kind.lane not in self._threads and not self._is_closed:
                thread = threading.Thread(target=self._run, args=(kind.lane,), name=kind.lane, daemon=True)
                self._threads[kind.lane] = thread
                thread.start()
            self._changed.notify_all()
        job.tell()
        return job.describe()

    def cancel(self, job_id: str) -> dict[str, Any] | None:
        """Cancel a job; the JOB, None if there is none."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is None:
                return None
            job.cancel()
            is_waiting = job.state == "waiting"
            if is_waiting:
                job.state = "cancelled"
        if is_waiting:
            job.tell()
        return job.describe()

    def describe(self) -> list[dict[str, Any]]:
        """All jobs, the oldest first."""
        with self._changed:
            return [job.describe() for job in self._jobs.values()]

    def close(self) -> None:
        """Cancel everything and wait for the threads."""
        with self._changed:
            self._is_closed = True
            for job in self._jobs.values():
                job.cancel()
            self._changed.notify_all()
        for thread in self._threads.values():
            thread.join()

    def _forget(self) -> None:
        ended = [job for job in self._jobs.values() if job.state in ("done", "failed", "cancelled")]
        for job in ended[: max(0, len(self._jobs) - KEPT)]:
            del self._jobs[job.id]

    def _next(self, lane: str) -> BackgroundJob | None:
        return next(
            (job for job in self._jobs.values() if job.state == "waiting" and KINDS[job.kind].lane == lane),
            None,
        )

    def _run(self, lane: str) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._next(lane) is not None)
                if self._is_closed:
                    return
                job = self._next(lane)
                assert job is not None
                job.state = "running"
            job.tell()
            self._work(job)

    def _work(self, job: BackgroundJob) -> None:
        module, _, name = KINDS[job.kind].function.partition(":")
        try:
            job.result = getattr(import_module(f".{module}", __package__), name)(self._workspace, job)
        except CancelledError:
            job.set_state("cancelled")
        except VosError as error:
            self._failed(job, _kind(error), str(error))
        except Exception as error:
            logger.exception("job %s (%s) failed", job.id, job.kind)
            self._failed(job, "internal", f"internal error: {type(error).__name__}: {error}")
        else:
            job.set_state("done")

    def _failed(self, job: BackgroundJob, kind: str, text: str) -> None:
        job.error = {"kind": kind, "message": text}
        job.set_state("failed")


def _kind(error: VosError) -> str:
    from .failures import describe

    return describe(error)[1]
