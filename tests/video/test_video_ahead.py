"""Items are read one ahead, in their order; errors and the end come through."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vos.video.ahead import read_ahead


def test_order_and_distance() -> None:
    """All items come in order, and one is read ahead of the one that is worked on."""
    read, given = threading.Semaphore(0), []  # the semaphore counts items that were not waited for

    def items() -> Iterator[int]:
        for number in range(20):
            read.release()
            yield number

    for number in read_ahead(items()):
        for _ in range({0: 2, 19: 0}.get(number, 1)):
            assert read.acquire(timeout=30), "the next item is read while this one is worked on"
        assert not read.acquire(blocking=False), "and no other"
        given.append(number)
    assert given == list(range(20))


def test_errors_come_in_their_place() -> None:
    """What was read before an error is given first."""

    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_closed_before_its_end() -> None:
    """The thread ends with the iterator."""
    ahead = read_ahead(iter(range(1000)))
    assert next(ahead) == 0
    ahead.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "read ahead"]
