"""A server that is killed while it tracks: the page waits, and goes on with the next one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vos.projects import Project

from .annotator import Annotator
from .conftest import CLIP

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


@contextmanager
def running(folder: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the address that it prints."""
    command = [sys.executable, "-m", "vos_cli", "annotate", str(folder), "--no-browser", "-q"]
    options = ["--port", str(port), "--annotator", "anna"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_nothing_acknowledged_is_lost(
    project: Project, clip: Path, open_page: Callable[..., Annotator]
) -> None:
    """What was done before the kill is there; what is done meanwhile waits, and is done afterwards."""
    project.close()
    port = free_port()
    with running(project.folder, port) as (process, address):
        annotator = open_page(address, expected=("ERR_", "401", "Failed to load")).wait_until_shown(0)
        page = annotator.page
        annotator.press("n", "y")
        for corner in [(39.5, 49.5), (79.5, 49.5), (79.5, 89.5), (39.5, 89.5)]:
            annotator.click(*corner)
        annotator.press("Enter")
        annotator.wait_for("Enter keeps it")
        annotator.press("Enter")
        annotator.wait_for("Kept")
        annotator.press("t")
        page.wait_for_selector("#job:not([hidden])")
        process.kill()
        process.wait()
    page.wait_for_selector("#saved[data-state=offline]")
    annotator.press("n", "x")
    page.wait_for_selector("text=2 actions wait")
    with running(project.folder, port) as (process, address):
        token = address.partition("#token=")[2]
        # Opening the new address in another tab gives this one its session as well.
        open_session = """(token) => fetch("/api/session", {
          method: "POST", body: JSON.stringify({ token }),
          headers: { "X-Vos": "1", "Content-Type": "application/json" },
        }).then((answer) => answer.status)"""
        assert page.evaluate(open_session, token) == 204
        page.wait_for_selector("#saved[data-state=online]")
        page.wait_for_function("() => document.title.endsWith('saved')")
    with Project.open(project.folder, annotator="anna") as after:
        assert after.state.visible == (1, 2)
        one, two = (after.shown(CLIP, 0, k) for k in (1, 2))
        assert one is not None
        assert one.mask[50:90, 40:80].all()
        assert one.mask.sum() == 1600
        assert two is not None
        assert not two.mask.any()
