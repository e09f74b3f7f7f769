"""Who no longer waits for an image is not waited for, and costs nothing."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from vos.server.app import create_app
from vos.server.launching import Server
from vos.server.security import Gate
from vos.server.workspace import Workspace

from .conftest import CLIP


class Running:
    """A server whose decoder waits until it may go on."""

    def __init__(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_go_on = threading.Event()
        self.futures: list[Any] = []
        images = workspace.frame_images(CLIP)
        open_video, ask = images._open_video, images.jpeg

        def open_late() -> Any:
            self.may_go_on.wait(60)
            return open_video()

        def record(index: int, width: int) -> Any:
            self.futures.append(ask(index, width))
            return self.futures[-1]

        monkeypatch.setattr(images, "_open_video", open_late)
        monkeypatch.setattr(images, "jpeg", record)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.gate = Gate(self.listener.getsockname()[1])
        config = uvicorn.Config(
            create_app(workspace, self.gate), log_config=None, lifespan="on", timeout_graceful_shutdown=3
        )
        self.server = Server(config)
        self.server.workspace = workspace
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()

    def ask(self, index: int) -> http.client.HTTPConnection:
        """Ask for an image, until that is known to the decoder."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.port, timeout=20)
        headers = {"Cookie": self.gate.set_cookie().split(";")[0]}
        before = len(self.futures)
        connection.request("GET", f"/api/videos/{CLIP}/frames/{index}.jpg", headers=headers)
        assert comes(lambda: len(self.futures) > before)
        return connection

    def stop(self) -> None:
        """End it."""
        self.server.should_exit = True
        comes(lambda: not self.server.server_state.tasks)
        self.may_go_on.set()
        self.thread.join()
        self.listener.close()


@pytest.fixture
def running(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """See the class."""
    made = Running(workspace, monkeypatch)
    yield made
    made.stop()


def comes(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something becomes true."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_an_image_that_nobody_waits_for_is_cancelled(running: Running) -> None:
    """Those of others are not, though it is the same image."""
    stays, goes = running.ask(3), running.ask(3)
    goes.close()
    assert comes(lambda: len(running.server.server_state.tasks) == 1)
    assert [future.cancelled() for future in running.futures] == [False, True]
    running.may_go_on.set()
    answer = stays.getresponse()
    assert (answer.status, answer.read()[:2]) == (200, b"\xff\xd8")


def test_a_server_that_stops_does_not_wait_for_images(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """Who waits is told, and nothing is logged as an error."""
    gone = [running.ask(index) for index in range(4)]
    for connection in gone:
        connection.close()
    waits = running.ask(5)
    with caplog.at_level(logging.WARNING):
        running.stop()
    assert waits.getresponse().status == 503
    assert not caplog.records
