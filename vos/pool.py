"""Workers that keep what is costly to load, and end with their parent.

:class:`ProcessPool` and :class:`ThreadPool` have one interface: :meth:`submit` a task, :meth:`wait` for
events, :meth:`stop` a task at its next report. A function is called as ``function(argument, report)``;
``report(value)`` becomes an event, and raises :class:`StopTask` once the task has been asked to stop.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, Protocol

from .process import peak_memory

Report = Callable[[Any], None]
Function = Callable[[Any, Report], Any]

JOIN_SECONDS = 5.0
"""How long a worker that has nothing more to do may take to exit before it is killed."""


class StopTask(KeyboardInterrupt):
    """Raised by ``report`` in a task that was asked to stop."""


@dataclass(frozen=True)
class PoolEvent:
    """What became of a task, or how far it is."""

    key: str
    kind: Literal["progress", "done", "failed", "died"]
    value: Any
    """``progress``: what was reported; ``done``: what the function returned; ``failed``: the exception;
    ``died``: the exit code of the process, negative for a signal."""


class Pool(Protocol):
    """What a scheduler asks of workers."""

    @property
    def free(self) -> int:
        """How many more tasks can be submitted now."""
        ...

    def submit(self, key: str, argument: Any) -> None:
        """Start a task on a free worker."""
        ...

    def wait(self, timeout: float) -> list[PoolEvent]:
        """The events since the last call; waits up to ``timeout`` seconds for the first."""
        ...

    def stop(self, key: str) -> None:
        """Ask a task to stop at its next report; its event is ``failed`` with :class:`StopTask`."""
        ...

    def kill(self, key: str) -> None:
        """End a task at once where that is possible; its event is ``died``."""
        ...

    def close(self) -> None:
        """End all workers; what still runs is killed."""
        ...


class ThreadPool:
    """Workers in threads of this process: no isolation, nothing to start.

    Args:
        function: what they do.
        workers: threads.
    """

    def __init__(self, function: Function, workers: int = 1) -> None:
        self._function = function
        self._workers = workers
        self._tasks: queue.SimpleQueue[tuple[str, Any, threading.Event] | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[PoolEvent] = queue.SimpleQueue()
        self._running: dict[str, threading.Event] = {}
        """Task -> set once it has been asked to stop."""
        self._threads = 0

    @property
    def free(self) -> int:
        """Threads without a task."""
        return self._workers - len(self._running)

    def submit(self, key: str, argument: Any) -> None:
        """Give the task to a thread, which does not keep the process alive."""
        assert self.free
        if self._threads < min(self._workers, len(self._running) + 1):
            self._threads += 1
            threading.Thread(target=self._work, daemon=True).start()
        self._running[key] = threading.Event()
        self._tasks.put((key, argument, self._running[key]))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            key, argument, stopped = task
            for event in _events_of(key, self._function, argument, self._events.put, stopped.is_set):
                self._events.put(event)

    def wait(self, timeout: float) -> list[PoolEvent]:
        """See :class:`Pool`."""
        found: list[PoolEvent] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._events.get(timeout=timeout))
            while True:
                found.append(self._events.get_nowait())
        for event in found:
            if event.kind != "progress":
                del self._running[event.key]
        return found

    def stop(self, key: str) -> None:
        """See :class:`Pool`."""
        if key in self._running:
            self._running[key].set()

    def kill(self, key: str) -> None:
        """A thread cannot be killed: it is asked to stop."""
        self.stop(key)

    def close(self) -> None:
        """Ask what still runs to stop; threads end with their tasks."""
        for stopped in self._running.values():
            stopped.set()
        for _ in range(self._threads):
            self._tasks.put(None)
        self._threads = 0


@dataclass(eq=False)
class _Slot:
    """Place of one worker process; the process may be replaced."""

    environment: Mapping[str, str]
    process: Any = None
    connection: Connection | None = None
    key: str | None = None
    tasks: int = 0
    old: list[Any] = field(default_factory=list)
    """Processes that were asked to exit."""


class ProcessPool:
    """Spawned processes that keep their state from task to task and do not outlive this one.

    Args:
        function: importable by name.
        workers: processes.
        threads: for OpenMP, OpenCV and torch in each worker.
        environments: variables of each worker in turn, such as ``CUDA_VISIBLE_DEVICES``.
        tasks_per_process: replace a worker after this many tasks.
        max_memory: replace a worker whose peak resident memory is above this many bytes.
    """

    def __init__(
        self,
        function: Function,
        workers: int,
        *,
        threads: int = 1,
        environments: Sequence[Mapping[str, str]] = (),
        tasks_per_process: int | None = None,
        max_memory: int | None = None,
    ) -> None:
        limits = {"OMP_NUM_THREADS": str(threads), "OPENCV_FOR_THREADS_NUM": str(threads)}
        environments = environments or [{}]
        self._slots = [_Slot({**limits, **environments[k % len(environments)]}) for k in range(workers)]
        self._function = pickle.dumps(function)
        self._tasks_per_process = tasks_per_process
        self._max_memory = max_memory
        # Spawned: a fork would copy locks that other threads hold.
        self._context = multiprocessing.get_context("spawn")

    @property
    def free(self) -> int:
        """Workers without a task."""
        return sum(slot.key is None for slot in self._slots)

    def submit(self, key: str, argument: Any) -> None:
        """Give the task to a free worker, one that is running already where there is one."""
        free = [slot for slot in self._slots if slot.key is None]
        slot = next((slot for slot in free if slot.connection is not None), free[0])
        for _ in range(2):  # an idle worker may have died: then a new one gets the task
            if slot.connection is None:
                self._start(slot)
            assert slot.connection is not None
            try:
                slot.connection.send(("task", key, argument))
            except OSError:
                self._retire(slot)
                continue
            break
        slot.key = key

    def _start(self, slot: _Slot) -> None:
        ours, theirs = self._context.Pipe()
        slot.process = self._context.Process(target=_serve, args=(theirs, self._function), daemon=True)
        with _environment(slot.environment):
            slot.process.start()
        theirs.close()
        slot.connection, slot.tasks = ours, 0

    def wait(self, timeout: float) -> list[PoolEvent]:
        """See :class:`Pool`."""
        busy = {slot.connection: slot for slot in self._slots if slot.key is not None and slot.connection}
        if not busy:
            time.sleep(timeout)
            return []
        found: list[PoolEvent] = []
        for connection in wait(list(busy), timeout):
            found += self._receive(busy[connection])  # type: ignore[index]  # one of those given
        return found

    def _receive(self, slot: _Slot) -> list[PoolEvent]:
        """All that a worker has sent, or its death."""
        assert slot.connection is not None
        assert slot.key is not None
        key = slot.key
        found: list[PoolEvent] = []
        try:
            while slot.key is not None and slot.connection.poll():
                event, memory = slot.connection.recv()
                found.append(event)
                if event.kind != "progress":
                    slot.key = None
                    slot.tasks += 1
                    full = self._tasks_per_process is not None and slot.tasks >= self._tasks_per_process
                    if full or (self._max_memory is not None and memory > self._max_memory):
                        self._retire(slot)
        except (EOFError, OSError):
            slot.process.join(JOIN_SECONDS)
            found.append(PoolEvent(key, "died", slot.process.exitcode))
            slot.key = None
            self._retire(slot)
        return found

    def _retire(self, slot: _Slot) -> None:
        """Close the worker's connection, which ends it; the slot gets a new process when it is needed."""
        if slot.connection is not None:
            slot.connection.close()
            slot.old = [process for process in slot.old if process.is_alive()] + [slot.process]
        slot.connection, slot.process = None, None

    def stop(self, key: str) -> None:
        """See :class:`Pool`."""
        for slot in self._slots:
            if slot.key == key and slot.connection is not None:
                with contextlib.suppress(OSError):
                    slot.connection.send(("stop", key, None))

    def kill(self, key: str) -> None:
        """SIGKILL to the worker."""
        for slot in self._slots:
            if slot.key == key and slot.process is not None:
                slot.process.kill()

    def close(self) -> None:
        """End all workers: whatever a run has under a final name is complete, so they are just killed."""
        for slot in self._slots:
            if slot.key is not None and slot.process is not None:
                slot.process.kill()
            self._retire(slot)
        until = time.monotonic() + JOIN_SECONDS
        for process in [process for slot in self._slots for process in slot.old]:
            process.join(max(until - time.monotonic(), 0))
            if process.is_alive():
                process.kill()
                process.join()


