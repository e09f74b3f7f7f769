"""Fetching published weights: resumed where they stopped, checked before they get their name."""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ...errors import ModelError
from .catalog import Weights
from .location import is_offline, verify, weights_folder

Progress = Callable[[int, int], None]
"""Called with bytes so far and bytes in all."""

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 60


def download(
    weights: Weights, *, folder: Path | None = None, force: bool = False, progress: Progress | None = None
) -> Path:
    """The file with ``weights``, fetched unless it is there already.

    Bytes go to ``<file>.part``, which an interrupted download leaves behind and the next one continues
    from; the file gets its own name only when its sha256 is the published one.

    Raises:
        ModelError: if ``VOS_OFFLINE`` forbids it, the server cannot be reached or breaks off, the
            bytes are not those published, or the folder cannot be written.
    """
    folder = weights_folder() if folder is None else folder
    path = folder / weights.file
    part = path.with_name(f"{path.name}.part")
    if path.exists() and not force:
        verify(weights, path)
        return path
    if is_offline():
        raise ModelError(
            f"VOS_OFFLINE is set, so {weights.url} is not fetched; unset it, or put the file at {path}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(weights, part, progress)
        _check(weights, part)
        os.replace(part, path)
    except OSError as error:
        raise ModelError(f"cannot write weights to {folder}: {error.strerror or error}") from error
    return path


def _fetch(weights: Weights, part: Path, progress: Progress | None) -> None:
    """Bring ``part`` to the full size, going on from what it already holds."""
    done = part.stat().st_size if part.exists() else 0
    if done > weights.size:
        part.unlink()
        done = 0
    if done == weights.size:
        return
    request = urllib.request.Request(weights.url, headers={"User-Agent": "vos"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            # A server without ranges answers 200 and begins again at the first byte.
            resumed = response.status == 206 and _range_start(response.headers.get("Content-Range")) == done
            with part.open("ab" if resumed else "wb") as file:
                _copy(response, file, done if resumed else 0, weights, progress)
    except urllib.error.HTTPError as error:
        raise ModelError(
            f"cannot fetch {weights.url}: the server responded {error.code} {error.reason}"
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        kept = part.stat().st_size if part.exists() else 0
        raise ModelError(
            f"the download of {weights.url} was interrupted after {kept} of {weights.size} bytes "
            f"({getattr(error, 'reason', error)}); run it again to resume"
        ) from error


def _copy(
    response: http.client.HTTPResponse, file: BinaryIO, done: int, weights: Weights, progress: Progress | None
) -> None:
    while block := response.read(_BLOCK):
        file.write(block)
        done += len(block)
        if done > weights.size:
            raise ModelError(f"{weights.url} sends more than the {weights.size} bytes that were published")
        if progress is not None:
            progress(done, weights.size)
    file.flush()
    os.fsync(file.fileno())


def _check(weights: Weights, part: Path) -> None:
    """Raise ModelError, and drop what was fetched if it can never become right."""
    size = part.stat().st_size
    if size < weights.size:
        raise ModelError(
            f"the download of {weights.url} ended after {size} of {weights.size} bytes; "
            "run it again to resume"
        )
    try:
        verify(weights, part)
    except ModelError as error:
        part.unlink()
        raise ModelError(
            f"what {weights.url} sent is not the published file (its sha256 is not {weights.sha256}); "
            "it was dropped; try again, or give a file of your own with --checkpoint FILE"
        ) from error


def _range_start(content_range: str | None) -> int | None:
    match = re.match(r"bytes (\d+)-", content_range or "")
    return int(match[1]) if match else None
