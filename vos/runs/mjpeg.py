"""The newest image as a video in a browser: motion JPEG over HTTP, on this machine alone."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

HOST = "127.0.0.1"
_BOUNDARY = "vos-frame"
_PAGE = b"""<!doctype html><title>vos live</title>
<style>body{margin:0;background:#111}img{display:block;margin:auto;max-width:100%;max-height:100vh}</style>
<img src="/stream" alt="Tracked video">
"""
_WAIT = 1.0
"""Seconds after which a waiting response looks whether the server still runs."""


class MjpegServer:
    """A page that shows the image last given to :meth:`show`. A context manager.

    Only browsers on this machine reach it, and only under an address of this machine, so that no other page
    can read the images by a name that it controls.

    Args:
        port: 0 takes any free one.

    Raises:
        InputError: the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        self._news = threading.Condition()
        self._jpeg = b""
        self._count = 0
        self.closed = False
        try:
            self._server = ThreadingHTTPServer((HOST, port), _handler(self))
        except OSError as error:
            raise InputError(
                f"cannot serve on port {port}: {error.strerror}; choose another --port"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def show(self, image: NDArray[np.uint8]) -> None:
        """Make (H, W, 3) uint8 RGB the image that is shown."""
        done, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]))
        assert done
        with self._news:
            self._jpeg, self._count = data.tobytes(), self._count + 1
            self._news.notify_all()

    def next(self, count: int) -> tuple[int, bytes]:
        """The number of the newest image and its JPEG, once it is another than number ``count``."""
        with self._news:
            self._news.wait_for(lambda: self._count != count or self.closed, _WAIT)
            return self._count, self._jpeg

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._news:
            self.closed = True
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()


def _handler(images: MjpegServer) -> type[BaseHTTPRequestHandler]:
    """The class that answers requests with ``images``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").rpartition(":")[0]
            if host not in (HOST, "localhost"):
                self.send_error(403, "this address is not of this machine")
            elif self.path == "/":
                self._head("text/html; charset=utf-8", len(_PAGE))
                self.wfile.write(_PAGE)
            elif self.path == "/stream":
                self._head(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                with contextlib.suppress(OSError):  # the browser has gone
                    self._stream()
            else:
                self.send_error(404)

        def _head(self, kind: str, length: int | None = None) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "no-store")
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()

        def _stream(self) -> None:
            count = 0
            while not images.closed:
                newest, jpeg = images.next(count)
                if newest == count:
                    continue
                count = newest
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode("ascii") + jpeg + b"\r\n")

        def log_message(self, format: str, *values: object) -> None:
            """Requests are not logged."""

    return Handler
