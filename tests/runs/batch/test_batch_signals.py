"""Signals set a flag, within the block alone."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest

from vos.runs.batch.signals import StopFlag, stop_signals


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_stops_and_warnings_are_counted() -> None:
    """And handlers are as before, whatever happens in the block."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    with contextlib.suppress(RuntimeError), stop_signals() as flag:
        assert not flag.is_set
        signal.raise_signal(signal.SIGUSR1)
        assert (flag.stops, flag.warnings, flag.is_set) == (0, 1, True)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert (flag.stops, flag.warnings) == (2, 1)
        raise RuntimeError
    assert [signal.getsignal(number) for number in numbers] == before


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def work() -> None:
        with stop_signals() as flag:
            seen.extend((flag, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [StopFlag(), before]
