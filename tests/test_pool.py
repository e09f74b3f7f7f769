"""Pools of workers: results, failures, stopping, and what is left when something dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pool_fakes
import pytest
from pool_fakes import is_alive, wait_until, work

from vos.pool import Pool, PoolEvent, ProcessPool, StopTask, ThreadPool, ordered_map, run_all


@pytest.fixture(params=["thread", "process"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """Either kind, with one worker."""
    pool: Pool = ThreadPool(work) if request.param == "thread" else ProcessPool(work, 1)
    yield pool
    pool.close()


@pytest.fixture
def processes() -> Iterator[Callable[..., ProcessPool]]:
    """Makes process pools that are closed at the end."""
    made: list[ProcessPool] = []

    def make(workers: int, **options: Any) -> ProcessPool:
        made.append(ProcessPool(work, workers, **options))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def last_events(pool: Pool, arguments: dict[str, Any]) -> dict[str, PoolEvent]:
    """The last event of every task."""
    return {event.key: event for event in run_all(pool, arguments)}


def test_results_and_reports(pool: Pool) -> None:
    """Every task gives what it reported, then its result; more tasks than workers wait."""
    events = list(run_all(pool, {str(k): ("square", k) for k in range(5)}))
    assert [event for event in events if event.kind == "progress"] == [
        PoolEvent(str(k), "progress", k) for k in range(5)
    ]
    assert {event.key: event.value for event in events if event.kind == "done"} == {
        str(k): k * k for k in range(5)
    }
    assert pool.free == 1


def test_an_exception_comes_back(pool: Pool) -> None:
    """What a task raises is its event, and the worker serves the next one."""
    events = last_events(pool, {"bad": ("fail", "no such thing"), "good": ("square", 3)})
    assert events["bad"].kind == "failed"
    assert isinstance(events["bad"].value, ValueError)
    assert str(events["bad"].value) == "no such thing"
    assert events["good"].value == 9


def test_a_task_can_be_stopped(pool: Pool) -> None:
    """It ends at its next report; the next task is not stopped by that."""
    pool.submit("task", ("forever", None))
    while not pool.wait(1.0):
        pass
    pool.stop("task")
    ends: list[PoolEvent] = []
    assert wait_until(lambda: bool(ends.extend(e for e in pool.wait(0.1) if e.kind != "progress") or ends))
    assert isinstance(ends[0].value, StopTask)
    assert last_events(pool, {"task": ("square", 2)})["task"].value == 4


@pytest.mark.parametrize(("what", "value", "code"), [("die", None, -signal.SIGKILL), ("exit", 3, 3)])
def test_a_dead_worker_takes_only_its_task_along(
    processes: Callable[..., ProcessPool], what: str, value: Any, code: int
) -> None:
    """Its exit code is the event, and another process does what follows."""
    events = last_events(processes(2), {"bad": (what, value), **{str(k): ("square", k) for k in range(4)}})
    assert events.pop("bad") == PoolEvent("bad", "died", code)
    assert {key: event.value for key, event in events.items()} == {str(k): k * k for k in range(4)}


def test_a_worker_that_dies_idle_is_replaced(processes: Callable[..., ProcessPool]) -> None:
    """The next task does not see that its worker had gone."""
    pool = processes(1)
    pid = last_events(pool, {"a": ("pid", None)})["a"].value
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(pid))
    event = last_events(pool, {"b": ("square", 5)})["b"]
    assert (event.kind, event.value) in (("done", 25), ("died", -signal.SIGKILL))
    assert last_events(pool, {"c": ("square", 6)})["c"].value == 36


def test_a_result_that_cannot_travel_is_a_failure(processes: Callable[..., ProcessPool]) -> None:
    """It does not hang or kill the worker."""
    event = last_events(processes(1), {"a": ("unpicklable", 1)})["a"]
    assert event.kind == "failed"
    assert isinstance(event.value, RuntimeError)


def test_workers_are_kept_and_replaced(processes: Callable[..., ProcessPool]) -> None:
    """A process does as many tasks as allowed, and one above the memory limit does no other."""
    pids = [
        event.value
        for event in run_all(processes(1, tasks_per_process=2), {str(k): ("pid", None) for k in range(4)})
    ]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    greedy = [e.value for e in run_all(processes(1, max_memory=1), {"a": ("pid", None), "b": ("pid", None)})]
    assert greedy[0] != greedy[1]


def test_environments_and_threads(processes: Callable[..., ProcessPool]) -> None:
    """Each worker has the variables of its place, set before anything is imported, and its threads."""
    pool = processes(
        2, threads=3, environments=[{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    )
    for key in ("a", "b"):
        pool.submit(key, ("environment", "CUDA_VISIBLE_DEVICES"))
    seen: list[str] = []
    assert wait_until(lambda: bool(seen.extend(e.value for e in pool.wait(0.1)) or len(seen) == 2))
    assert sorted(seen) == ["0", "1"]
    assert last_events(pool, {"c": ("environment", "OMP_NUM_THREADS")})["c"].value == "3"


def test_signals_are_for_the_parent(processes: Callable[..., ProcessPool]) -> None:
    """Ctrl-C reaches all processes of a terminal; workers ignore it."""
    assert last_events(processes(1), {"a": ("signals", None)})["a"].value == [True, True]


def test_closing_ends_all_processes(processes: Callable[..., ProcessPool]) -> None:
    """Those that run a task as well."""
    pool = processes(1)
    pid = last_events(pool, {"a": ("pid", None)})["a"].value
    pool.submit("b", ("forever", None))
    pool.close()
    assert not is_alive(pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_workers_do_not_outlive_a_killed_parent() -> None:
    """SIGKILL to the parent ends a worker in the middle of its task."""
    with subprocess.Popen([sys.executable, pool_fakes.__file__], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    assert wait_until(lambda: not is_alive(pid))


def test_threads_work_at_the_same_time() -> None:
    """As many tasks run as there are threads: these wait for each other."""
    both = threading.Barrier(2)
    pool = ThreadPool(lambda argument, report: both.wait(30), 2)
    assert sorted(ordered_map(pool, range(2))) == [0, 1]
    assert pool.free == 2
    pool.close()


def test_an_ordered_map() -> None:
    """Results are in the order of the arguments, whichever ends first."""

    def after(argument: float, report: Any) -> float:
        time.sleep(argument)
        return argument

    pool = ThreadPool(after, 3)
    assert ordered_map(pool, [0.05, 0.0, 0.02, 0.0]) == [0.05, 0.0, 0.02, 0.0]
    assert ordered_map(pool, []) == []
    pool.close()


def test_of_several_errors_the_first_is_raised() -> None:
    """That of the first argument; what has not begun then is left alone."""
    begun = []

    def fail(argument: int, report: Any) -> int:
        begun.append(argument)
        if argument == 1:
            time.sleep(0.1)
        if argument in (1, 2):
            raise ValueError(argument)
        return argument

    pool = ThreadPool(fail, 3)
    with pytest.raises(ValueError, match="1"):
        ordered_map(pool, range(100))
    assert len(begun) < 10
    pool.close()
