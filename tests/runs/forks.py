"""Work in forked processes: they begin at once, with everything imported, and can be ended by signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

cv2.setNumThreads(1)  # threads do not survive a fork
KILLS = int(os.environ.get("VOS_KILLS", "2"))
"""In each of the tests of kills; there are 39 of them."""


def check_whole(out: Path) -> None:
    """Every file under a final name is complete."""
    for path in out.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(out).parts)
        if hidden or not path.is_file():
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".png":
            np.asarray(Image.open(path))


class Child:
    """A process that does ``work`` and ends with exit code 0, or that of the :class:`SystemExit` it raises.

    Args:
        work: what to do.
        log: file for what it writes to stdout and stderr.
    """

    def __init__(self, work: Callable[[], object], log: Path) -> None:
        self.log = log
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        log.write_bytes(b"")
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(_run(work, log))

    @property
    def errors(self) -> str:
        """What it has written so far."""
        return self.log.read_text()

    def send(self, number: int) -> None:
        """A signal; nothing where the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, seconds: float = 300) -> int:
        """Exit code, or the negative number of the signal that ended it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"no end after {seconds} s: {self.errors}")


def _run(work: Callable[[], object], log: Path) -> int:
    """Life of the child; its exit code."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    code = 0
    try:
        work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 99
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    return code
