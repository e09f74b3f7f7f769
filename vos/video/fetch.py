"""Videos at addresses: fetched once into a temporary file, which is then read as any other.

A video is read more than once (its packets, its frames, backwards, its digest), and every reading has to meet
the same bytes. FFmpeg opens nothing but that file: a playlist that is fetched is refused as one on the disk.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import logging
import mimetypes
import os
import re
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import weakref
from pathlib import Path

from ..errors import InputError, MediaError
from ..files import output_error, temporary_folder_beside
from ..notices import NOTICE

logger = logging.getLogger(__name__)

PROTOCOLS = ("http", "https")
TIMEOUT = 20.0
"""Seconds in which a server has to answer, and then to send at least so much:"""
LEAST_BYTES = 4096
LIMIT = 8 << 30
"""Bytes to take from a server that does not say how many it sends: it may never end."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(?:rtp|rtsp|udp|tcp|srt|http|https|mms):")
_BLOCK = 1 << 16
_MEGABYTE = 1_000_000


def is_address(text: str) -> bool:
    """Whether this is the address of something, and not a file or folder that is here."""
    return _ADDRESS.match(text) is not None and not os.path.lexists(text)


class Fetched:
    """What an address gave, in a file that is there until :meth:`close`.

    Args:
        address: what the user gave.
        allowed: whether addresses may be opened.

    Raises:
        MediaError: addresses are not allowed; this one has another protocol than http or https; the server
            cannot be reached, refuses, breaks off, or sends too slowly or without an end.
        OutputError: there is no room for it among the temporary files.
    """

    def __init__(self, address: str, *, allowed: bool) -> None:
        refused = refusal(address, allowed=allowed)
        if refused is not None:
            raise MediaError(refused)
        request, self.name = _request(address)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(temporary_folder_beside(Path(tempfile.gettempdir(), "vos-fetched")))
            folder.chmod(0o700)
            transfer = _Transfer(request, self.name, folder)
            _wait_for(transfer)
            self.path = transfer.path
            """The file; its suffix is that of the address, or goes with what the server calls it."""
            self._end = weakref.finalize(self, stack.pop_all().close)
        logger.log(NOTICE, "fetched %s (%.1f MB)", self.name, transfer.received / _MEGABYTE)

    def close(self) -> None:
        """Remove the file. Idempotent."""
        self._end()


def refusal(address: str, *, allowed: bool) -> str | None:
    """Why an address is not opened; None where it is."""
    protocol, separator, _ = address.partition("://")
    if protocol.lower() == "file":
        path = urllib.request.url2pathname(urllib.parse.urlsplit(address).path)
        return f"{address} is an address; give the file by its path: {path}"
    if not separator or protocol.lower() not in PROTOCOLS:
        return (
            f"{address} is an address, and only files, folders and globs of images are read, and with "
            f"--allow-url addresses of {' and '.join(PROTOCOLS)}; record it first, for example with: "
            f"ffmpeg -i {address} -c copy -t 60 clip.mkv"
        )
    if not allowed:
        return (
            f"{address} is an address, which is opened only with --allow-url (in Python: allow_url=True), "
            f"and not by every command; or save it as a file first, for example: curl -o clip.mp4 {address}"
        )
    return None