def run_all(pool: Pool, arguments: Mapping[str, Any]) -> Iterator[PoolEvent]:
    """Every task of ``arguments`` (key -> argument) on the pool; its events, in the order they come."""
    remaining = list(arguments.items())[::-1]
    running = 0
    while remaining or running:
        while remaining and pool.free:
            pool.submit(*remaining.pop())
            running += 1
        for event in pool.wait(1.0):
            running -= event.kind != "progress"
            yield event


def ordered_map(pool: Pool, arguments: Sequence[Any]) -> list[Any]:
    """What the pool's function returns for each argument, in their order.

    Of several errors, the one of the first argument is raised, once the tasks that were begun have ended.
    """
    results: dict[int, Any] = {}
    errors: dict[int, BaseException] = {}
    begun = 0
    while len(results) + len(errors) < begun or (begun < len(arguments) and not errors):
        while begun < len(arguments) and pool.free and not errors:
            pool.submit(str(begun), arguments[begun])
            begun += 1
        for event in pool.wait(1.0):
            if event.kind == "done":
                results[int(event.key)] = event.value
            elif event.kind == "failed":
                errors[int(event.key)] = event.value
            elif event.kind == "died":
                errors[int(event.key)] = RuntimeError(f"a worker process ended with exit code {event.value}")
    if errors:
        raise errors[min(errors)]
    return [results[k] for k in range(len(arguments))]


