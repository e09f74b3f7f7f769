"""The loop of one worker, with tasks that cost nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from batch_fakes import FakeClock, many, record_of, simulated, simulated_identity, write_manifest

from vos.errors import (
    BusyError,
    InterruptedRunError,
    MediaError,
    OutputError,
    PartialResultError,
    PromptError,
    SettingsError,
)
from vos.pool import PoolEvent, Report, StopTask, ThreadPool
from vos.runs import TrackSettings
from vos.runs.batch import (
    BatchOptions,
    BatchOutcome,
    Shard,
    plan,
    raise_for,
    read_manifest,
    run_batch,
    tally,
    worker,
)
from vos.runs.batch.attempt import Attempt, Record, run_attempt
from vos.runs.batch.layout import done_name, dump, fail_name, lease_name, parse
from vos.runs.batch.leases import Leases
from vos.runs.batch.local_store import LocalStore
from vos.runs.batch.store import open_store
from vos.runs.summary import Progress


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting, and identities without files."""

    def identity(task: Any, attempt: Attempt, known: Any = None) -> tuple[str, dict[str, Any]]:
        found = simulated_identity(attempt)
        return found["key"], found

    monkeypatch.setattr(worker, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(worker, "RECHECK_SECONDS", 0.01)
    monkeypatch.setattr(worker, "delay", lambda attempt, generator: 0.0)
    monkeypatch.setattr(plan, "current_identity", identity)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Eight lines."""
    return write_manifest(tmp_path / "m.jsonl", many(8))


@pytest.fixture
def batch(manifest: Path, tmp_path: Path) -> Callable[..., BatchOutcome]:
    """Runs a worker on the manifest."""

    def run(do: Any = simulated, **options: Any) -> BatchOutcome:
        others = {name: options.pop(name) for name in ("clock", "observe", "pool") if name in options}
        return run_batch(manifest, tmp_path / "out", options=BatchOptions(**options), run=do, **others)

    return run


def failing(error: BaseException, times: int = 10**6, task_id: str = "v00003") -> Any:
    """A way to do tasks in which one of them fails this many times."""
    left = [times]

    def run(attempt: Attempt, report: Report) -> Record:
        if attempt.task.id == task_id and left[0] > 0:
            left[0] -= 1
            raise error
        return simulated(attempt, report)

    return run


def test_all_tasks_are_done_once(batch: Callable[..., BatchOutcome], store: LocalStore) -> None:
    """A second worker finds nothing to do."""
    seen: list[str] = []

    def run(attempt: Attempt, report: Report) -> Record:
        seen.append(attempt.task.id)
        return simulated(attempt, report)

    assert batch(run) == BatchOutcome(8, 8, (), 0, 0)
    assert batch(run) == BatchOutcome(8, 0, (), 0, 0)
    assert sorted(seen) == [f"v{k:05d}" for k in range(8)]
    marker = parse(store.read(done_name("v00002")))
    assert marker is not None
    assert (marker["attempt"], marker["frames"], marker["id"]) == (1, 1, "v00002")


@pytest.mark.parametrize("how", [{}, {"by_weight": True}])
def test_shards_share_the_work(
    batch: Callable[..., BatchOutcome], manifest: Path, how: dict[str, Any]
) -> None:
    """Together they do all, each its own."""
    write_manifest(manifest, [{**line, "weight": k} for k, line in enumerate(many(8))])
    outcomes = [batch(shard=Shard(k, 3), **how) for k in range(3)]
    assert sum(outcome.done_here for outcome in outcomes) == 8
    assert batch(dynamic=True) == BatchOutcome(8, 0, (), 0, 0)


def test_dealing_needs_weights(batch: Callable[..., BatchOutcome]) -> None:
    """Said with the command that adds them."""
    with pytest.raises(SettingsError, match="--write-weights"):
        batch(by_weight=True)


def test_stealing_takes_what_others_leave(batch: Callable[..., BatchOutcome]) -> None:
    """After the own shard."""
    assert batch(shard=Shard(0, 3), steal=True).done_here == 8


@pytest.mark.parametrize(
    ("error", "attempts"), [(MediaError("damaged"), 1), (ZeroDivisionError("x"), 3), (MemoryError(), 2)]
)
def test_failures(
    batch: Callable[..., BatchOutcome], store: LocalStore, error: Exception, attempts: int
) -> None:
    """A task is tried as often as its kind of failure makes sense; the others are done."""
    outcome = batch(failing(error))
    assert outcome.failed == ("v00003",)
    assert outcome.done == 7
    assert store.exists(fail_name("v00003", attempts))
    assert not store.exists(fail_name("v00003", attempts + 1))
    assert not store.exists(done_name("v00003"))
    with pytest.raises(PartialResultError, match="1 task failed"):
        raise_for(outcome)
    assert batch(failing(error, 0)).failed == ("v00003",)  # remembered


def test_a_crash_that_passes(batch: Callable[..., BatchOutcome], store: LocalStore) -> None:
    """The task is done at the next attempt, and the record says so."""
    assert batch(failing(ZeroDivisionError("x"), 2)).failed == ()
    marker = parse(store.read(done_name("v00003")))
    assert marker is not None
    assert marker["attempt"] == 3


def test_out_of_memory_is_tried_smaller(batch: Callable[..., BatchOutcome]) -> None:
    """The second attempt has the size given for it."""
    sizes = []

    def run(attempt: Attempt, report: Report) -> Record:
        sizes.append(attempt.size)
        if attempt.size is None:
            raise MemoryError
        return simulated(attempt, report)

    assert batch(run, size_on_oom="240").failed == ()
    assert sorted(sizes, key=str) == ["240"] * 8 + [None] * 8


def test_a_full_disk_stops_the_worker(batch: Callable[..., BatchOutcome], store: LocalStore) -> None:
    """With exit code 5; the task is not given up."""
    error = OutputError("the disk is full")
    error.__cause__ = OSError(errno.ENOSPC, "no space")
    outcome = batch(failing(error, task_id="v00000"))
    assert outcome.reason == "io"
    assert outcome.waiting > 0
    with pytest.raises(PartialResultError, match="the disk is full"):
        raise_for(outcome)
    assert batch() == BatchOutcome(8, 8 - outcome.done, (), 0, 0)


def test_a_full_disk_under_the_batch_itself(
    batch: Callable[..., BatchOutcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A done marker that cannot be written is no done task."""

    def full(self: LocalStore, name: str, data: bytes) -> None:
        raise OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "write", full)
        with pytest.raises(PartialResultError, match="the disk is full; 0 tasks are done"):
            batch()


