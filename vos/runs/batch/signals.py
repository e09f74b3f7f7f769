"""Requests to stop, from signals: a handler sets a flag, and the worker looks at it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopFlag:
    """Signals that came so far."""

    stops: int = 0
    """SIGTERM and SIGINT: stop with exit code 130; a second one stops at once."""
    warnings: int = 0
    """SIGUSR1: the scheduler's early warning; stop with exit code 0."""

    @property
    def is_set(self) -> bool:
        """Whether any came."""
        return bool(self.stops or self.warnings)


@contextlib.contextmanager
def stop_signals() -> Iterator[StopFlag]:
    """Inside the block SIGTERM, SIGINT and SIGUSR1 do nothing but set the flag that is yielded."""
    flag = StopFlag()

    def stop(number: int, frame: FrameType | None) -> None:
        flag.stops += 1

    def warn(number: int, frame: FrameType | None) -> None:
        flag.warnings += 1

    handlers = {"SIGTERM": stop, "SIGINT": stop, "SIGUSR1": warn}
    before = {}
    try:
        for name, handler in handlers.items():
            if hasattr(signal, name):
                number = getattr(signal, name)
                before[number] = signal.signal(number, handler)
    except ValueError:  # not the main thread: signals are another's
        pass
    try:
        yield flag
    finally:
        for number, old in before.items():
            signal.signal(number, old)
