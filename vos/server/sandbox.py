"""Reads files that were uploaded, in a process of its own with little memory and time.

Run as ``python -m vos.server.sandbox``, with the request as JSON on stdin; the answer is JSON on stdout.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import FormatError, InputError, MediaError, VosError
from ..formats.archives import extract

MEMORY_BYTES = 4 << 30
"""Of address space."""
SECONDS = 120
"""Of processor time."""
WAITING = 2
"""Seconds of waiting for each of them."""
UNPACKED_BYTES = 4 << 30
UNPACKED_FILES = 100_000
COMMAND = [sys.executable, "-m", __name__]
ORPHAN_SECONDS = 0.5
"""How often the process looks whether the server still lives."""
_KINDS: dict[str, type[VosError]] = {"InputError": InputError, "MediaError": MediaError}


def in_sandbox(request: dict[str, Any], memory: int = MEMORY_BYTES, seconds: int = SECONDS) -> dict[str, Any]:
    """What :data:`TASKS` gives for a request, computed in a process of its own with so much memory and
    processor time.

    Raises:
        FormatError: if it takes too long, or the process dies.
        InputError, MediaError: what the task raises.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            COMMAND,
            input=json.dumps({**request, "memory": memory, "seconds": seconds, "parent": os.getpid()}),
            capture_output=True,
            text=True,
            timeout=WAITING * seconds,
            env=environment,
            check=False,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise FormatError(f"reading the file took longer than {WAITING * seconds} seconds") from error
    except ValueError as error:
        raise FormatError("the file could not be read within the limits of memory and time") from error
    if "error" in answer:
        raise _KINDS[answer["kind"]](answer["error"])
    found: dict[str, Any] = answer["result"]
    return found


def unpack(archive: Path, folder: Path) -> Path:
    """The file, or the folder that a zip holds.

    Raises:
        FormatError: if it is too large unpacked, or has names that lead out of the folder.
    """
    if not zipfile.is_zipfile(archive):
        return archive
    try:
        extract(archive, folder, most_bytes=UNPACKED_BYTES, most_members=UNPACKED_FILES)
    except (ValueError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise FormatError(f"the archive cannot be unpacked: {error}") from error
    inner = [path for path in folder.iterdir() if path.name != "__MACOSX"]
    return inner[0] if len(inner) == 1 else folder


def read_annotations(request: dict[str, Any]) -> dict[str, Any]:
    """Annotations of any format, written to the file ``output``: one
    :class:`~vos.formats.records.FrameRecord` a line, whose masks are known to be as large as the frames."""
    from ..formats.importing import match_to_video
    from ..formats.records import FrameRecord, ObjectMask
    from ..formats.transfer import read
    from ..ops.rle import pack_mask

    output = Path(request["output"])
    unpacked = output.with_suffix(".unpacked")
    unpacked.mkdir()
    size = (request["size"][0], request["size"][1])
    source = unpack(Path(request["upload"]), unpacked)
    found = read(source, request["format"], size=size)
    matched = match_to_video(found, request["stems"], size, file_names=request["files"])

    def packed(record: FrameRecord) -> FrameRecord:
        masks = [
            ObjectMask(o.object_id, pack_mask(record.mask(o)), o.confidence, o.source) for o in record.objects
        ]
        return replace(record, objects=tuple(masks))

    frames = 0
    ids: set[int] = set()
    sourced: set[int] = set()
    with output.open("w", encoding="ascii") as file:
        for record in matched.records():
            with matched.guard():
                file.write(packed(record).as_json() + "\n")
            frames += 1
            ids.update(o.object_id for o in record.objects)
            sourced.update(o.object_id for o in record.objects if o.source is not None)
    return {
        "frames": frames,
        "objects": sorted(ids),
        "sourced": sorted(sourced),
        "names": {str(k): name for k, name in matched.names.items()},
        "categories": {str(k): name for k, name in matched.categories.items()},
        "notes": matched.notes,
    }


def read_video(request: dict[str, Any]) -> dict[str, Any]:
    """Size and number of frames of a video, all of which is gone through."""
    from ..video import open_video

    with open_video(request["upload"]) as video:
        return {"width": video.info.width, "height": video.info.height, "frames": video.count_frames()}


TASKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "annotations": read_annotations,
    "video": read_video,
}
"""What a request may name as its ``task``."""


def _end_with(parent: int) -> None:
    """End this process when its parent has ended, even by SIGKILL."""
    while os.name != "posix" or os.getppid() == parent:
        time.sleep(ORPHAN_SECONDS)
    os._exit(1)


def main() -> None:
    """Answer the request on stdin."""
    request = json.load(sys.stdin)
    threading.Thread(target=_end_with, args=(request["parent"],), daemon=True).start()
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (request["memory"], request["memory"]))
        resource.setrlimit(resource.RLIMIT_CPU, (request["seconds"], request["seconds"]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer: dict[str, Any] = {"result": TASKS[request["task"]](request)}
    except MediaError as error:
        answer = {"kind": "MediaError", "error": str(error)}
    except VosError as error:
        answer = {"kind": "InputError", "error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
