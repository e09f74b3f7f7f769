"""The page in Chromium, over a rendered clip with exact truth and models that know it.

Any Chromium will do: on Debian ``apt-get install chromium``. ``VOS_CHROMIUM`` names another than the first
one on the path.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra app is not installed")
pytest.importorskip("playwright", reason="playwright is not installed: pip install playwright")
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from vos.projects import Engine, Project
from vos.scenes.shapes import line
from vos.server.app import create_app
from vos.server.security import Gate
from vos.server.workspace import Options, Workspace
from vos.testing import Scene, ScriptedBackbone, ScriptedTracker, Shape, scene, write_images

from .annotator import Annotator
from .barcode import with_barcode

FRAMES, SIZE, CLIP = 72, (144, 256), "clip"
DOUBTFUL = range(50, 54)
"""Frames in which the tracker loses half of object 1."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]


def chromium() -> str | None:
    """Path of the browser."""
    return os.environ.get("VOS_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests here. Playwright keeps an event loop running, which others must not find."""
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or name one with VOS_CHROMIUM")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        flags = [*FLAGS, *(["--no-sandbox"] if as_root else [])]
        opened = playwright.chromium.launch(executable_path=path, headless=True, args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def truth() -> Scene:
    """Two shapes; every frame carries its number as a bar code."""
    shapes = [
        Shape(1, line((60, 70), (1.0, 0.2)), 24, colour=(220, 90, 60), texture_seed=1),
        Shape(2, line((200, 100), (-0.5, 0.0)), 20, "box", colour=(70, 110, 220), texture_seed=2),
    ]
    drawn = scene(shapes, num_frames=FRAMES, size=SIZE)
    frames = [replace(frame, image=with_barcode(frame.image, frame.index)) for frame in drawn.frames]
    return replace(drawn, frames=frames)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, truth: Scene) -> Path:
    """The clip as a folder of images."""
    folder = tmp_path_factory.mktemp("browser") / CLIP
    write_images(truth, folder)
    return folder


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch, truth: Scene, backbone: ScriptedBackbone) -> None:
    """Models that know the answer; the tracker is wrong in some frames: there is something to review."""
    labels = truth.labels.copy()
    for index in DOUBTFUL:
        columns = np.flatnonzero((labels[index] == 1).any(axis=0))
        half = labels[index][:, : int(columns.mean())]
        half[half == 1] = 0
    engine = Engine(
        lambda: ScriptedTracker(labels),
        {"name": "scripted", "version": "0", "settings": "", "weights": None},
    )
    monkeypatch.setattr("vos.projects.tracking.engine_of", lambda settings: engine)
    monkeypatch.setattr("vos.backbones.registry.build_backbone", lambda name, **options: backbone)


@dataclass
class Server:
    """A server in a thread."""

    address: str
    """With the token."""
    project: Project


@pytest.fixture
def project(tmp_path: Path, clip: Path) -> Project:
    """The clip, and nothing else yet."""
    project = Project.create(tmp_path / "project", annotator="anna")
    project.add_video(clip)
    return project


@contextmanager
def serving(project: Project, options: Options) -> Iterator[str]:
    """A server in a thread, which closes the project; the address with the token."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    gate = Gate(port)
    app = create_app(Workspace(project, options), gate)
    settings = uvicorn.Config(
        app, http="h11", ws="none", lifespan="on", log_level="error", timeout_graceful_shutdown=3
    )
    running = uvicorn.Server(settings)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}/#token={gate.token}"
    app.state.workspace.feed.close()
    running.should_exit = True
    thread.join(60)
    listener.close()


@pytest.fixture
def server(project: Project) -> Iterator[Server]:
    """The project, served."""
    with serving(project, Options()) as address:
        yield Server(address, project)


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Annotator]]:
    """Opens an address in a page of its own; an error on the console or a request elsewhere fails the test.

    The page is opened as one that has been here before, unless ``is_new``.
    """
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def watch(page: Page, address: str, expected: tuple[str, ...]) -> None:
        origin = "/".join(address.split("/")[:3])
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on(
            "console",
            lambda entry: (
                entry.type == "error"
                and not any(text in entry.text for text in expected)
                and problems.append(f"console: {entry.text}")
            ),
        )
        page.on(
            "request",
            lambda sent: (
                sent.url.startswith(("http:", "https:", "ws:"))
                and not sent.url.startswith(f"{origin}/")
                and problems.append(f"request to {sent.url}")
            ),
        )

    def open_(
        address: str, *, is_new: bool = False, expected: tuple[str, ...] = (), **options: Any
    ) -> Annotator:
        context = browser.new_context(viewport={"width": 1280, "height": 720}, **options)
        contexts.append(context)
        if not is_new:
            context.add_init_script("localStorage.setItem('vos.start.closed', 'yes')")
        page = context.new_page()
        watch(page, address, expected)
        page.goto(address)
        return Annotator(page)

    yield open_
    if getattr(request.node, "failed", False):
        folder = Path(request.getfixturevalue("tmp_path"))
        for number, context in enumerate(contexts):
            for page in context.pages:
                page.screenshot(path=folder / f"page-{number}.png")
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture
def annotator(server: Server, open_page: Callable[..., Annotator]) -> Annotator:
    """Somebody in front of the page, which has loaded."""
    return open_page(server.address).wait_until_shown(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remembers that a test failed, for the screenshot."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
