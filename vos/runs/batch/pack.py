"""The masks of a task as one tar in place of many small files, which object stores charge for one by one.

The tar holds the samples of :mod:`~vos.runs.batch.samples`. Its first member, ``__index__``, is a JSON object
of member name -> [offset of its content in the tar, size in bytes], so that one mask can be read without the
others; ``webdataset`` leaves that member out.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

from ...errors import OutputError
from ...files import replacing
from ..layout import read_json
from .samples import MASK, add_member, key_of_frame, sample_of

Pack = Literal["tar"]
PACKED = "masks.tar"
INDEX = "__index__"
_BLOCK = tarfile.BLOCKSIZE


def pack_masks(folder: Path, task_id: str) -> None:
    """Put the masks of a finished run into ``folder/masks.tar``, and remove their files.

    Does nothing where the run has written no masks, or where they are packed already.

    Args:
        folder: of the results, with ``run.json``.
        task_id: for the keys of samples.

    Raises:
        OutputError: a mask is missing, or the tar cannot be written.
    """
    masks, packed = folder / "masks", folder / PACKED
    if not masks.is_dir():
        return
    frames = (read_json(folder / "run.json") or {}).get("frames", [])
    missing = next((frame["name"] for frame in frames if not (masks / f"{frame['name']}.png").exists()), None)
    if missing is None:
        with replacing(packed) as temporary, temporary.open("wb") as file:
            _write(file, masks, task_id, frames)
    elif not _holds(packed, [key_of_frame(task_id, frame["name"]) + MASK for frame in frames]):
        raise OutputError(
            f"{masks} has no mask of frame {missing}: give --overwrite to track the video again"
        )
    # From here on the tar is complete: what an interruption leaves in the folder is removed the next time.
    for frame in frames:
        (masks / f"{frame['name']}.png").unlink(missing_ok=True)
    with suppress(OSError):
        masks.rmdir()


def packed_masks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Member name and content of every mask in a packed tar, in order of frames."""
    for name, (offset, size) in _index(data).items():
        if name.endswith(MASK):
            yield name, data[offset : offset + size]


def _write(file: IO[bytes], masks: Path, task_id: str, frames: list[dict[str, Any]]) -> None:
    names = [key_of_frame(task_id, frame["name"]) for frame in frames]
    places = {name: (0, 0) for key in names for name in (f"{key}.json", key + MASK)}
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        start = tar.offset + _BLOCK
        add_member(tar, INDEX, _index_text(places))  # as long as it will be, its numbers to come
        for frame in frames:
            mask = (masks / f"{frame['name']}.png").read_bytes()
            for name, data in sample_of(task_id, frame, mask):
                add_member(tar, name, data)
                places[name] = (tar.offset - _padded(len(data)), len(data))
    file.seek(start)
    file.write(_index_text(places))


def _index_text(places: dict[str, tuple[int, int]]) -> bytes:
    """JSON whose length does not depend on the numbers in it."""
    entries = (f"{json.dumps(name)}: [{offset:14d}, {size:14d}]" for name, (offset, size) in places.items())
    return ("{" + ",\n".join(entries) + "}\n").encode()


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _index(data: bytes) -> dict[str, tuple[int, int]]:
    header = tarfile.TarInfo.frombuf(data[:_BLOCK], "utf-8", "surrogateescape")
    if header.name != INDEX:
        raise OutputError(f"a {PACKED} begins with {header.name} in place of {INDEX}")
    places: dict[str, tuple[int, int]] = json.loads(data[_BLOCK : _BLOCK + header.size])
    return places


def _holds(packed: Path, names: list[str]) -> bool:
    try:
        return set(_index(packed.read_bytes())) >= set(names)
    except (OSError, ValueError, tarfile.TarError, OutputError):
        return False
