"""Tasks on actors of Ray Core: the driver takes leases and keeps the state, an actor keeps the model.

Results never go through Ray's object store, but to the batch. A driver that is started again continues.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import Any

from ...errors import SettingsError
from ...pool import Function, PoolEvent, StopTask
from .attempt import Attempt, Run, run_attempt
from .tracking import track_task

LOCAL = "local"


def ray_pool(
    address: str, workers: int, *, cpus: float = 1, gpus: float = 0, run: Run = track_task
) -> RayPool:
    """Connect to a cluster, or start one on this machine, and make a pool of actors.

    Args:
        address: of the cluster; ``local`` starts one here, with ``workers * cpus`` cores.
        workers: actors.
        cpus, gpus: that each of them takes; a fraction of a GPU shares it.
        run: does one task; importable by name on every machine of the cluster.

    Raises:
        SettingsError: ray is not installed, or there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise SettingsError("--ray needs Ray: pip install 'vos-toolkit[ray]'") from error
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "warning"}
    if address == LOCAL:
        options |= {"num_cpus": max(round(workers * cpus), 1), "include_dashboard": False}
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SettingsError(f"cannot connect to Ray at {address}: {error}") from error
    return RayPool(partial(run_attempt, run=run), workers, cpus=cpus, gpus=gpus)


class _Actor:
    """Keeps the model from task to task; a second thread of it takes the request to stop."""

    def __init__(self, function: Function, threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENCV_FOR_THREADS_NUM"] = str(threads)
        self._function = function
        self._stopped = threading.Event()

    def run(self, attempt: Attempt) -> Any:
        self._stopped.clear()

        def report(value: Any) -> None:
            if self._stopped.is_set():
                raise StopTask(f"{attempt.task.id} was asked to stop")

        return self._function(attempt, report)

    def stop(self) -> None:
        self._stopped.set()

    def process_id(self) -> int:
        return os.getpid()


class RayPool:
    """A :class:`~vos.pool.Pool` of Ray actors; :func:`ray_pool` makes one."""

    def __init__(self, function: Function, workers: int, *, cpus: float, gpus: float) -> None:
        import ray

        self._ray = ray
        # Two threads: one runs the task, one takes the request to stop it.
        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0, max_concurrency=2)(_Actor)
        self._make = partial(remote.remote, function, max(int(cpus), 1))
        self._idle = [self._make() for _ in range(workers)]
        self._busy: dict[str, tuple[Any, Any]] = {}

    @property
    def free(self) -> int:
        """Actors without a task."""
        return len(self._idle)

    def submit(self, key: str, argument: Any) -> None:
        """See :class:`~vos.pool.Pool`."""
        actor = self._idle.pop()
        self._busy[key] = (actor, actor.run.remote(argument))

    def wait(self, timeout: float) -> list[PoolEvent]:
        """See :class:`~vos.pool.Pool`; progress inside a task is not reported."""
        if not self._busy:
            time.sleep(timeout)
            return []
        keys = {reference: key for key, (_, reference) in self._busy.items()}
        ready, _ = self._ray.wait(list(keys), num_returns=1, timeout=timeout)
        return [self._result(keys[reference]) for reference in ready]

    def _result(self, key: str) -> PoolEvent:
        actor, reference = self._busy.pop(key)
        try:
            event = PoolEvent(key, "done", self._ray.get(reference))
        except self._ray.exceptions.RayActorError:
            self._idle.append(self._make())
            return PoolEvent(key, "died", None)
        except self._ray.exceptions.RayError as error:
            event = PoolEvent(key, "failed", error)
        self._idle.append(actor)
        return event

    def stop(self, key: str) -> None:
        """See :class:`~vos.pool.Pool`."""
        if key in self._busy:
            self._busy[key][0].stop.remote()

    def kill(self, key: str) -> None:
        """End the actor of a task."""
        if key in self._busy:
            self._ray.kill(self._busy[key][0])

    def process_ids(self) -> dict[str, int]:
        """Process id of the actor of every task that runs."""
        return {key: self._ray.get(actor.process_id.remote()) for key, (actor, _) in self._busy.items()}

    def close(self) -> None:
        """Disconnect; actors end with the driver."""
        for actor, _ in self._busy.values():
            self._ray.kill(actor)
        self._ray.shutdown()
