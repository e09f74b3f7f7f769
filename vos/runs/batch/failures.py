"""Why a task failed, and whether it is tried again."""

from __future__ import annotations

import errno
import random
import signal
import socket
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...errors import BusyError, InputError, InterruptedRunError, MediaError, ModelError, PromptError

Kind = Literal["media", "prompt", "settings", "model", "oom", "crash", "io", "stopped", "busy"]

FINAL: frozenset[str] = frozenset({"media", "prompt", "settings", "model"})
"""Kinds that another attempt would meet again."""
UNCOUNTED: frozenset[str] = frozenset({"stopped", "busy"})
"""Kinds that are no failure of the task: it was stopped, or another worker is at it."""
OOM_ATTEMPTS = 2
"""Attempts at a task that runs out of memory."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass(frozen=True)
class Failure:
    """One failed attempt."""

    kind: Kind
    message: str
    traceback: str = ""
    host: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def failure_of(error: BaseException) -> Failure:
    """What an exception means for its task."""
    text = str(error) or type(error).__name__
    trace = "".join(traceback.format_exception(error))
    return Failure(_kind_of(error), text, trace, socket.gethostname())


def failure_of_death(exit_code: int | None) -> Failure:
    """What the death of a worker process means; the system kills with SIGKILL for want of memory."""
    host = socket.gethostname()
    if exit_code == -signal.SIGKILL:
        return Failure("oom", "the worker process was killed (SIGKILL), perhaps for want of memory", "", host)
    if exit_code is not None and exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = f"signal {-exit_code}"
        return Failure("crash", f"the worker process died of {name}", "", host)
    return Failure("crash", f"the worker process ended with exit code {exit_code}", "", host)


def is_final(kinds: Sequence[str], retries: int) -> bool:
    """Whether a task with these failed attempts is given up."""
    if any(kind in FINAL for kind in kinds):
        return True
    counted = [kind for kind in kinds if kind != "io"]
    return kinds.count("oom") >= OOM_ATTEMPTS or len(counted) > retries


def delay(attempt: int, generator: random.Random) -> float:
    """Seconds before attempt ``attempt + 1``: doubled every time, spread so that workers do not meet."""
    return float(2**attempt * generator.uniform(0.5, 1.5))


def _kind_of(error: BaseException) -> Kind:
    causes = list(_causes(error))
    if any(_is_out_of_memory(cause) for cause in causes):
        return "oom"
    if any(isinstance(cause, OSError) and cause.errno in _FULL for cause in causes):
        return "io"
    if any(isinstance(cause, (InterruptedRunError, KeyboardInterrupt)) for cause in causes):
        return "stopped"
    kinds: tuple[tuple[type[BaseException], Kind], ...] = (
        (BusyError, "busy"),
        (PromptError, "prompt"),
        (MediaError, "media"),
        (ModelError, "model"),
        (InputError, "settings"),
    )
    for cause in causes:
        for family, kind in kinds:
            if isinstance(cause, family):
                return kind
    return "crash"


def _is_out_of_memory(error: BaseException) -> bool:
    """MemoryError, or torch's error for a full device, by name: torch need not be loaded for it."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
