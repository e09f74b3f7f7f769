"""Leases: which worker works on a task, by files that can only be created once.

Lease ``g`` of a task is the file ``<id>.lease.<g>``. Whoever creates lease ``g + 1`` after lease ``g`` has
expired has the task. A worker renews its lease by rewriting its own file, and gives the task up once a
higher lease exists. On one machine a lease ends with its process. Two workers can still do one task, when
one was frozen between looking and writing;
results are deterministic and complete or absent, so this costs time and nothing else.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .layout import done_name, dump, lease_name, number_of, parse
from .store import Store

Clock = Callable[[], float]
"""Seconds since the epoch."""

LEASE_SECONDS = 600.0
SKEW_SECONDS = 30.0
"""By how much the clocks of two workers may differ."""


@dataclass(frozen=True)
class Lease:
    """A task that this worker holds."""

    task_id: str
    generation: int


class Leases:
    """Takes, renews and releases leases for one worker.

    Args:
        store: the batch.
        worker: its name.
        seconds: how long a lease lasts without renewal.
        skew: how much later than its end a lease of another worker counts as expired.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        worker: str,
        *,
        seconds: float = LEASE_SECONDS,
        skew: float = SKEW_SECONDS,
        clock: Clock = time.time,
    ) -> None:
        self.store = store
        self.worker = worker
        self.seconds = seconds
        self.skew = skew
        self.clock = clock

    def take(self, task_id: str, *, again: bool = False) -> Lease | None:
        """The task, unless another worker has it, or it is done and not to be done ``again``."""
        if not again and self.store.exists(done_name(task_id)):
            return None
        generation = 1
        while (data := self.store.read(lease_name(task_id, generation))) is not None:
            if not self._is_expired(data):
                return None
            generation += 1
        if not self.store.create(lease_name(task_id, generation), self._content(self.clock() + self.seconds)):
            return None
        lease = Lease(task_id, generation)
        if not again and self.store.exists(done_name(task_id)):  # finished between the two looks
            self.release(lease)
            return None
        return lease

    def renew(self, lease: Lease) -> bool:
        """Extend the lease; False once another worker has taken the task."""
        if not self.holds(lease):
            return False
        self._write(lease, self.clock() + self.seconds)
        return True

    def holds(self, lease: Lease) -> bool:
        """Whether no other worker has taken the task since."""
        return not self.store.exists(lease_name(lease.task_id, lease.generation + 1))

    def release(self, lease: Lease) -> None:
        """Let others take the task now."""
        self._write(lease, 0.0)

    def _write(self, lease: Lease, expires: float) -> None:
        self.store.write(lease_name(lease.task_id, lease.generation), self._content(expires))

    def _content(self, expires: float) -> bytes:
        return dump(
            {
                "worker": self.worker,
                "host": socket.gethostname(),
                "machine": machine(),
                "pid": os.getpid(),
                "started": _start_of(os.getpid()),
                "time": self.clock(),
                "expires": expires,
            }
        )

    def _is_expired(self, data: bytes) -> bool:
        """One that cannot be read was cut off by the end of its writer."""
        content: dict[str, Any] = parse(data) or {}
        if content.get("machine") == machine():
            started = _start_of(int(number_of(content, "pid")))
            if started is None or started != content.get("started", started):
                return True
        return number_of(content, "expires") + self.skew < self.clock()


@cache
def machine() -> str:
    """What tells where a process id counts: this boot of this machine, and the container.

    A random text where the system does not tell, so that nothing is concluded from process ids there.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return os.urandom(16).hex()


def _start_of(pid: int) -> int | None:
    """When a process began, in ticks since the machine did: its id may be given again. None: it has ended.

    A process that was killed and whose parent has not asked for its exit code, as in a container without an
    init process, has ended as well (state Z). 0 where the system does not tell.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else 0
    except OSError:  # it ended in this moment, or may not be looked at
        return 0
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
