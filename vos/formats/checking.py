"""What a file says of its frames, checked before anything is made of it: files may be damaged or hostile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..names import check_name
from .reading import Annotations, reading
from .records import FrameRecord

_ROOM = 16
"""Bytes of a file name for what formats put behind a frame's name."""


def guarded(annotations: Annotations, path: Path, title: str) -> Annotations:
    """The annotations, with what goes wrong in the middle of them reported as :func:`reading` does, and with
    every frame checked: what it is called and when it is shown comes from a file that may be hostile."""

    def records() -> Iterator[FrameRecord]:
        seen: set[int | str] = set()
        with reading(path, title):
            frames = annotations.records()
        while True:
            with reading(path, title):
                record = next(frames, None)
                if record is not None:
                    _check_record(record, seen)
            if record is None:
                return
            yield record

    with reading(path, title):
        fps = _rate(annotations.fps)
    return replace(
        annotations,
        records=records,
        fps=fps,
        names=_whole(annotations.names),
        categories=_whole(annotations.categories),
        guard=partial(reading, path, title),
    )


def _whole(texts: dict[int, str]) -> dict[int, str]:
    """The texts with the halves of surrogate pairs joined, which JSON and YAML can hold and no file can."""
    return {
        k: text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for k, text in texts.items()
    }


def _check_record(record: FrameRecord, seen: set[int | str]) -> None:
    """Refuse what no frame can be: frames become files, and a second one of a name would replace the first.

    Raises:
        ValueError: naming it.
    """
    for name in filter(None, (record.name, record.file_name)):
        try:
            check_name(name, "frame", room=_ROOM)
        except InputError as error:
            raise ValueError(str(error)) from None
    for key in (record.index, record.name):
        if key in seen:
            raise ValueError(
                f"there are two frames {key!r}: if they are of several videos, give each a file of its own"
            )
        seen.add(key)
    if record.time is not None and not _is_finite(record.time):
        raise ValueError(f"the time {record.time!r} of frame {record.name} is no number of seconds")
    for found in record.objects:
        if found.confidence is not None and not math.isfinite(float(found.confidence)):
            raise ValueError(f"the score {found.confidence} of object {found.object_id} is no number")


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _rate(fps: Any) -> float | None:
    """Frames per second as a number; None where the file says nothing."""
    if fps is None or fps == 0:
        return None
    if not math.isfinite(float(fps)) or float(fps) < 0:
        raise ValueError(f"{fps!r} frames per second")
    return float(fps)
