"""The application: addresses and what answers them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from . import routes, video_routes
from .failures import HANDLERS
from .security import Gate, GateMiddleware
from .workspace import Workspace

REFRESH = 2.0
"""Seconds between two looks at what other annotators have appended."""

VIDEO = "/api/videos/{key}"
ROUTES = [
    Route("/api/session", routes.open_session, methods=["POST"]),
    Route("/api/project", routes.project),
    Route("/api/settings", routes.change_settings, methods=["POST"]),
    Route("/api/formats", routes.formats),
    Route("/api/keys", routes.keys),
    Route("/api/shutdown", routes.shutdown, methods=["POST"]),
    Route("/api/events", routes.append_events, methods=["POST"]),
    Route("/api/events", routes.event_stream),
    Route("/api/undo", routes.undo, methods=["POST"]),
    Route("/api/redo", routes.redo, methods=["POST"]),
    Route("/api/accept", routes.accept, methods=["POST"]),
    Route("/api/queue", routes.queue),
    Route("/api/jobs", routes.start_job, methods=["POST"]),
    Route("/api/jobs", routes.jobs),
    Route("/api/jobs/{job}", routes.cancel_job, methods=["DELETE"]),
    Route("/api/exports/{export}", routes.download),
    Route("/api/uploads", routes.upload, methods=["POST"]),
    Route("/api/files", routes.list_files),
    Route("/api/videos", routes.add_video, methods=["POST"]),
    Route(f"{VIDEO}/frames/{{index:int}}.jpg", video_routes.jpeg),
    Route(f"{VIDEO}/frames/{{index:int}}.json", video_routes.frame),
    Route(f"{VIDEO}/masks", video_routes.masks),
    Route(f"{VIDEO}/masks/{{index:int}}/{{object:int}}", video_routes.put_mask, methods=["POST"]),
    Route(f"{VIDEO}/strip", video_routes.strip),
    Route(f"{VIDEO}/prepare", video_routes.prepare, methods=["POST"]),
    Route(f"{VIDEO}/decode", video_routes.decode, methods=["POST"]),
    Route(f"{VIDEO}/draw", video_routes.draw, methods=["POST"]),
]


def static_folder() -> Path:
    """The files of the page."""
    return Path(str(resources.files("vos.server"))) / "static"


def create_app(workspace: Workspace, gate: Gate, stop: Callable[[], None] = lambda: None) -> Starlette:
    """The ASGI application.

    Args:
        workspace: what it serves; closed when the application shuts down.
        gate: what requests have to show.
        stop: called when a page asks the server to stop.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        workspace.feed.attach()
        refreshing = asyncio.create_task(_refresh(workspace))
        try:
            yield
        finally:
            refreshing.cancel()
            workspace.feed.close()
            await asyncio.to_thread(workspace.close)

    app = Starlette(
        routes=[*ROUTES, Mount("/", StaticFiles(directory=static_folder(), html=True, check_dir=False))],
        middleware=[Middleware(GateMiddleware, gate=gate)],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.state.workspace, app.state.gate, app.state.stop = workspace, gate, stop
    return app


async def _refresh(workspace: Workspace) -> None:
    while True:
        await asyncio.sleep(REFRESH)
        await asyncio.to_thread(workspace.refresh)
