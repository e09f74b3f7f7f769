"""The process that reads uploads ends with the server, however that ends."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from pool_fakes import is_alive, wait_until

CHILD = """
import os, time
from vos.server import sandbox
sandbox.ORPHAN_SECONDS = 0.02
def task(request):
    open(request["pid"] + ".part", "w").write(str(os.getpid()))
    os.rename(request["pid"] + ".part", request["pid"])
    time.sleep(600)
sandbox.TASKS["slow"] = task
sandbox.main()
"""
PARENT = """
import sys
from vos.server import sandbox
sandbox.COMMAND = [sys.executable, "-c", sys.argv[1]]
sandbox.in_sandbox({"task": "slow", "pid": sys.argv[2]})
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_it_does_not_outlive_a_killed_server(tmp_path: Path) -> None:
    """SIGKILL to the parent ends it in the middle of its task."""
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD, str(tmp_path / "pid")]) as parent:
        while not (tmp_path / "pid").exists():
            assert parent.poll() is None
            time.sleep(0.01)
        pid = int((tmp_path / "pid").read_text())
        assert is_alive(pid)
        parent.kill()
    assert wait_until(lambda: not is_alive(pid))
