"""Functions that worker processes import by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vos.pool import Report


def work(argument: Any, report: Report) -> Any:
    """Does what the argument says."""
    what, value = argument
    if what == "square":
        report(value)
        return value * value
    if what == "fail":
        raise ValueError(value)
    if what == "unpicklable":
        return lambda: value
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        os._exit(value)
    if what == "pid":
        return os.getpid()
    if what == "environment":
        return os.environ.get(value)
    if what == "signals":
        return [signal.getsignal(number) is signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM)]
    if what == "forever":
        while True:
            report("still here")
            time.sleep(0.01)
    raise AssertionError(what)


def is_alive(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> bool:
    """Poll; False where it does not come true."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def main() -> None:
    """A parent with a task that never ends; says the process id of its worker."""
    from vos.pool import ProcessPool, run_all

    pool = ProcessPool(work, 1)
    (event,) = run_all(pool, {"pid": ("pid", None)})
    pool.submit("task", ("forever", None))
    while not pool.wait(1.0):
        pass
    print(event.value, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
