"""What answers requests about the project. ``docs/annotate_api.md`` describes each."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from ..errors import InputError
from ..formats.registry import FORMATS
from ..projects import Draft, Event, accept_confident, review_queue
from ..projects.history import ACTIONS
from . import uploads
from .bodies import LIST, NUMBER, OBJECT, TEXT, WHOLE, is_number, query_number, read_json
from .failures import Refusal
from .feed import describe_event
from .jobs import FIELDS
from .keys import read_keys
from .security import Gate
from .workspace import Workspace

ALLOWED = (*sorted(ACTIONS - {"import"}), "undo")
"""Kinds of events that pages may append; the others are the work of jobs."""
MOST_ITEMS = 1000


def workspace_of(request: Request) -> Workspace:
    """The workspace that the application serves."""
    workspace: Workspace = request.app.state.workspace
    return workspace


async def open_session(request: Request) -> Response:
    """Exchange the token for the cookie."""
    gate: Gate = request.app.state.gate
    content = await read_json(request, {"token": TEXT})
    if not gate.is_token(content["token"] or ""):
        raise Refusal(401, "session", "wrong token: open the address that vos annotate printed last")
    return Response(status_code=204, headers={"Set-Cookie": gate.set_cookie()})


async def project(request: Request) -> Response:
    """All that a page needs to begin."""
    return JSONResponse(await run_in_threadpool(workspace_of(request).describe))


async def change_settings(request: Request) -> Response:
    """How the project tracks from now on."""
    workspace = _writable(request)
    content = await read_json(request, {"model": TEXT, "memory": WHOLE})
    if content["memory"] is not None and not 0 <= content["memory"] <= 100:
        raise Refusal(400, "usage", f"memory {content['memory']}: 0 to 100 anchors")
    if content["model"] is not None:
        from ..trackers.registry import split_model

        split_model(content["model"])
    await run_in_threadpool(lambda: workspace.project.change_settings(**content))
    workspace.feed.publish("project", {})
    return JSONResponse({"settings": workspace.settings()})


async def formats(request: Request) -> Response:
    """The formats for import and export."""
    found = [
        {
            "name": name,
            "title": entry.title,
            "lost": entry.lost,
            "writes": entry.writer is not None,
            "reads": entry.reader is not None,
            "needs_frames": entry.needs_frames,
        }
        for name, entry in FORMATS.items()
        if not entry.internal
    ]
    return JSONResponse({"formats": found})


async def keys(request: Request) -> Response:
    """The user's own keys."""
    return JSONResponse(await run_in_threadpool(read_keys))


async def shutdown(request: Request) -> Response:
    """Stop the server."""
    request.app.state.stop()
    return Response(status_code=204)


async def append_events(request: Request) -> Response:
    """Append what a page did, all or none."""
    workspace = _writable(request)
    content = await read_json(request, {"events": LIST, "expect": WHOLE, "objects": OBJECT})
    objects = _meant(content["objects"] or {})
    drafts = [replace(_draft(entry, workspace), objects=objects) for entry in content["events"] or ()]
    events = await run_in_threadpool(workspace.project.append, drafts, content["expect"])
    return _appended(workspace, events)


async def undo(request: Request) -> Response:
    """Undo this annotator's last action."""
    workspace = _writable(request)
    await read_json(request, {})
    return _appended(workspace, await run_in_threadpool(workspace.project.undo))


async def redo(request: Request) -> Response:
    """Redo what was undone last."""
    workspace = _writable(request)
    await read_json(request, {})
    return _appended(workspace, await run_in_threadpool(workspace.project.redo))


async def accept(request: Request) -> Response:
    """Accept all that there is little doubt about."""
    workspace = _writable(request)
    content = await read_json(request, {"below": NUMBER, "video": TEXT})
    below = content["below"]
    if below is None or not 0 < below <= 1:
        raise Refusal(400, "usage", f"below {below}: a number above 0, at most 1")
    events = await run_in_threadpool(accept_confident, workspace.project, below, content["video"])
    return _appended(workspace, events)


async def event_stream(request: Request) -> Response:
    """What happens from now on, after what happened since the counter that the page knows."""
    workspace = workspace_of(request)
    last = request.headers.get("last-event-id", "")
    after = int(last) if is_number(last) else query_number(request, "after", 0)

    async def stream() -> AsyncIterator[bytes]:
        with workspace.feed.subscription() as queue:
            first = await run_in_threadpool(workspace.since, after)
            async for message in workspace.feed.follow(queue, first):
                yield message

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


