"""Masks as samples in tar files, in the layout of the ``webdataset`` package: the same bytes every time.

The key of a sample is ``<task>/<frame name>``, with ``%2E`` for a dot, since a key ends at the first one.
Its members are ``.json`` with ``frame``, ``name``, ``time`` and ``objects`` (confidence and area by object
id), as in ``run.json``, and ``.mask.png``, the index PNG.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

Sample = tuple[tuple[str, bytes], tuple[str, bytes]]
"""The two members of a frame: name and content."""
MASK = ".mask.png"


def key_of_frame(task_id: str, frame_name: str) -> str:
    """The key of a frame's sample."""
    return f"{task_id}/{frame_name.replace('.', '%2E')}"


def sample_of(task_id: str, frame: Mapping[str, Any], mask: bytes) -> Sample:
    """The sample of a frame.

    Args:
        task_id: its task.
        frame: its entry in ``run.json``.
        mask: its index PNG.
    """
    key = key_of_frame(task_id, frame["name"])
    facts = {**{name: frame[name] for name in ("name", "time", "objects")}, "frame": frame["index"]}
    return (f"{key}.json", json.dumps(facts, sort_keys=True).encode()), (key + MASK, mask)


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file of time 0 and owner 0."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
