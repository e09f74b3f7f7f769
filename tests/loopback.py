"""A web server on this machine that answers well and badly, for tests of addresses."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What is sent for a path."""

    body: bytes = b""
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    has_length: bool = True
    waits: bool = False
    """Whether the connection is held open after the body until the server ends."""
    endless: bool = False
    """Whether the body is sent again and again."""


@dataclass
class Server:
    """Its address, what it answers by path, and the requests that it got."""

    address: str
    answers: dict[str, Answer]
    requests: list[tuple[str, dict[str, str]]]


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of the loopback interface."""
    answers: dict[str, Answer] = {}
    requests: list[tuple[str, dict[str, str]]] = []
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append((self.path, dict(self.headers)))
            answer = answers.get(self.path.partition("?")[0], Answer(code=404))
            self.send_response(answer.code)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.has_length and "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(answer.body)
                while answer.endless and not ended.is_set():
                    self.wfile.write(answer.body)
                if answer.waits:
                    self.wfile.flush()
                    ended.wait()

        log_message: Callable[..., None] = lambda self, *_: None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}", answers, requests)
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
