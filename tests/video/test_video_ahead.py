"""Items are read one ahead, in their order; errors and the end come through."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vos.video.ahead import read_ahead


def test_order_and_distance() -> None:
    """All items come in order, and one is read ahead of the one that is worked on."""
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            read.append(number)
            yield number

    for done, number in enumerate(read_ahead(items())):
        assert number == done
        assert len(read) <= done + 2


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