@pytest.mark.parametrize(("limit", "done"), [({"max_failures": 2}, None), ({"max_failure_share": 0.5}, None)])
def test_too_many_failures_stop_the_worker(
    manifest: Path, batch: Callable[..., BatchOutcome], limit: dict[str, float], done: None
) -> None:
    """A wrong mount does not burn a thousand tasks."""
    write_manifest(manifest, [{**line, "video": "bad.mp4"} for line in many(60)])
    outcome = batch(**limit)
    assert outcome.reason == "failures"
    assert len(outcome.failed) == (3 if "max_failures" in limit else 20)
    assert outcome.waiting == 60 - len(outcome.failed)
    with pytest.raises(PartialResultError, match="--max-failures"):
        raise_for(outcome)


def test_a_changed_line_is_refused(
    batch: Callable[..., BatchOutcome], manifest: Path, tmp_path: Path
) -> None:
    """A task that is done as another task; with --overwrite it is done again, and it alone."""
    batch()
    write_manifest(manifest, [*many(7), {**many(8)[7], "stride": 2}])
    with pytest.raises(OutputError, match=r"v00007 .* is done, but as another task"):
        batch()
    assert batch(overwrite=True) == BatchOutcome(8, 1, (), 0, 0)


def test_results_stay_until_they_are_replaced(
    batch: Callable[..., BatchOutcome], manifest: Path, store: LocalStore
) -> None:
    """A worker that is stopped loses no task that was done; one that cannot be replaced is not done."""
    batch()
    write_manifest(manifest, [{**line, "stride": 2} for line in many(8)])
    seen: list[bool] = []

    def run(attempt: Attempt, report: Report) -> Record:
        seen.append(all(store.exists(done_name(f"v{k:05d}")) for k in range(8)))
        os.kill(os.getpid(), signal.SIGTERM)
        while True:
            report(Progress("forward", 1, 10))

    assert batch(run, overwrite=True).reason == "signal"
    assert seen == [True]
    assert sum(store.exists(done_name(f"v{k:05d}")) for k in range(8)) == 8
    outcome = batch(failing(MediaError("cut")), overwrite=True)
    assert (outcome.done_here, outcome.failed) == (7, ("v00003",))
    assert not store.exists(done_name("v00003"))


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_task_that_another_worker_does_with_another_line(
    batch: Callable[..., BatchOutcome], manifest: Path, overwrite: bool
) -> None:
    """It is not done, as this worker's manifest has it: it is done again, or refused."""
    write_manifest(manifest, [{**line, "stride": 2} for line in many(2)])
    other = read_manifest(write_manifest(manifest.with_name("other.jsonl"), many(2)))
    seen: list[str] = []

    def run(attempt: Attempt, report: Report) -> Record:
        if not seen:
            seen.append(attempt.task.id)
            run_batch(other, attempt.output, options=BatchOptions(wait=False), run=simulated)
        return simulated(attempt, report)

    outcome = batch(run, overwrite=overwrite)
    assert (outcome.done_here, outcome.failed) == ((2, ()) if overwrite else (1, ("v00001",)))
    if not overwrite:
        with pytest.raises(PartialResultError):
            raise_for(outcome)


