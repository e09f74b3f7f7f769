"""Files that come from pages, and the folder that pages may look into."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from ..errors import VosError
from ..files import visible
from ..formats.base import safe_name
from ..projects import ProjectVideo
from ..video.source import IMAGE_KINDS, natural_order
from .bodies import MASK_BYTES, VIDEO_BYTES, chunks
from .failures import Refusal
from .sandbox import in_sandbox
from .workspace import Workspace

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv", ".gif")
)
"""Of the files that a listing shows as videos."""
VIDEOS = "videos"
"""Folder of a project for uploaded videos."""


async def receive_annotations(request: Request, workspace: Workspace) -> dict[str, Any]:
    """Keep the body until the server stops; a key for it."""
    name = _file_name(request)
    key = secrets.token_hex(8)
    path = workspace.scratch / key / name
    size = await _receive(request, path, MASK_BYTES)
    workspace.uploads[key] = path
    return {"upload": key, "name": name, "size": size}


async def receive_video(request: Request, workspace: Workspace) -> ProjectVideo:
    """Add the video in the body; it is kept in the project.

    Raises:
        Refusal: 403 unless uploads are switched on.
        MediaError: if it is no video.
    """
    if not workspace.options.upload:
        raise Refusal(403, "off", "videos cannot be uploaded: start vos annotate with --upload")
    name = _file_name(request)
    folder = workspace.project.folder / VIDEOS
    path = folder / name
    if path.exists():
        raise Refusal(400, "usage", f"the project has a video file {name!r} already: rename yours")
    part = folder / f".{secrets.token_hex(8)}{path.suffix}"
    try:
        await _receive(request, part, VIDEO_BYTES)
        await run_in_threadpool(in_sandbox, {"task": "video", "upload": str(part)})
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    try:
        return await run_in_threadpool(workspace.project.add_video, path)
    except VosError:
        path.unlink()
        raise


def below(root: Path | None, text: str) -> Path:
    """The path ``text`` below ``root``.

    Raises:
        Refusal: 403 without a root; 404 for what is not there, hidden, or leads out, also by a link.
    """
    if root is None:
        raise Refusal(403, "off", "no folder is open for pages: start vos annotate with --root DIR")
    absent = Refusal(404, "unknown", f"there is no {text!r} in the folder that is open for pages")
    parts = Path(text).parts
    if "\0" in text or any(part.startswith(".") for part in parts):
        raise absent
    real_root = root.resolve()
    path = (real_root / text).resolve()
    if not path.is_relative_to(real_root) or not path.exists():
        raise absent
    return path


def list_folder(root: Path | None, text: str) -> Mapping[str, Any]:
    """Folders, videos and folders of images in a folder below ``root``; hidden files are left out.

    Raises:
        Refusal: as :func:`below`.
    """
    folder = below(root, text)
    assert root is not None
    if not folder.is_dir():
        raise Refusal(404, "unknown", f"{text!r} is not a folder")
    inside = [path for path in visible(folder.iterdir()) if path.resolve().is_relative_to(root.resolve())]
    folders = [path for path in inside if path.is_dir()]
    return {
        "path": folder.relative_to(root.resolve()).as_posix(),
        "folders": [path.name for path in natural_order(folders)],
        "videos": [
            path.name
            for path in natural_order(inside)
            if (path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES)
            or (path.is_dir() and any(one.suffix.lower() in IMAGE_KINDS for one in visible(path.iterdir())))
        ],
    }


async def _receive(request: Request, path: Path, limit: int) -> int:
    """Write the body to a file; its size."""
    await run_in_threadpool(lambda: path.parent.mkdir(parents=True, exist_ok=True))
    size = 0
    try:
        with path.open("xb") as file:
            async for chunk in chunks(request, limit):
                size += len(chunk)
                await run_in_threadpool(file.write, chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if not size:
        path.unlink()
        raise Refusal(400, "usage", "the file is empty")
    return size


def _file_name(request: Request) -> str:
    """A safe name for the file that a page names."""
    given = request.query_params.get("name", "")
    stem, suffix = Path(re.sub(r".*[/\\]", "", given)).stem, Path(given).suffix.lower()
    if not stem or not re.fullmatch(r"\.[a-z0-9]{1,8}", suffix):
        raise Refusal(400, "usage", f"name={given}: a file name with its ending is needed")
    return f"{safe_name(stem)}{suffix}"
