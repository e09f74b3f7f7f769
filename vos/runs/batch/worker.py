"""The loop of one worker: take a task, have it done, say so, until nothing is left."""

from __future__ import annotations

import heapq
import logging
import os
import random
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...errors import InterruptedRunError, OutputError, PartialResultError
from ...pool import Pool, PoolEvent
from ..settings import TrackSettings
from ..summary import Progress
from .attempt import Attempt, Record
from .failures import FINAL, UNCOUNTED, Failure, delay, failure_of, failure_of_death, is_final
from .layout import done_name, dump, fail_name, survey
from .leases import Clock, Lease, Leases
from .manifest import Manifest
from .options import BatchOptions
from .plan import forgive, is_done, kinds_of, share_of
from .signals import StopFlag, stop_signals
from .store import Store
from .tally import BatchOutcome, Tally
from .task import mark_of

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
RECHECK_SECONDS = 5.0
"""How often a worker with nothing else to do looks at tasks that others hold."""

Observer = Callable[[str, str, dict[str, Any]], None]
"""Called with what happened (``started``, ``progress``, ``done``, ``failed``, ``stopped``, ``tick``), the
task ("" for ``tick``), and facts about it."""


@dataclass
class _Running:
    lease: Lease
    attempt: int
    since: float
    renewed: float
    is_lost: bool = False
    stop_asked: bool = False
    is_late: bool = False
    progress: Progress | None = None