def test_a_video_that_is_gone_stays_done(
    batch: Callable[..., BatchOutcome], manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not be kept, and does not keep others from being done."""
    batch()

    def gone(task: Any, attempt: Attempt, known: Any = None) -> Any:
        raise MediaError("there is no file")

    monkeypatch.setattr(plan, "current_identity", gone)
    write_manifest(manifest, many(9))
    assert batch() == BatchOutcome(9, 1, (), 0, 0)


def test_a_task_that_was_corrected_is_tried_again(
    batch: Callable[..., BatchOutcome], manifest: Path, store: LocalStore
) -> None:
    """Its line or its video; until then it stays failed."""
    wrong = failing(PromptError("the box is beside the image"))
    assert batch(wrong).failed == ("v00003",)
    assert batch() == BatchOutcome(7, 0, ("v00003",), 0, 0)
    lines = many(8)
    lines[3] = {**lines[3], "points": ["1:5,5"]}
    write_manifest(manifest, lines)
    assert batch(wrong).failed == ("v00003",)
    assert batch() == BatchOutcome(7, 0, ("v00003",), 0, 0)
    (manifest.parent / lines[3]["video"]).write_bytes(b"another")
    assert batch() == BatchOutcome(8, 1, (), 0, 0)
    assert not store.exists(fail_name("v00003", 1))


def test_other_settings_are_refused(manifest: Path, tmp_path: Path) -> None:
    """The batch says what differs."""
    run_batch(manifest, tmp_path / "out", run=simulated)
    with pytest.raises(OutputError, match="stride was 1, is 2"):
        run_batch(manifest, tmp_path / "out", TrackSettings(outputs=("masks",), stride=2), run=simulated)
    (tmp_path / "out" / "batch.json").write_text("{}")
    with pytest.raises(OutputError, match="not that of a batch"):
        run_batch(manifest, tmp_path / "out", run=simulated)


def test_added_lines_are_done(batch: Callable[..., BatchOutcome], manifest: Path) -> None:
    """What is done stays so."""
    batch()
    write_manifest(manifest, many(12))
    assert batch() == BatchOutcome(12, 4, (), 0, 0)


def test_a_task_that_another_worker_holds(
    batch: Callable[..., BatchOutcome], store: LocalStore, clock: FakeClock
) -> None:
    """It is left with --no-wait; else it is waited for, and taken over when its lease ends."""
    Leases(store, "other", clock=clock).take("v00001")
    lease = parse(store.read(lease_name("v00001", 1)))
    assert lease is not None
    store.write(lease_name("v00001", 1), dump({**lease, "machine": "another"}))
    left = batch(wait=False, clock=clock)
    assert left == BatchOutcome(7, 7, (), 1, 0)
    with pytest.raises(PartialResultError, match="1 task of the share is still with other workers"):
        raise_for(left)

    def observe(what: str, task_id: str, facts: dict[str, Any]) -> None:
        if what == "tick":
            clock.now += 10

    assert batch(clock=clock, observe=observe) == BatchOutcome(8, 1, (), 0, 0)


def test_a_busy_folder_is_no_failure(batch: Callable[..., BatchOutcome], store: LocalStore) -> None:
    """A frozen worker still has it locked: the task is tried again later."""
    assert batch(failing(BusyError("another process"), 3)) == BatchOutcome(8, 8, (), 0, 0)
    assert not store.exists(fail_name("v00003", 1))


def test_a_lost_lease_ends_the_task_without_a_word(
    batch: Callable[..., BatchOutcome], store: LocalStore, clock: FakeClock
) -> None:
    """What a frozen worker finds out when it wakes: the marker is the other's."""

    def run(attempt: Attempt, report: Report) -> Record:
        if attempt.task.id == "v00005":
            other = Leases(store, "other", clock=clock)
            clock.now += 10_000
            lease = other.take("v00005")
            assert lease is not None
            record = record_of("v00005", key=simulated_identity(attempt)["key"]).as_dict()
            facts = {"worker": "other", "attempt": 1, "finished": clock.now}
            store.write(done_name("v00005"), dump({**record, **facts}))
        return simulated(attempt, report)

    outcome = batch(run, clock=clock)
    assert outcome.done == 8
    assert outcome.done_here == 7
    marker = parse(store.read(done_name("v00005")))
    assert marker is not None
    assert marker["worker"] == "other"
    lease = parse(store.read(lease_name("v00005", 1)))
    assert lease is not None
    assert lease["expires"] == 0


def endless(attempt: Attempt, report: Report) -> Record:
    """A task that ends when it is asked to."""
    while True:
        report(Progress("forward", 1, 10))
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGTERM, "signal"), (signal.SIGINT, "signal"), (signal.SIGUSR1, "warning")],
)
def test_signals(batch: Callable[..., BatchOutcome], store: LocalStore, number: int, reason: str) -> None:
    """No new task, the running one is stopped, its lease is free, nothing counts as failed."""

    sent: list[int] = []

    def observe(what: str, task_id: str, facts: dict[str, Any]) -> None:
        if what == "progress" and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    outcome = batch(endless, observe=lambda *event: observe(*event) if event[0] != "tick" else None)
    assert signal.getsignal(number) is before
    assert (outcome.reason, outcome.done, outcome.failed, outcome.waiting) == (reason, 0, (), 8)
    held = [name for name in store.names("state") for name in store.names(f"state/{name}")]
    assert held
    assert all(
        b'"expires": 0.0' in path.read_bytes() for path in Path(store.root, "state").rglob("*.lease.1")
    )
    if reason == "signal":
        with pytest.raises(InterruptedRunError):
            raise_for(outcome)
    else:
        raise_for(outcome)
    assert batch() == BatchOutcome(8, 8, (), 0, 0)


