"""Answers that nobody reads: their connections end, and those of slow readers go on."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra app is not installed")
import uvicorn
from uvicorn.server import ServerState

from vos.server import connections
from vos.server.connections import READING_TIME, REQUEST_TIME, TimedProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = 16 << 20
"""Bytes, more than the system takes before they are read."""


async def whole(scope: Any, receive: Any, send: Any) -> None:
    """Answers all at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(LARGE)})


async def parts(scope: Any, receive: Any, send: Any) -> None:
    """Answers piece by piece, as files are."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(LARGE >> 16):
        await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
    await send({"type": "http.response.body"})


@contextlib.contextmanager
def serving(app: Any) -> Iterator[tuple[int, uvicorn.Server]]:
    """Port and server of an application."""
    config = uvicorn.Config(
        app, log_level="error", lifespan="off", http=TimedProtocol, timeout_keep_alive=3600
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()[1], server
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def comes(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something becomes true."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("head", [REQUEST, REQUEST.replace(b"1.1", b"1.0"), REQUEST * 10])
@pytest.mark.parametrize("app", [whole, parts])
def test_connections_whose_answers_are_not_read_are_closed(
    monkeypatch: pytest.MonkeyPatch, app: Any, head: bytes
) -> None:
    """Whether or not the application is done, or asked for the end of the connection."""
    monkeypatch.setattr(connections, "REQUEST_TIME", 0.2)
    monkeypatch.setattr(connections, "READING_TIME", 0.2)
    with serving(app) as (port, server), socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head)
        assert comes(lambda: len(server.server_state.tasks) + len(server.server_state.connections) > 0)
        assert comes(lambda: not server.server_state.connections)


class Line:
    """A transport and an event loop whose buffer and time are set by hand."""

    def __init__(self) -> None:
        self.unread = 0
        self.ended = ""
        self.timers: list[Timer] = []

    def get_write_buffer_size(self) -> int:
        """See asyncio."""
        return self.unread

    def get_extra_info(self, name: str) -> None:
        """See asyncio."""

    def is_closing(self) -> bool:
        """See asyncio."""
        return bool(self.ended)

    def abort(self) -> None:
        """See asyncio."""
        self.ended = "aborted"

    def close(self) -> None:
        """See asyncio."""
        self.ended = "closed"

    def call_later(self, seconds: float, function: Callable[[], None]) -> Timer:
        """See asyncio."""
        self.timers.append(Timer(seconds, function))
        return self.timers[-1]

    def wait(self) -> float:
        """Let the timer end that does so first; its seconds."""
        timer = min((t for t in self.timers if t.is_running), key=lambda t: t.seconds)
        timer.cancel()
        timer.function()
        return timer.seconds


class Timer:
    """What an event loop would call."""

    def __init__(self, seconds: float, function: Callable[[], None]) -> None:
        self.seconds, self.function, self.is_running = seconds, function, True

    def cancel(self) -> None:
        """See asyncio."""
        self.is_running = False


class Cycle:
    """An answer."""

    response_complete = False


@pytest.fixture
def line() -> Line:
    """See the class."""
    return Line()


@pytest.fixture
def protocol(line: Line) -> TimedProtocol:
    """A connection over it."""
    config = uvicorn.Config(whole, log_level="error", timeout_keep_alive=3600)
    made = TimedProtocol(config, ServerState(), {}, line)  # type: ignore[arg-type]
    made.connection_made(line)  # type: ignore[arg-type]
    return made


def test_a_slow_reader_gets_all_of_a_long_answer(line: Line, protocol: TimedProtocol) -> None:
    """However long that takes, while some of it is taken; then the connection is like any other."""
    protocol.cycle = Cycle()  # type: ignore[assignment]
    protocol.cycle.response_complete = True
    line.unread = 1000
    protocol.on_response_complete()
    assert line.wait() == REQUEST_TIME
    while line.unread > 1:
        line.unread -= 1
        assert line.wait() == READING_TIME
        assert not line.ended
    line.unread = 0
    line.wait()
    assert line.ended == "closed"


def test_a_slow_reader_gets_an_answer_of_parts(line: Line, protocol: TimedProtocol) -> None:
    """As many bytes wait each time, but they are others."""
    protocol.cycle = Cycle()  # type: ignore[assignment]
    line.unread = 100_000
    for _ in range(10):
        protocol.pause_writing()
        line.wait()
        protocol.resume_writing()
    assert not line.ended
    protocol.pause_writing()
    line.wait()
    assert not line.ended
    line.wait()
    assert line.ended == "aborted"


def test_an_answer_may_pause(line: Line, protocol: TimedProtocol) -> None:
    """As a stream of events does; what it sent last may be on its way."""
    protocol.cycle = Cycle()  # type: ignore[assignment]
    for line.unread in (0, 0, 10, 10, 10):
        assert line.wait() == REQUEST_TIME
    assert not line.ended