def _request(address: str) -> tuple[urllib.request.Request, str]:
    """What to ask the server, and the address without what may be secret: user, password and query."""
    try:
        parts = urllib.parse.urlsplit(address)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as error:
        raise InputError(f"{address} is not a valid address: {error}") from error
    if not host:
        raise InputError(f"{address} names no server: an address is http://server/file")
    place = f"[{host}]" if ":" in host else host
    place += "" if port is None else f":{port}"
    path = urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~-._") or "/"
    query = urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    name = urllib.parse.urlunsplit((parts.scheme, place, parts.path, "", ""))
    request = urllib.request.Request(
        urllib.parse.urlunsplit((parts.scheme, place, path, query, "")), headers={"User-Agent": "vos"}
    )
    if parts.username is not None:
        user = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        value = base64.b64encode(user.encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {value}")
    return request, name


class _Transfer(threading.Thread):
    """Fetches in a thread: whatever blocks there, name servers included, the caller can stop waiting."""

    def __init__(self, request: urllib.request.Request, name: str, folder: Path) -> None:
        super().__init__(name="vos-fetch", daemon=True)
        self.address = name
        self.path = folder / "video"
        self.received = 0
        self.error: Exception | None = None
        self.stopped = threading.Event()
        self._request, self._folder = request, folder

    def run(self) -> None:
        """See :class:`threading.Thread`."""
        try:
            with _opener().open(self._request, timeout=TIMEOUT) as response:
                self._copy(response)
        except Exception as error:
            self.error = error

    def _copy(self, response: http.client.HTTPResponse) -> None:
        kind = response.headers.get_content_type()
        if kind == "text/html":
            raise MediaError(
                f"{self.address} is a web page and not a video: give the address of the file itself, or save "
                "the video with a program for such pages, such as yt-dlp"
            )
        if kind.startswith("multipart/"):
            raise MediaError(f"{self.address} is a live stream without an end: track it with `vos live`")
        self.path = self._folder / _file_name(response.url, kind)
        length = response.headers.get("Content-Length", "")
        expected = int(length) if length.isdecimal() else None
        self._refuse_size(expected)
        if expected is not None:
            logger.log(NOTICE, "fetching %s (%.1f MB)", self.address, expected / _MEGABYTE)
        try:
            with self.path.open("wb") as file:
                while not self.stopped.is_set() and (block := response.read1(_BLOCK)):
                    file.write(block)
                    self.received += len(block)
                    if expected is None and self.received > LIMIT:
                        raise MediaError(
                            f"{self.address} has sent {LIMIT} bytes without an end: track a live stream with "
                            "`vos live`, or record a part of it first"
                        )
        except OSError as error:
            if error.filename is not None or error.errno in (28, 122):
                raise output_error(self.path, error) from error
            raise
        if expected is not None and self.received < expected:
            raise ConnectionError(f"the transfer was interrupted after {self.received} of {expected} bytes")

    def _refuse_size(self, expected: int | None) -> None:
        free = shutil.disk_usage(self._folder).free
        if expected is not None and expected > free:
            raise MediaError(
                f"{self.address} has {expected} bytes, and {self._folder.parent} has room for {free}: free "
                "some space, or set TMPDIR to a folder with more"
            )


def _wait_for(transfer: _Transfer) -> None:
    """Until the transfer is complete; it is given up where it is too slow, or a signal ends the wait."""
    transfer.start()
    try:
        mark, since = 0, time.monotonic()
        while transfer.is_alive():
            transfer.join(0.1)
            if transfer.received >= mark + LEAST_BYTES:
                mark, since = transfer.received, time.monotonic()
            elif transfer.is_alive() and time.monotonic() - since > TIMEOUT:
                raise MediaError(
                    f"{transfer.address} has sent {transfer.received - mark} bytes in {TIMEOUT:g} s: it is "
                    "out of reach or too slow; try again, or save it as a file first"
                )
    finally:
        transfer.stopped.set()
    error = transfer.error
    if error is None:
        return
    if isinstance(error, urllib.error.HTTPError):
        raise MediaError(
            f"cannot fetch {transfer.address}: the server responded {error.code} {error.reason}"
        ) from error
    if isinstance(error, (OSError, http.client.HTTPException)):
        reason = getattr(error, "reason", None) or error
        raise MediaError(f"cannot fetch {transfer.address}: {reason}") from error
    raise error


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https only, whatever a server redirects to, through the proxies of the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _file_name(address: str, kind: str) -> str:
    """A file name like that in the address."""
    last = urllib.parse.unquote(urllib.parse.urlsplit(address).path).rpartition("/")[2]
    stem, suffix = os.path.splitext(re.sub(r"[^\w.-]+", "_", last).strip("."))
    if not re.fullmatch(r"\.\w{1,5}", suffix):
        stem, suffix = stem + suffix, mimetypes.guess_extension(kind) or ""
    return f"{stem[:50] or 'video'}{suffix if suffix != '.bin' else ''}"
