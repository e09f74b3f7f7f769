"""Leases under a clock of our own, in a folder and in a store without renaming."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from batch_fakes import FakeClock

from vos.runs.batch.layout import done_name, dump, lease_name, parse
from vos.runs.batch.leases import Lease, Leases
from vos.runs.batch.store import Store, open_store


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A local folder, or fsspec's memory."""
    if request.param == "file":
        return open_store(tmp_path)
    pytest.importorskip("fsspec")
    return open_store(f"memory://{uuid.uuid4().hex}")


def leases(store: Store, clock: FakeClock, worker: str) -> Leases:
    """Of one worker; they last 60 s, and clocks may differ by 5 s."""
    return Leases(store, worker, seconds=60, skew=5, clock=clock)


def test_one_worker_has_a_task(store: Store, clock: FakeClock) -> None:
    """The second one does not get it while the lease lasts, renewed or not."""
    first, second = leases(store, clock, "a"), leases(store, clock, "b")
    lease = first.take("x")
    assert lease == Lease("x", 1)
    assert second.take("x") is None
    clock.now += 50
    assert first.renew(lease)
    clock.now += 50
    assert second.take("x") is None


def test_an_expired_lease_is_taken_over(store: Store, clock: FakeClock) -> None:
    """After its end and the difference of clocks; the old worker finds out before it writes."""
    first, second = leases(store, clock, "a"), leases(store, clock, "b")
    lease = first.take("x")
    assert lease is not None
    clock.now += 64
    assert second.take("x") is None
    clock.now += 2
    assert second.take("x") == Lease("x", 2)
    assert not first.holds(lease)
    assert not first.renew(lease)
    content = parse(store.read(lease_name("x", 1)))
    assert content is not None
    assert content["expires"] < clock.now  # not renewed after it was lost


def test_a_released_lease_is_free_at_once(store: Store, clock: FakeClock) -> None:
    """As after SIGTERM."""
    first, second = leases(store, clock, "a"), leases(store, clock, "b")
    lease = first.take("x")
    assert lease is not None
    first.release(lease)
    assert second.take("x") == Lease("x", 2)


def test_a_done_task_is_not_taken(store: Store, clock: FakeClock) -> None:
    """Whatever its leases say."""
    store.write(lease_name("x", 1), b"")
    store.write(done_name("x"), dump({}))
    assert leases(store, clock, "a").take("x") is None
    assert leases(store, clock, "a").take("y") == Lease("y", 1)


def test_a_lease_that_was_cut_off_is_expired(store: Store, clock: FakeClock) -> None:
    """Its writer died while it wrote."""
    store.write(lease_name("x", 1), b"")
    assert leases(store, clock, "a").take("x") == Lease("x", 2)


_TAKE = """
import sys
from vos.runs.batch.leases import Leases
from vos.runs.batch.store import open_store
print(Leases(open_store(sys.argv[1]), "a", clock=lambda: float(sys.argv[2])).take("x"), flush=True)
sys.stdin.read()
"""


def other_worker(folder: Path, clock: FakeClock) -> subprocess.Popen[str]:
    """A process that has taken the task ``x``, and ends when its input does."""
    command = [sys.executable, "-c", _TAKE, os.fspath(folder), str(clock.now)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "generation=1" in process.stdout.readline()
    return process


def test_a_lease_of_a_dead_process_on_this_machine_is_expired(tmp_path: Path, clock: FakeClock) -> None:
    """A worker that is started again after a kill need not wait."""
    with other_worker(tmp_path, clock):
        assert leases(open_store(tmp_path), clock, "b").take("x") is None
    assert leases(open_store(tmp_path), clock, "b").take("x") == Lease("x", 2)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell of processes")
def test_a_lease_of_a_process_nobody_has_waited_for_is_expired(tmp_path: Path, clock: FakeClock) -> None:
    """A killed worker whose parent does not ask for its exit code, as in some containers."""
    with other_worker(tmp_path, clock) as other:
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays in the list
        assert leases(open_store(tmp_path), clock, "b").take("x") == Lease("x", 2)


def test_a_lease_of_an_earlier_process_of_that_id_is_expired(tmp_path: Path, clock: FakeClock) -> None:
    """Ids of processes are given again: the time a process began tells them apart."""
    store = open_store(tmp_path)
    leases(store, clock, "a").take("x")
    content = parse(store.read(lease_name("x", 1)))
    assert content is not None
    store.write(lease_name("x", 1), dump({**content, "started": content["started"] - 1}))
    assert leases(store, clock, "b").take("x") == Lease("x", 2)


@pytest.mark.parametrize("seed", range(5))
def test_no_task_is_lost_and_none_done_twice(store: Store, clock: FakeClock, seed: int) -> None:
    """Workers that work, die and freeze in any order: every task is done, by whoever holds it last."""
    generator = random.Random(seed)
    ids = [f"t{k}" for k in range(12)]
    workers = [leases(store, clock, f"w{k}") for k in range(4)]
    held: dict[int, Lease] = {}
    done: list[str] = []
    while len(set(done)) < len(ids):
        clock.now += generator.uniform(0, 20)
        index = generator.randrange(len(workers))
        worker, lease = workers[index], held.get(index)
        if lease is None:
            taken = worker.take(generator.choice(ids))
            if taken is not None:
                held[index] = taken
            continue
        what = generator.random()
        if what < 0.15:  # killed: a new worker in its place
            del held[index]
        elif what < 0.3:  # frozen for longer than a lease
            clock.now += 70
        elif what < 0.7:
            if not worker.renew(lease):
                del held[index]
        else:
            del held[index]
            if worker.holds(lease):
                store.write(done_name(lease.task_id), dump({"worker": index}))
                done.append(lease.task_id)
    assert sorted(done) == sorted(ids)


def test_a_worker_frozen_between_look_and_write(store: Store, clock: FakeClock) -> None:
    """The only way to do a task twice; the second marker replaces the first whole."""
    first, second = leases(store, clock, "a"), leases(store, clock, "b")
    lease = first.take("x")
    assert lease is not None
    assert first.holds(lease)
    clock.now += 100  # frozen here
    other = second.take("x")
    assert other is not None
    assert second.holds(other)
    store.write(done_name("x"), dump({"result": 1}))
    store.write(done_name("x"), dump({"result": 1}))
    assert parse(store.read(done_name("x"))) == {"result": 1}
    assert second.take("x") is None
