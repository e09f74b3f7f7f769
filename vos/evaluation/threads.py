"""Threads that share out the frames of an evaluation: arrays and images are worked on without the GIL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from ..errors import EvaluationError
from ..pool import ThreadPool, ordered_map
from ..process import usable_cores

T = TypeVar("T")
R = TypeVar("R")


class Threads:
    """An ordered map over threads.

    Args:
        jobs: how many; None is one per core.

    Raises:
        EvaluationError: if that is less than 1.
    """

    def __init__(self, jobs: int | None) -> None:
        if jobs is not None and jobs < 1:
            raise EvaluationError(f"jobs must be 1 or more, got {jobs}")
        _keep_freed_memory()
        threads = jobs or usable_cores()
        self._pool = ThreadPool(lambda work, report: work(), threads) if threads > 1 else None

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Results in the order of the items; of several errors, the one of the first item is raised."""
        if self._pool is None:
            return [function(item) for item in items]
        return ordered_map(self._pool, [partial(function, item) for item in items])


def _keep_freed_memory() -> None:
    """Spare every image the page faults of fresh memory, a tenth of the time.

    glibc takes blocks as large as a mask from the system and returns them at once, until it sees a larger
    one freed: from then on it keeps blocks up to that size (mallopt(3), M_MMAP_THRESHOLD). This one is never
    touched, so it costs nothing; other allocators do not care.
    """
    np.empty(1 << 24, np.uint8)
