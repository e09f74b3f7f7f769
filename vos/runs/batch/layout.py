"""Names of the files of a batch.

::

    OUT/batch.json                      what the batch is; made by the first worker, compared by the others
    OUT/tasks/<aa>/<id>/                what `vos track` leaves
    OUT/state/<aa>/<id>.done.json       written last: the task is done
    OUT/state/<aa>/<id>.fail.<n>.json   attempt n failed
    OUT/state/<aa>/<id>.lease.<g>       who works on it
    OUT/workers/<worker>.jsonl          log of one worker

``<aa>``: the first two hexadecimal digits of SHA-256 of the id, so that no folder grows large.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .store import Store, is_url

BATCH = "batch.json"
SCHEMA = 1
"""Version of these files; it changes when one means something else than before."""

_STATE = re.compile(r"(?P<id>.+)\.(?:(?P<done>done\.json)|fail\.(?P<fail>\d+)\.json|lease\.(?P<lease>\d+))")


def prefix(task_id: str) -> str:
    """``<aa>`` of a task."""
    return hashlib.sha256(task_id.encode()).hexdigest()[:2]


def task_folder(task_id: str) -> str:
    """Folder of a task's results."""
    return f"tasks/{prefix(task_id)}/{task_id}"


def done_name(task_id: str) -> str:
    """The done marker."""
    return f"state/{prefix(task_id)}/{task_id}.done.json"


def fail_name(task_id: str, attempt: int) -> str:
    """The record of a failed attempt, from 1."""
    return f"state/{prefix(task_id)}/{task_id}.fail.{attempt}.json"


def lease_name(task_id: str, generation: int) -> str:
    """A lease, from 1."""
    return f"state/{prefix(task_id)}/{task_id}.lease.{generation}"


def dump(document: Mapping[str, Any]) -> bytes:
    """A JSON document as bytes, the same for equal documents."""
    return (json.dumps(document, sort_keys=True, ensure_ascii=False) + "\n").encode()


def parse(data: bytes | None) -> dict[str, Any] | None:
    """The JSON object in ``data``; None where there is none, or it was cut off."""
    try:
        document = json.loads(data) if data else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


_MARKER: dict[str, type | tuple[type, ...]] = {
    "key": str,
    "identity": dict,
    "place": str,
    "frames": int,
    "objects": list,
    "seconds": dict,
    "warnings": list,
    "files": dict,
    "peak_memory": int,
    "version": str,
    "worker": str,
    "attempt": int,
    "finished": (int, float),
}


def parse_marker(data: bytes | None) -> dict[str, Any] | None:
    """A done marker; None where there is none, or it is damaged: then the task counts as not done."""
    marker = parse(data)
    if marker is None or not all(isinstance(marker.get(name), kind) for name, kind in _MARKER.items()):
        return None
    if not isinstance(marker["identity"].get("video"), dict) or "total" not in marker["seconds"]:
        return None
    return {"meta": None, "size": None, "video_seconds": None, **marker}


def parse_batch(data: bytes | None) -> dict[str, Any] | None:
    """The content of ``batch.json``; None where there is none, or it is not that of a batch."""
    batch = parse(data)
    if batch is None or not isinstance(batch.get("schema"), int):
        return None
    if not all(isinstance(batch.get(name), dict) for name in ("settings", "manifest")):
        return None
    return batch if isinstance(batch["manifest"].get("path"), str) else None


def manifest_place(path: str, root: str) -> str:
    """A manifest's path as ``batch.json`` has it: relative to the batch, so that both can be moved together.

    A URL stays what it is, and a file of a batch in an object store is absolute.
    """
    if is_url(path):
        return path
    folder, name = os.path.split(os.path.abspath(path))
    whole = os.path.join(os.path.realpath(folder), name)
    try:
        return whole if is_url(root) else os.path.relpath(whole, os.path.realpath(root))
    except ValueError:  # another drive
        return whole


def manifest_path(place: str, root: str) -> str:
    """Where :func:`manifest_place` says that the manifest is."""
    if is_url(place) or is_url(root):
        return place
    return os.path.normpath(os.path.join(os.path.realpath(root), place))


def number_of(document: Mapping[str, Any], name: str) -> float:
    """A number in a document that anybody may have written; 0 where there is none."""
    value = document.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


@dataclass
class TaskFiles:
    """What there is of one task."""

    done: bool = False
    fails: list[int] = field(default_factory=list)
    """Attempts, ascending."""
    lease: int = 0
    """The highest generation; 0 without a lease."""


def survey(store: Store) -> dict[str, TaskFiles]:
    """State files by task id: a snapshot, for reports and for a first look."""
    found: dict[str, TaskFiles] = {}
    for name in store.names_below("state"):
        match = _STATE.fullmatch(name)
        if match is None:
            continue
        files = found.setdefault(match["id"], TaskFiles())
        if match["done"]:
            files.done = True
        elif match["fail"]:
            files.fails = sorted([*files.fails, int(match["fail"])])
        else:
            files.lease = max(files.lease, int(match["lease"]))
    return found