class Worker:
    """One worker of a batch. Call :meth:`run` once.

    Args:
        manifest: the tasks.
        store: where the batch is.
        settings: of the command line.
        options: how tasks are taken.
        pool: its function takes an :class:`~vos.runs.batch.attempt.Attempt` and returns a record or a
            failure, see :func:`~vos.runs.batch.attempt.run_attempt`.
        observe: called with every event.
        clock: for leases.
    """

    def __init__(
        self,
        manifest: Manifest,
        store: Store,
        settings: TrackSettings,
        options: BatchOptions,
        pool: Pool,
        *,
        observe: Observer | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"
        self.manifest = manifest
        self.store = store
        self.settings = settings
        self.options = options
        self.pool = pool
        self.clock = clock
        self.leases = Leases(store, self.name, seconds=options.lease, skew=options.skew, clock=clock)
        self._observe = observe or (lambda what, task_id, facts: None)
        self._random = random.Random(os.urandom(8))
        self._todo: deque[str] = deque()
        self._later: list[tuple[float, str]] = []
        self._running: dict[str, _Running] = {}
        self._again: set[str] = set()
        """Tasks with results that are to be replaced; these stay until the new ones are complete."""
        self._tally = Tally()
        self._reason: str | None = None
        self._message = ""
        self._deadline = float("inf")

    def run(self) -> BatchOutcome:
        """Work until the share is done or the worker is asked to stop.

        Raises:
            OutputError: a task is done already, but by another line, prompts, video or settings.
            PartialResultError: the place of the batch cannot be written to any more.
            InterruptedRunError: a second signal.
        """
        with stop_signals() as flag:
            try:
                self._plan(flag)
                self._work(flag)
                return self._outcome()
            finally:
                self.pool.close()

    def _work(self, flag: StopFlag) -> None:
        try:
            self._log("started", "", tasks=len(self._todo), shard=str(self.options.shard))
            while self._step(flag):
                pass
            self._log("stopped" if self._reason else "finished", "", reason=self._reason)
            self.store.flush()
        except OutputError as error:  # the batch itself cannot be written to any more
            raise PartialResultError(f"{error}; {len(self._tally.done)} tasks are done") from error

    def _step(self, flag: StopFlag) -> bool:
        """One round; False when there is nothing more to do."""
        self._check_stop(flag)
        if self._reason is None:
            self._fill()
        if not self._running and (self._reason is not None or not (self._todo or self._later)):
            self._observe("tick", "", self._counts())
            return False
        events = self.pool.wait(POLL_SECONDS)
        self._check_stop(flag)  # first: a signal to all processes ends those that are just starting
        for event in events:
            self._handle(event)
        self._renew()
        self._observe("tick", "", self._counts())
        return time.monotonic() < self._deadline or self._abandon()

    # What there is to do

    def _plan(self, flag: StopFlag) -> None:
        """The tasks of the share that are neither done nor given up, in the order they are taken."""
        states = survey(self.store)
        for task_id in share_of(self.manifest, self.options, self._random):
            if flag.is_set:  # comparing many large videos takes long
                self._todo.append(task_id)
                continue
            state = states.get(task_id)
            if state is not None and state.done:
                if self._is_done(task_id):
                    self._tally.done.add(task_id)
                    continue
                self._again.add(task_id)
            if state is not None and state.fails:
                forgive(self.store, self.manifest.task(task_id), self._attempt(task_id), state.fails)
            if state is None or not state.fails or not self._is_given_up(task_id):
                self._todo.append(task_id)

    def _is_done(self, task_id: str) -> bool:
        overwrite = self.options.overwrite
        return is_done(self.store, self.manifest.task(task_id), self._attempt(task_id), overwrite=overwrite)

    def _is_given_up(self, task_id: str) -> bool:
        kinds = kinds_of(self.store, task_id)
        if not is_final(kinds, self.options.retries):
            return False
        self._tally.failed[task_id] = kinds[-1]
        return True

    def _attempt(self, task_id: str, generation: int = 1, size: str | None = None) -> Attempt:
        options = self.options
        return Attempt(
            task=self.manifest.task(task_id),
            folder=self.manifest.folder,
            output=self.store.root,
            settings=self.settings,
            generation=generation,
            overwrite=options.overwrite,
            size=size,
            scratch=options.scratch,
            endpoint_url=options.endpoint_url,
            upload_checkpoints=options.upload_checkpoints,
            pack=options.pack,
        )

    # Giving tasks to the pool

    def _fill(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._todo.append(heapq.heappop(self._later)[1])
        while self._todo and self.pool.free:
            self._take(self._todo.popleft())

    def _take(self, task_id: str) -> None:
        if self._is_given_up(task_id):
            return
        if task_id in self._again and self._is_done(task_id):  # another worker has replaced its results
            self._again.discard(task_id)
        again = task_id in self._again
        lease = self.leases.take(task_id, again=again)
        if lease is None:
            if not again and self.store.exists(done_name(task_id)):
                self._tally.elsewhere.discard(task_id)
                self._count_done(task_id)
            elif self.options.wait:
                self._tally.elsewhere.add(task_id)
                self._put_back(task_id, min(RECHECK_SECONDS, self.options.lease / 4))
            else:
                self._tally.elsewhere.add(task_id)
            return
        self._tally.elsewhere.discard(task_id)
        kinds = kinds_of(self.store, task_id)
        size = self.options.size_on_oom if "oom" in kinds else None
        now = time.monotonic()
        self._running[task_id] = _Running(lease, len(kinds) + 1, now, now)
        self.pool.submit(task_id, self._attempt(task_id, lease.generation, size))
        self._log("taken", task_id, generation=lease.generation, attempt=len(kinds) + 1)
        self._observe("started", task_id, {})

    def _count_done(self, task_id: str) -> None:
        """A task that another worker has done since this one began, if it had the same line and settings."""
        try:
            if not (self.store.is_local or self.options.overwrite) or self._is_done(task_id):
                self._tally.done.add(task_id)
                return
        except OutputError as error:
            self._tally.failed[task_id] = "settings"
            logger.warning("%s", error)
            return
        self._again.add(task_id)
        self._put_back(task_id, 0.0)

    def _put_back(self, task_id: str, seconds: float) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, task_id))

    # What comes back

    def _handle(self, event: PoolEvent) -> None:
        running = self._running.get(event.key)
        if running is None:
            return
        if event.kind == "progress":
            running.progress = event.value
            facts = {"stage": event.value.stage, "done": event.value.done, "total": event.value.total}
            self._observe("progress", event.key, facts)
            return
        del self._running[event.key]
        if event.kind == "done" and not isinstance(event.value, Failure):
            self._finish(event.key, running, event.value)
            return
        if event.kind == "died":
            failure = failure_of_death(event.value)
        else:
            failure = event.value if isinstance(event.value, Failure) else failure_of(event.value)
        if running.is_late:
            failure = Failure("crash", "took longer than --timeout-factor allows", "", failure.host)
        elif running.is_lost or (self._reason is not None and running.stop_asked):
            failure = Failure("stopped", failure.message, "", failure.host)
        self._fail(event.key, running, failure)

    def _finish(self, task_id: str, running: _Running, record: Record) -> None:
        if running.is_lost or not self.leases.holds(running.lease):
            self.leases.release(running.lease)  # below the other's, which it would outlast
            self._log("lost", task_id)
            self._put_back(task_id, RECHECK_SECONDS)
            return
        marker = {
            **record.as_dict(),
            "id": task_id,
            "worker": self.name,
            "attempt": running.attempt,
            "finished": self.clock(),
            "meta": self.manifest.task(task_id).meta,
        }
        self.store.write(done_name(task_id), dump(marker))
        self.leases.release(running.lease)
        self._again.discard(task_id)
        self._tally.done.add(task_id)
        self._tally.done_here += 1
        if record.frames:
            self._tally.speeds.append(record.seconds.get("total", 0.0) / record.frames)
        seconds = round(time.monotonic() - running.since, 3)
        self._log("done", task_id, seconds=seconds, frames=record.frames, memory=record.peak_memory)
        self._observe("done", task_id, {"frames": record.frames, "seconds": seconds})

    def _fail(self, task_id: str, running: _Running, failure: Failure) -> None:
        kind = failure.kind
        self._log(kind if kind in UNCOUNTED else "failed", task_id, kind=kind, message=failure.message)
        if not running.is_lost and kind not in UNCOUNTED:
            kinds = [*kinds_of(self.store, task_id), kind]
            facts = {
                "attempt": running.attempt,
                "worker": self.name,
                "given_up": is_final(kinds, self.options.retries),
                "mark": mark_of(self.manifest.task(task_id), self.manifest.folder, self.settings),
            }
            self.store.create(fail_name(task_id, running.attempt), dump({**failure.as_dict(), **facts}))
        self.leases.release(running.lease)  # one that was lost, too: it would outlast the other's
        if kind in UNCOUNTED:
            self._observe("stopped", task_id, {"kind": kind})
            self._put_back(task_id, min(RECHECK_SECONDS, self.options.lease / 4))
            return
        if kind == "io":
            self._stop("io", failure.message)
        if kind in FINAL or self._is_given_up(task_id):
            self._tally.failed[task_id] = kind
            if task_id in self._again:  # what is there is of another task
                self.store.remove(done_name(task_id))
            self._observe("failed", task_id, {"kind": kind, "message": failure.message})
            logger.warning("task %s failed (%s): %s", task_id, kind, failure.message)
            too_many = self._tally.too_many_failures(self.options)
            if too_many is not None:
                self._stop("failures", too_many)
        else:
            logger.info("task %s will be tried again (%s): %s", task_id, kind, failure.message)
            self._put_back(task_id, delay(running.attempt, self._random))

    # Time and stopping

    def _renew(self) -> None:
        now = time.monotonic()
        for task_id, running in self._running.items():
            if not running.is_lost and now - running.renewed >= self.options.lease / 3:
                running.renewed = now
                running.is_lost = not self.leases.renew(running.lease)
                if running.is_lost:
                    self._log("lost", task_id)
                    self._ask_to_stop(task_id, running)
            if not running.is_late and now - running.since > self._tally.time_limit(
                self.options, running.progress
            ):
                running.is_late = True
                self.pool.kill(task_id)

    def _check_stop(self, flag: StopFlag) -> None:
        if flag.stops > 1:
            raise InterruptedRunError("stopped at once by a second signal; the same command resumes")
        if flag.is_set and self._reason is None:
            if flag.stops:
                self._stop("signal", "stopped by a signal; the same command resumes")
            else:
                self._stop("warning", "stopped by SIGUSR1; the same command resumes")

    def _stop(self, reason: str, message: str) -> None:
        """No new tasks; those that run have the grace to stop."""
        if self._reason is not None:
            return
        self._reason, self._message = reason, message
        self._deadline = time.monotonic() + self.options.grace
        for task_id, running in self._running.items():
            self._ask_to_stop(task_id, running)

    def _ask_to_stop(self, task_id: str, running: _Running) -> None:
        running.stop_asked = True
        self.pool.stop(task_id)

    def _abandon(self) -> bool:
        """The grace is over: end what still runs; nothing of it is lost but the frames since a checkpoint."""
        for task_id, running in list(self._running.items()):
            self.pool.kill(task_id)
            self.leases.release(running.lease)
            del self._running[task_id]
            self._todo.append(task_id)
        return False

    # Saying so

    def _log(self, what: str, task_id: str, **facts: Any) -> None:
        line = {
            "time": round(self.clock(), 3),
            "what": what,
            **({"task": task_id} if task_id else {}),
            **facts,
        }
        self.store.append(f"workers/{self.name}.jsonl", dump(line))

    def _counts(self) -> dict[str, Any]:
        queued = len(self._todo) + len(self._later)
        return self._tally.counts(running=len(self._running), queued=queued)

    def _outcome(self) -> BatchOutcome:
        counts, tally = self._counts(), self._tally
        return BatchOutcome(
            done=counts["done"],
            done_here=tally.done_here,
            failed=tuple(sorted(tally.failed)),
            elsewhere=counts["elsewhere"],
            waiting=counts["waiting"],
            reason=self._reason,
            message=self._message,
        )
