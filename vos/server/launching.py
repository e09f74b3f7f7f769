"""From a path on the command line to a running server."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import FrameType

import uvicorn

from ..errors import InputError, OutputError
from ..projects import Project
from ..projects.project_file import NAME
from ..video import open_video
from .app import create_app
from .connections import TimedProtocol
from .security import LOOPBACK, Gate
from .workspace import SUFFIX, Options, Workspace

CONNECTIONS = 200
"""At the same time."""
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Hosts that stand for all addresses -> the one that is printed."""
GRACE = 3
"""Seconds that requests have to end when the server stops."""


@dataclass(frozen=True)
class Place:
    """Where the server listens."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any that is free."""
    allow_remote: bool = False

    def check(self) -> None:
        """Refuse an address that others can reach, unless that is wanted.

        Raises:
            InputError: for it.
        """
        if not self.is_loopback and not self.allow_remote:
            raise InputError(
                f"--host {self.host}: others could reach the server, unencrypted. Rather tunnel: "
                "ssh -L PORT:127.0.0.1:PORT HOST; or give --allow-remote, too"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def names(self) -> tuple[str, ...]:
        """By which browsers may address the server."""
        found = {self.shown.lower()}
        if self.host in ANY:
            found = {socket.gethostname().lower()}
            found.update(str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None))
        names = {f"[{name}]" if ":" in name else name for name in found}
        return (*LOOPBACK, *sorted(names - set(LOOPBACK)))

    @property
    def shown(self) -> str:
        """The host of the address that is printed, as browsers write it."""
        if self.host in ANY:
            return ANY[self.host]
        if self.host == "localhost":
            return "127.0.0.1"
        try:
            return str(ipaddress.ip_address(self.host))
        except ValueError:
            return self.host


def open_project(paths: Sequence[str], annotator: str | None = None, *, read_only: bool = False) -> Project:
    """The project that paths stand for.

    Args:
        paths: a project or a video, then further videos. The project of a bare video is the folder beside it
            that ends in ``.vosproject``, and is made if it is not there.

    Raises:
        MediaError: if a video cannot be read.
        InputError: if a project cannot be opened.
        OutputError: if a project cannot be made beside the video, or written to.
    """
    first, more = Path(paths[0]), list(paths[1:])
    folder = first
    if not (first / NAME).is_file():
        with open_video(paths[0]):
            pass  # it is a video, or an error that says what it is instead
        folder = first.with_name(f"{first.stem if first.is_file() else first.name}{SUFFIX}")
        more = list(paths)
    if read_only or (folder / NAME).is_file():
        try:
            project = Project.open(folder, annotator=annotator, read_only=read_only)
        except OutputError as error:
            raise OutputError(f"{error}, or look at it without changes: --read-only") from error
    else:
        try:
            project = Project.create(folder, annotator=annotator)
        except OutputError as error:
            raise OutputError(
                f"{error}. To make the project elsewhere: vos project new {paths[0]} -o FOLDER; "
                "vos annotate FOLDER"
            ) from error
    try:
        for source in more:
            if not _holds(project, source):
                if read_only:
                    raise InputError(f"{folder} is open read-only: {source} cannot be added")
                project.add_video(source)
    except BaseException:
        project.close()
        raise
    return project


def _holds(project: Project, source: str) -> bool:
    wanted = os.path.realpath(source)
    root = project.folder.resolve()
    return any(os.path.realpath(root / video.path) == wanted for video in project.videos.values())


class Server(uvicorn.Server):
    """Ends the streams of events and the waiting for images first: they would be waited for."""

    workspace: Workspace

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self.workspace.cancel_images()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn."""
        self.workspace.feed.close()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """End the server, as SIGTERM does."""
        self.workspace.feed.close()
        self.should_exit = True


def serve(
    project: Project,
    place: Place,
    options: Options,
    *,
    announce: Callable[[str], None],
    browser: bool = False,
) -> None:
    """Serve a project until SIGINT, SIGTERM or a page ends it. The project is closed then.

    Args:
        announce: called with the address, once it can be opened.
        browser: open it.

    Raises:
        OutputError: if the port cannot be had.
    """
    try:
        place.check()
        listener = _listen(place)
    except BaseException:
        project.close()
        raise
    workspace = Workspace(project, options)
    port = listener.getsockname()[1]
    gate = Gate(port, place.names)
    shown = f"[{place.shown}]" if ":" in place.shown else place.shown
    address = f"http://{shown}:{port}/#token={gate.token}"
    config = uvicorn.Config(
        create_app(workspace, gate, lambda: server.stop()),
        http=TimedProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
    )
    server = Server(config)
    server.workspace = workspace
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:  # uvicorn raises the signal again when it has ended; that is no error here
            signal.signal(number, signal.SIG_IGN)
        announce(address)
        if browser:
            _open_browser(address, workspace.scratch)
        server.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        listener.close()


def _listen(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name != "nt":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((place.host, place.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise OutputError(
            f"cannot listen on {place.host} port {place.port}: {error.strerror or error}; "
            "choose another port, or --port 0 for any"
        ) from error
    return listener


def _open_browser(address: str, folder: Path) -> None:
    """Open the address by way of a file that only the user can read: command lines are visible to all."""
    page = folder / "open.html"
    target = escape(address, quote=True)
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={target}">\n',
        encoding="utf-8",
    )
    webbrowser.open(page.resolve().as_uri())