async def queue(request: Request) -> Response:
    """The frames to look at first."""
    workspace = workspace_of(request)
    order = request.query_params.get("order", "benefit")
    if order not in ("benefit", "time"):
        raise Refusal(400, "usage", f"order={order}: benefit or time")
    video, items = request.query_params.get("video"), min(query_number(request, "items", 20), MOST_ITEMS)

    def compute() -> dict[str, Any]:
        counter = workspace.project.counter
        found = review_queue(workspace.project, video, items=items)
        entries = [item.as_dict() for item in found.items]
        if order == "time":
            entries.sort(key=lambda entry: (entry["video"], entry["frame"]))
        for entry in entries:
            if math.isinf(entry["benefit"]):
                entry["benefit"] = None
        shares = {"uncertain": round(found.uncertain, 4), "settled": round(found.settled, 4)}
        return {"counter": counter, "items": entries, **shares}

    return JSONResponse(await run_in_threadpool(compute))


async def start_job(request: Request) -> Response:
    """Start tracking, export, import, ..."""
    content = await read_json(request, FIELDS)
    job = await run_in_threadpool(workspace_of(request).jobs.start, content)
    return JSONResponse(job, 202)


async def jobs(request: Request) -> Response:
    """All jobs."""
    return JSONResponse({"jobs": workspace_of(request).jobs.describe()})


async def cancel_job(request: Request) -> Response:
    """Cancel a job."""
    name = request.path_params["job"]
    job = workspace_of(request).jobs.cancel(name)
    if job is None:
        raise Refusal(404, "unknown", f"there is no job {name!r}")
    return JSONResponse(job)


async def download(request: Request) -> Response:
    """The file of an export."""
    name = request.path_params["export"]
    path = workspace_of(request).exports.get(name)
    if path is None or not path.is_file():
        raise Refusal(404, "unknown", f"there is no export {name!r}; export again")
    return FileResponse(path, media_type="application/zip", filename=path.name)


async def upload(request: Request) -> Response:
    """Take a file with annotations, for a later import."""
    workspace = _writable(request)
    return JSONResponse(await uploads.receive_annotations(request, workspace))


async def list_files(request: Request) -> Response:
    """A folder below the one that was opened for pages."""
    workspace = workspace_of(request)
    path = request.query_params.get("path", "")
    return JSONResponse(await run_in_threadpool(uploads.list_folder, workspace.options.root, path))


async def add_video(request: Request) -> Response:
    """Add a video: one that is uploaded, or one below the folder that was opened for pages."""
    workspace = _writable(request)
    if "name" in request.query_params:
        video = await uploads.receive_video(request, workspace)
    else:
        content = await read_json(request, {"path": TEXT, "key": TEXT})
        path = uploads.below(workspace.options.root, content["path"] or "")
        video = await run_in_threadpool(workspace.project.add_video, path, content["key"])
    workspace.feed.publish("project", {})
    return JSONResponse({"video": workspace.describe_video(video)})


def _writable(request: Request) -> Workspace:
    workspace = workspace_of(request)
    if workspace.project.read_only:
        raise Refusal(403, "read-only", "the project is open read-only: nothing can be changed")
    return workspace


def _meant(entry: dict[str, Any]) -> dict[int, str]:
    if not all(is_number(number) and isinstance(event, str) for number, event in entry.items()):
        raise InputError("'objects' must hold ids of objects, and the ids of the events that added them")
    return {int(number): event for number, event in entry.items()}


def _draft(entry: Any, workspace: Workspace) -> Draft:
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
        raise InputError("an event must be an object with a 'kind'")
    kind = entry["kind"]
    if kind not in ALLOWED:
        raise InputError(f"events of kind {kind!r} cannot be sent; choose one of {', '.join(ALLOWED)}")
    payload = {key: value for key, value in entry.items() if key != "kind"}
    if "pins" in payload:
        raise InputError("'pins' cannot be sent: what is accepted is what is shown")
    segmenter = workspace.prompt_worker
    if payload.get("by") == {"name": segmenter.name}:
        payload["by"] = segmenter.record()  # pages know no versions and settings
    return Draft(kind, payload)


def _appended(workspace: Workspace, events: list[Event]) -> Response:
    return JSONResponse(
        {
            "counter": workspace.project.counter,
            "events": [describe_event(event) for event in events],
            "history": workspace.history(),
        }
    )