def _events_of(
    key: str,
    function: Function,
    argument: Any,
    send: Callable[[PoolEvent], None],
    stopped: Callable[[], bool],
) -> Iterator[PoolEvent]:
    """Run a task; its last event is yielded, those before are sent."""

    def report(value: Any) -> None:
        if stopped():
            raise StopTask(f"{key} was asked to stop")
        send(PoolEvent(key, "progress", value))

    try:
        yield PoolEvent(key, "done", function(argument, report))
    except BaseException as error:
        yield PoolEvent(key, "failed", error)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables for a process that is started inside the block: libraries read them as they are loaded."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, function: bytes) -> None:
    """Life of a worker process. Signals are for the parent, which decides what happens."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    tasks: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    stopped: set[str] = set()
    threading.Thread(target=_listen, args=(connection, tasks, stopped), daemon=True).start()
    run = pickle.loads(function)

    def send(event: PoolEvent) -> None:
        connection.send((event, peak_memory() if event.kind != "progress" else 0))

    while True:
        key, argument = tasks.get()
        for event in _events_of(key, run, argument, send, partial(stopped.__contains__, key)):
            try:
                send(event)
            except (TypeError, AttributeError, pickle.PicklingError):
                send(PoolEvent(key, "failed", RuntimeError(f"{type(event.value).__name__}: {event.value}")))


def _listen(connection: Connection, tasks: queue.SimpleQueue[tuple[str, Any]], stopped: set[str]) -> None:
    """Take what the parent sends. When the connection ends, so does the process, at once."""
    try:
        while True:
            what, key, argument = connection.recv()
            if what == "stop":
                stopped.add(key)
            else:
                stopped.discard(key)
                tasks.put((key, argument))
    except (EOFError, OSError):
        os._exit(0)
