"""Frames of a camera, a stream or a file as they come: the newest one, without a queue that grows.

::

    with vos.open_live("camera:0") as frames:
        for result in vos.track(frames, prompts):
            ...

A thread decodes and keeps the newest frame. A frame that is replaced before it was taken is dropped and
counted: what comes out is never older than one step of the consumer.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from ..errors import InputError, MediaError
from ..frame import Frame, own_frame
from .playlists import playlist_kind, self_contained_formats

CAMERAS = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("dshow", "video={}"),
}
"""Platform -> FFmpeg's input device, and the name of a camera there."""
PROTOCOLS = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "tcp", "rtp")
"""Of addresses that may be opened when they are allowed."""
TIMEOUT = 10.0
"""Seconds without a frame after which a source counts as ended, or as out of reach."""
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


class LiveFrames:
    """An iterator over the newest frames of a source; use :func:`open_live` to get one.

    ``index`` of a frame counts all frames of the source, dropped ones too, from the first one that is taken:
    that is frame 0, for which prompts are. ``time`` is in seconds of the source's clock.
    """

    def __init__(self, container: Any, name: str, *, paced: bool) -> None:
        self.name = name
        self._container = container
        self._stream = next(iter(container.streams.video), None)
        if self._stream is None:
            container.close()
            raise MediaError(f"{name} has no video")
        self._paced = paced
        self._news = threading.Condition()
        self._newest: tuple[int, av.VideoFrame] | None = None
        self._ended = False
        self._error: str | None = None
        self._stopped = threading.Event()
        self.received = 0
        """Frames of the source so far."""
        self.dropped = 0
        """Of these, frames that were replaced before they were taken."""
        self._thread = threading.Thread(target=self._decode, name="vos-live", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the source ends.

        Raises:
            MediaError: the source fails, or sends nothing for some seconds.
        """
        first: int | None = None
        while True:
            with self._news:
                self._news.wait_for(lambda: self._newest is not None or self._ended, TIMEOUT)
                taken, self._newest = self._newest, None
                if taken is None and not self._ended:
                    raise MediaError(f"{self.name} has sent no frame for {TIMEOUT:g} s")
                if taken is None and self._error is not None:
                    raise MediaError(f"cannot read {self.name} any further: {self._error}")
            if taken is None:
                return
            number, av_frame = taken
            first = number if first is None else first
            image = np.ascontiguousarray(av_frame.to_ndarray(format="rgb24"))
            yield own_frame(number - first, image, time=av_frame.time)

    def close(self) -> None:
        """Stop reading and close the source."""
        self._stopped.set()
        self._thread.join(TIMEOUT)
        if not self._thread.is_alive():
            self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _decode(self) -> None:
        """The thread: keep the newest frame, in the pace of a file's own times where it is one."""
        start = time.monotonic()
        try:
            for av_frame in self._container.decode(self._stream):
                if self._paced and av_frame.time is not None:
                    self._stopped.wait(max(0.0, start + av_frame.time - time.monotonic()))
                if self._stopped.is_set():
                    return
                with self._news:
                    self.dropped += self._newest is not None
                    self._newest = (self.received, av_frame)
                    self.received += 1
                    self._news.notify()
        except (av.FFmpegError, OSError, ValueError) as error:
            self._error = str(error)
        finally:
            with self._news:
                self._ended = True
                self._news.notify()


def open_live(source: str | os.PathLike[str] | int, *, allow_url: bool = False) -> LiveFrames:
    """Open a camera, a file played at its own rate, or an address.

    Args:
        source: ``camera:0``, or its number; ``device:FORMAT:NAME`` for any input device of FFmpeg, such as
            ``device:lavfi:testsrc``; a video file; or an address, such as ``rtsp://...``.
        allow_url: whether an address may be opened.

    Raises:
        InputError: an address that is not allowed or not understood, or a malformed device.
        MediaError: the source cannot be opened.
    """
    name = f"camera:{source}" if isinstance(source, int) else os.fspath(source)
    kind, _, rest = name.partition(":")
    url = _URL.match(name)
    options: dict[str, str] = {}
    if kind == "camera":
        if not rest:
            raise InputError(f"{name!r} names no camera: give its number or name, such as camera:0")
        device, pattern = CAMERAS.get(sys.platform, CAMERAS["linux"])
        return _opened(pattern.format(rest), name, device, options)
    if kind == "device":
        device, colon, what = rest.partition(":")
        if not (device and colon and what):
            raise InputError(
                f"{name!r} is no device: write device:FORMAT:NAME, such as device:v4l2:/dev/video2"
            )
        return _opened(what, name, device, options)
    if url is not None:
        protocol = url[1].lower()
        if protocol not in PROTOCOLS:
            raise InputError(f"{name} cannot be opened: its protocol is not one of {', '.join(PROTOCOLS)}")
        if not allow_url:
            raise InputError(f"{name} is an address, which is opened only with --allow-url")
        return _opened(name, name, None, {"timeout": str(round(TIMEOUT * 1e6))})
    path = Path(name)
    playlist = playlist_kind(path) if path.is_file() else None
    if playlist is not None:
        raise MediaError(f"cannot read {name}: it is {playlist}, which names other files or addresses")
    options = {"protocol_whitelist": "file", "format_whitelist": self_contained_formats()}
    return _opened(f"file:{path}", name, None, options, paced=True)


def _opened(
    what: str, name: str, device: str | None, options: dict[str, str], *, paced: bool = False
) -> LiveFrames:
    """The frames of what FFmpeg opens."""
    try:
        container = av.open(what, format=device, options=options, timeout=TIMEOUT)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        advice = (
            "give a video file, camera:N or a URL"
            if device is None
            else "cameras count from 0: see that it is connected and that no other program uses it"
        )
        raise MediaError(f"cannot open {name}: {reason}; {advice}") from error
    return LiveFrames(container, name, paced=paced)
