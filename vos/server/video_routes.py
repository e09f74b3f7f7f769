"""What answers requests about one video. ``docs/annotate_api.md`` describes each."""

from __future__ import annotations

import asyncio
import gzip
from concurrent.futures import Future
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..arrays import Mask
from ..errors import InputError
from ..ops.boxes import tight_box
from ..projects import ProjectVideo
from ..prompts import Prompt
from .bodies import FLAG, LIST, MASK_BYTES, WHOLE, query_number, read_body, read_json
from .drawing import fill_holes, paint
from .failures import Refusal
from .frame_images import width_of
from .prompt_worker import SupersededError
from .routes import workspace_of
from .runs import MEDIA_TYPE, join_frames, mask_from_body, mask_from_json, mask_to_json
from .workspace import Workspace

FOREVER = "private, max-age=31536000, immutable"
MOST_FRAMES = 200
"""Of masks in one answer."""
SHORTEST_DIGEST = 8
WARM_UP_AFTER = 0.5
"""Seconds after an image."""
ANYTHING = (str, dict)


def video_of(request: Request) -> ProjectVideo:
    """The video of the address.

    Raises:
        Refusal: 404 for an unknown one.
    """
    key = request.path_params["key"]
    video = workspace_of(request).project.videos.get(key)
    if video is None:
        raise Refusal(404, "unknown", f"there is no video {key!r}")
    return video


def _index(request: Request, video: ProjectVideo) -> int:
    index: int = request.path_params["index"]
    if index >= video.frames:
        raise Refusal(404, "unknown", f"{video.key!r} has the frames 0 to {video.frames - 1}, not {index}")
    return index


