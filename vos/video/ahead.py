"""Reading ahead of who works on what was read."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T], size: int = 1) -> Generator[T, None, None]:
    """``items`` in their order, read by a thread of its own that is at most ``size`` items ahead.

    What ``items`` raises is raised here in its place. The thread ends with the iterator, also where that is
    closed before its end.
    """
    ready: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()
    free = threading.Semaphore(size)
    stopped = threading.Event()

    def run() -> None:
        try:
            while True:
                free.acquire()
                if stopped.is_set() or (found := next(items, ready)) is ready:
                    break
                ready.put((found,))  # type: ignore[arg-type]
            ready.put(None)
        except BaseException as error:  # whatever it is, it belongs to who reads
            ready.put(error)

    thread = threading.Thread(target=run, name="read ahead", daemon=True)
    thread.start()
    try:
        while (got := ready.get()) is not None:
            if isinstance(got, BaseException):
                raise got
            free.release()
            yield got[0]
    finally:
        stopped.set()
        free.release()
        thread.join()
