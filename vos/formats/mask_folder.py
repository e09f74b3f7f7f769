"""A folder of masks, and the folder of a run: masks with names, confidence and times from ``run.json``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..ops.rle import encode_counts
from .layouts import read_png_folder, without_void
from .reading import Annotations, Request, load_json
from .records import FrameRecord, ObjectMask

RECORD = "run.json"


def read_masks(path: Path, request: Request) -> Annotations:
    """Index PNGs, or 0/255 PNGs (object 1); void is left out.

    Of a run (a folder with ``run.json`` and ``masks``) frames have the index, time and confidence they were
    recorded with.
    """
    if not path.is_dir():
        raise ValueError("it is not a folder")
    record_path = path / RECORD
    if not record_path.is_file() and (path.parent / RECORD).is_file() and path.name == "masks":
        record_path = path.parent / RECORD
    if not record_path.is_file():
        if (path / ".work").is_dir():
            raise ValueError("it is a run that is not finished: finish it with --resume first")
        return read_png_folder(path, path.resolve().name, any_origin=True)
    run = load_json(record_path)
    folder = record_path.parent / str(run.get("outputs", {}).get("masks", "masks"))
    found = read_png_folder(folder, _sequence(run, record_path), values=without_void)
    by_name = {str(frame["name"]): frame for frame in run["frames"]}

    def records() -> Iterator[FrameRecord]:
        for record in found.records():
            frame = by_name.get(record.name)
            yield record if frame is None else _as_recorded(record, frame)

    names = {int(k): str(name) for k, name in run.get("names", {}).items()}
    fps = run.get("input", {}).get("fps")
    return replace(found, records=records, names=names, fps=None if fps is None else float(fps))


def _sequence(run: dict[str, Any], record_path: Path) -> str:
    source = str(run.get("input", {}).get("path") or record_path.parent.resolve().name)
    return Path(source).stem


def _as_recorded(record: FrameRecord, frame: dict[str, Any]) -> FrameRecord:
    """The record with what ``run.json`` says of its frame."""
    visible = {found.object_id: found for found in record.objects}
    nothing = encode_counts(np.zeros(record.size, bool))
    objects = []
    known = {int(k): facts for k, facts in frame["objects"].items()}
    for object_id in sorted({*visible, *known}):
        facts = known.get(object_id, {})
        confidence = facts.get("confidence", facts.get("score"))
        counts = visible[object_id].counts if object_id in visible else nothing
        objects.append(ObjectMask(object_id, counts, confidence, facts.get("source", "tracked")))
    return replace(
        record,
        index=int(frame["index"]),
        time=frame.get("time"),
        objects=tuple(objects),
        file_name=frame.get("file_name"),
    )
