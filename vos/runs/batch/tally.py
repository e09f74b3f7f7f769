"""What a worker counts: the tasks of its share by what became of them, and the limits that follow."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..summary import Progress
from .options import BatchOptions

LEAST_TIMEOUT = 600.0
"""Seconds that every task may take, whatever its estimate."""
PERCENT_AFTER = 20
"""A limit in percent counts after this many tasks."""


@dataclass(frozen=True)
class BatchOutcome:
    """What became of a worker's share."""

    done: int
    """Tasks of the share that are done, by this worker or another."""
    done_here: int
    failed: tuple[str, ...]
    elsewhere: int
    """Tasks that other workers hold."""
    waiting: int
    """Tasks that were not begun, or were stopped."""
    reason: str | None = None
    """Why the worker stopped early: ``signal``, ``warning``, ``io`` or ``failures``."""
    message: str = ""


@dataclass
class Tally:
    """The tasks of one worker's share."""

    done: set[str] = field(default_factory=set)
    done_here: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Task -> kind."""
    elsewhere: set[str] = field(default_factory=set)
    """Tasks that other workers held when this one last looked."""
    speeds: list[float] = field(default_factory=list)
    """Seconds per frame of the tasks done here."""

    def counts(self, *, running: int, queued: int) -> dict[str, Any]:
        """Tasks by state.

        Args:
            running: tasks that this worker is at.
            queued: tasks that it goes for, those elsewhere included.
        """
        return {
            "done": len(self.done),
            "failed": len(self.failed),
            "running": running,
            "elsewhere": len(self.elsewhere),
            "waiting": max(queued - len(self.elsewhere), 0),
            "kinds": dict(Counter(self.failed.values())),
        }

    def too_many_failures(self, options: BatchOptions) -> str | None:
        """What to say where more tasks failed than ``options`` allow; None where they did not."""
        failed, limit, share = len(self.failed), options.max_failures, options.max_failure_share
        total = failed + self.done_here
        if limit is not None and failed > limit:
            return f"{failed} task{'s' * (failed != 1)} failed, more than --max-failures {limit:g}"
        if share is not None and total >= PERCENT_AFTER and failed > share * total:
            return f"{failed} of {total} tasks failed, more than --max-failures {share:.0%}"
        return None

    def time_limit(self, options: BatchOptions, progress: Progress | None) -> float:
        """Seconds that a task may take, by its number of frames and the median speed so far."""
        factor = options.timeout_factor
        if factor is None or not self.speeds or progress is None or progress.total is None:
            return float("inf")
        return max(LEAST_TIMEOUT, factor * progress.total * statistics.median(self.speeds))