async def _wait_for(request: Request, future: Future[Any]) -> Any:
    """What a future gives. It is cancelled if the client goes: nothing is begun that has no reader.

    Raises:
        Refusal: 503 if it was cancelled, as when the server stops.
    """
    waiting = asyncio.wrap_future(future)
    going = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({waiting, going}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        going.cancel()
        waiting.cancel()  # nothing, where it is done
    if waiting.cancelled():
        raise Refusal(503, "busy", "the request was given up, or the server stops")
    return waiting.result()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def jpeg(request: Request) -> Response:
    """A frame as JPEG."""
    video = video_of(request)
    index = _index(request, video)
    digest = request.query_params.get("d")
    own = video.fingerprint["sha256"]
    if digest is not None and (len(digest) < SHORTEST_DIGEST or not own.startswith(digest)):
        raise Refusal(
            404, "unknown", f"the video {video.key!r} is another one now: ask for the project again"
        )
    width = width_of(query_number(request, "w", 0) or None, video.width)
    images = workspace_of(request).frame_images(video.key)
    if "near" in request.query_params:
        found = await run_in_threadpool(images.store.nearest, index, width)
        data = images.store.get(*found) if found else None
        if found is None or data is None:
            return Response(status_code=204)
        return Response(data, media_type="image/jpeg", headers={"X-Vos-Frame": str(found[0])})
    data = await _wait_for(request, images.jpeg(index, width))
    # Loading a model takes most of the processor for a while: not before there is something to see.
    asyncio.get_running_loop().call_later(WARM_UP_AFTER, workspace_of(request).prompt_worker.warm_up)
    caching = FOREVER if digest is not None else "no-store"
    headers = {"Cache-Control": caching, "X-Vos-Frame": str(index)}
    return Response(data, media_type="image/jpeg", headers=headers)


async def frame(request: Request) -> Response:
    """The objects of a frame."""
    video = video_of(request)
    index = _index(request, video)
    return JSONResponse(await run_in_threadpool(workspace_of(request).timelines.frame, video.key, index))


async def masks(request: Request) -> Response:
    """The masks of a range of frames."""
    video = video_of(request)
    first, last = query_number(request, "first"), query_number(request, "last")
    if not first <= last < video.frames or last - first >= MOST_FRAMES:
        raise Refusal(
            400,
            "usage",
            f"first={first}, last={last}: at most {MOST_FRAMES} of the frames 0 to {video.frames - 1}",
        )
    timelines = workspace_of(request).timelines

    def encode() -> tuple[bytes, int]:
        frames, counter = timelines.masks(video.key, first, last)
        return gzip.compress(join_frames(frames), 1, mtime=0), counter

    body, counter = await run_in_threadpool(encode)
    headers = {"Content-Encoding": "gzip", "X-Vos-Counter": str(counter)}
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


async def put_mask(request: Request) -> Response:
    """Store a mask that was drawn."""
    video, workspace = video_of(request), workspace_of(request)
    if workspace.project.read_only:
        raise Refusal(403, "read-only", "the project is open read-only: nothing can be changed")
    _index(request, video)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = await read_body(request, MASK_BYTES)

    def store() -> dict[str, Any]:
        mask = mask_from_body(data, media_type, video.size)
        return {"digest": workspace.project.put_mask(video.key, mask), "area": int(mask.sum())}

    return JSONResponse(await run_in_threadpool(store))


async def strip(request: Request) -> Response:
    """The timeline."""
    video = video_of(request)
    return JSONResponse(await run_in_threadpool(workspace_of(request).timelines.strip, video.key))


async def prepare(request: Request) -> Response:
    """Get a frame ready for clicks."""
    video, workspace = video_of(request), workspace_of(request)
    content = await read_json(request, {"frame": WHOLE})
    index = _frame_in(content, video)
    future = workspace.prompt_worker.prepare((video.key, index), lambda: _load(workspace, video.key, index))
    try:
        await _wait_for(request, future)
    except SupersededError:
        return JSONResponse({"ready": False})
    return JSONResponse({"ready": True})


async def decode(request: Request) -> Response:
    """The mask that clicks and boxes give."""
    video, workspace = video_of(request), workspace_of(request)
    content = await read_json(
        request,
        {
            "frame": WHOLE,
            "object": WHOLE,
            "points": LIST,
            "labels": LIST,
            "box": LIST,
            "rough": ANYTHING,
            "refine": FLAG,
            "seq": WHOLE,
        },
    )
    index, object_id = _frame_in(content, video), content["object"] or 0
    prompt = _prompt(content)
    known = await run_in_threadpool(_base, workspace, video, index, object_id, content["rough"])
    future = workspace.prompt_worker.decode(
        (video.key, index),
        lambda: _load(workspace, video.key, index),
        prompt,
        known,
        refine=bool(content["refine"]),
        object_id=object_id,
        number=content["seq"] or 0,
    )
    try:
        answer = await _wait_for(request, future)
    except SupersededError:
        return JSONResponse({"seq": content["seq"], "superseded": True})
    described = await run_in_threadpool(_describe, answer.mask)
    more = {"message": answer.message} if answer.message else {}
    return JSONResponse(
        {
            "seq": content["seq"],
            **described,
            "score": round(answer.confidence, 4),
            "refined": bool(content["refine"]),
            "ms": round(answer.milliseconds, 1),
            **more,
        }
    )


async def draw(request: Request) -> Response:
    """The mask that strokes and polygons give."""
    video, workspace = video_of(request), workspace_of(request)
    content = await read_json(
        request, {"frame": WHOLE, "object": WHOLE, "base": ANYTHING, "strokes": LIST, "fill_holes": FLAG}
    )
    index = _frame_in(content, video)

    def compute() -> dict[str, Any]:
        base = _base(workspace, video, index, content["object"] or 0, content["base"])
        mask = np.zeros(video.size, bool) if base is None else base
        mask = paint(mask, content["strokes"] or ())
        return _describe(fill_holes(mask) if content["fill_holes"] else mask)

    return JSONResponse(await run_in_threadpool(compute))


def _frame_in(content: dict[str, Any], video: ProjectVideo) -> int:
    index = content["frame"]
    if index is None or not 0 <= index < video.frames:
        raise InputError(f"frame {index}: {video.key!r} has the frames 0 to {video.frames - 1}")
    return int(index)


def _load(workspace: Workspace, key: str, index: int) -> Any:
    return workspace.frame_images(key).frame(index).result()


def _base(workspace: Workspace, video: ProjectVideo, index: int, object_id: int, value: Any) -> Mask | None:
    """What a prompt corrects: a MASK, the mask that is shown, or None."""
    if isinstance(value, dict):
        return mask_from_json(value, video.size)
    if value not in (None, "shown", "none"):
        raise InputError(f"{value!r}: 'shown', 'none', or a mask is needed")
    if value != "shown" or object_id not in workspace.project.state.objects:
        return None
    shown = workspace.project.shown(video.key, index, object_id)
    return None if shown is None else shown.mask


def _prompt(content: dict[str, Any]) -> Prompt:
    """The prompt of a request.

    Raises:
        InputError: if there is none, or it is malformed.
    """
    points, labels, box = content["points"], content["labels"], content["box"]
    try:
        with np.errstate(over="ignore"):  # a point that far away is refused as any outside the frame
            return _built(points, labels, box)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"points, labels or box are wrong: {error}") from error


def _built(points: Any, labels: Any, box: Any) -> Prompt:
    return Prompt(
        points=np.array(points, np.float32).reshape(-1, 2) if points else None,
        labels=np.array(labels, np.int64) if points and labels else None,
        box=np.array(box, np.float32) if box else None,
    )


def _describe(mask: Mask) -> dict[str, Any]:
    box = tight_box(mask)
    return {"mask": mask_to_json(mask), "area": int(mask.sum()), "box": list(box) if box else None}