def test_a_signal_while_done_tasks_are_compared(
    batch: Callable[..., BatchOutcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is answered before all of them are."""
    batch()
    compared = []

    def identity(task: Any, attempt: Attempt, known: Any = None) -> tuple[str, dict[str, Any]]:
        compared.append(task.id)
        os.kill(os.getpid(), signal.SIGINT)
        found = simulated_identity(attempt)
        return found["key"], found

    monkeypatch.setattr(plan, "current_identity", identity)
    outcome = batch()
    assert (outcome.reason, outcome.done, outcome.waiting) == ("signal", 1, 7)
    assert len(compared) == 1


def test_a_process_that_a_signal_to_all_ends(batch: Callable[..., BatchOutcome], store: LocalStore) -> None:
    """Ctrl-C in a terminal reaches workers that are just starting: that is no failure of their tasks."""

    class Dying(ThreadPool):
        def wait(self, timeout: float) -> list[PoolEvent]:
            os.kill(os.getpid(), signal.SIGINT)
            key = next(iter(self._running))
            del self._running[key]
            return [PoolEvent(key, "died", -signal.SIGINT)]

    outcome = batch(pool=Dying(partial(run_attempt, run=endless)))
    assert (outcome.reason, outcome.failed, outcome.waiting) == ("signal", (), 8)
    assert not any(".fail." in name for name in store.names_below("state"))


def test_a_second_signal_stops_at_once(batch: Callable[..., BatchOutcome]) -> None:
    """Whatever the task does."""
    left = threading.Event()

    def deaf(attempt: Attempt, report: Report) -> Record:
        os.kill(os.getpid(), signal.SIGTERM)
        with contextlib.suppress(StopTask):  # once the first signal was seen
            endless(attempt, report)
        os.kill(os.getpid(), signal.SIGTERM)
        left.wait(60)
        return simulated(attempt, report)

    with pytest.raises(InterruptedRunError, match="at once"):
        batch(deaf)
    left.set()


def test_a_task_that_does_not_stop_is_left(batch: Callable[..., BatchOutcome], store: LocalStore) -> None:
    """After the grace; its lease is free."""
    left = threading.Event()

    def deaf(attempt: Attempt, report: Report) -> Record:
        os.kill(os.getpid(), signal.SIGTERM)
        left.wait(60)
        return simulated(attempt, report)

    outcome = batch(deaf, grace=0.05)
    left.set()
    assert (outcome.reason, outcome.done, outcome.waiting) == ("signal", 0, 8)


def test_a_late_task_is_killed(batch: Callable[..., BatchOutcome], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it takes more than its frames at the median speed allow; it counts as a crash."""
    monkeypatch.setattr(tally, "LEAST_TIMEOUT", 0.5)

    def run(attempt: Attempt, report: Report) -> Record:
        if attempt.task.id != "v00003":
            return replace(simulated(attempt, report), seconds={"total": 1e-4})
        return endless(attempt, report)

    outcome = batch(run, timeout_factor=2)
    assert outcome.failed == ("v00003",)


def test_the_log_of_a_worker(batch: Callable[..., BatchOutcome], store: LocalStore) -> None:
    """One line per event."""
    batch()
    (name,) = store.names("workers")
    lines = [parse(line) or {} for line in (store.read(f"workers/{name}") or b"").splitlines()]
    assert [line["what"] for line in lines] == ["started", *["taken", "done"] * 8, "finished"]


def test_a_batch_in_memory(manifest: Path) -> None:
    """The same on an object store."""
    pytest.importorskip("fsspec")

    def run(attempt: Attempt, report: Report) -> Record:
        return replace(record_of(attempt.task.id), key=simulated_identity(attempt)["key"])

    url = "memory://batch-worker"
    pool = ThreadPool(partial(run_attempt, run=run))
    outcome = run_batch(manifest, url, options=BatchOptions(dynamic=True), pool=pool)
    assert outcome == BatchOutcome(8, 8, (), 0, 0)
    assert open_store(url).exists(done_name("v00000"))
    assert run_batch(manifest, url, run=run) == BatchOutcome(8, 0, (), 0, 0)


@pytest.mark.parametrize(
    "options", [{"lease": 0}, {"skew": -1}, {"dynamic": True, "shard": Shard(0, 2)}, {"retries": -1}]
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    """Refused."""
    with pytest.raises(SettingsError):
        BatchOptions(**options)
