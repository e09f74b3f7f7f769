"""Extending a finished run: more frames, or corrections, without tracking again what stays as it was.

A finished run keeps states of its tracker (:class:`KeptStates`). A run that differs from it only in a later
``end``, in further prompts, and in the appearance of its overlay takes the frames up to the last usable state
from the earlier result, continues from that state, and replaces the earlier result once it is complete. Its
files are equal to those of one uninterrupted run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import OutputError
from ..files import make_folder, write_bytes_atomic
from ..frame import Frame
from ..results import FrameResult, Source
from .layout import Layout
from .state import dump_state, load_state

CHANGEABLE = ("settings.end", "settings.keep_states", "settings.overlay", "outputs.states", "targets")
"""What may differ between a finished run and the one that extends it."""
_TARGET = re.compile(r"(\d+) at frame (\d+)")


@dataclass(frozen=True)
class Extension:
    """What a finished run leaves to do."""

    record: Mapping[str, Any]
    """``run.json`` of the finished run."""
    first_change: int | None
    """Index of the first frame with a new prompt; None where there is none."""
    is_longer: bool = True
    """Whether frames may be added; else only the overlay looks different."""

    def usable(self, last_index: int) -> bool:
        """Whether the state after this frame is that of the extended run."""
        return self.first_change is None or last_index < self.first_change


def extension_of(layout: Layout, record: Mapping[str, Any], identity: Mapping[str, Any]) -> Extension | None:
    """How the run of ``identity`` extends the finished one of ``record``; None if they are equal.

    Raises:
        OutputError: fewer frames, a prompt that is gone or another, or a prompt for a new object, which
            changes frames before it.
    """
    before, now = record["targets"], identity["targets"]
    if record["settings"]["end"] == identity["settings"]["end"] and before == now:
        is_shown = "overlay" in identity["settings"]["outputs"]
        if record["settings"].get("overlay") == identity["settings"]["overlay"] or not is_shown:
            return None
        return Extension(record, None, is_longer=False)
    again = "give the same, or --overwrite to start over"
    named = next((key for key in before if key in now and _unnamed(now[key]) == _unnamed(before[key])), None)
    if named is not None and now[named] != before[named]:
        raise OutputError(
            f"{layout.folder} holds a run in which object {named} has another name: {again}; "
            "`vos tracks rename` names objects of a finished run"
        )
    gone = next((key for key in before if now.get(key) != before[key]), None)
    if gone is not None:
        raise OutputError(
            f"{layout.folder} holds a run with another prompt for object {gone}; prompts can be added to a "
            f"finished run, but not changed: {again}"
        )
    last = max((frame["index"] for frame in record["frames"]), default=-1)
    end = identity["settings"]["end"]
    if end is not None and end <= last:
        raise OutputError(
            f"{layout.folder} is done up to frame {last} already, which does not go with --end {end}: {again}"
        )
    added = [_TARGET.match(key) for key in now if key not in before]
    places = [(int(match[1]), int(match[2])) for match in added if match]
    known = {int(match[1]) for match in map(_TARGET.match, before) if match}
    new = next((number for number, _ in places if number not in known), None)
    if new is not None:
        raise OutputError(
            f"object {new} is not in the finished run in {layout.folder}, which can be extended by frames "
            "and by corrections of its objects: leave it out, or --overwrite to start over"
        )
    return Extension(record, min((frame for _, frame in places), default=None))


class KeptStates:
    """States of a run after some of its frames, in the folder of the output ``states``.

    Args:
        folder: the folder.
        limit: how many are kept: the newest, and others at a spacing that doubles as the video gets longer.
            0 keeps none.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def add(self, last_index: int, state: Mapping[str, Any]) -> None:
        """Keep the state after frame ``last_index``."""
        if self.limit:
            self._write(self.name(last_index), dump_state(dict(state)))

    def adopt(self, earlier: KeptStates, name: str) -> None:
        """Keep a state that an earlier run has kept under this name."""
        if self.limit:
            self._write(name, (earlier.folder / name).read_bytes())

    def names_until(self, last_index: int) -> list[str]:
        """Names of the states after ``last_index`` and after frames before it."""
        return [name for name in self.names() if name <= self.name(last_index)]

    def _write(self, name: str, content: bytes) -> None:
        make_folder(self.folder)
        write_bytes_atomic(self.folder / name, content)
        kept = sorted(self._paths())
        while len(kept) > self.limit:
            kept.remove(excess := _crowded(kept))
            excess.unlink(missing_ok=True)

    @staticmethod
    def name(last_index: int) -> str:
        """Of the file with the state after this frame."""
        return f"{last_index:08d}.npz"

    def names(self) -> list[str]:
        """Names of the files that are kept."""
        return [path.name for path in sorted(self._paths())]

    def newest(self, extension: Extension) -> dict[str, Any] | None:
        """The newest state from which the extended run can continue; None where there is none."""
        for path in sorted(self._paths(), reverse=True):
            if extension.usable(int(path.stem)):
                try:
                    state: dict[str, Any] = load_state(path.read_bytes())
                except (OSError, ValueError) as error:
                    raise OutputError(
                        f"cannot continue from {path}: {error}; give --overwrite to start over"
                    ) from error
                return state
        return None

    def _paths(self) -> Iterator[Path]:
        return self.folder.glob("????????.npz")


def earlier_result(layout: Layout, entry: Mapping[str, Any], frame: Frame) -> FrameResult:
    """The result of a frame in the finished run: hard masks, confidence and sources.

    Args:
        layout: of the finished run.
        entry: what its ``run.json`` has on the frame.
        frame: the frame.

    Raises:
        OutputError: its mask is missing.
    """
    path = layout.paths["masks"] / f"{entry['name']}.png"
    if not path.is_file():
        raise OutputError(f"the mask {path} of the finished run is missing: give --overwrite to start over")
    objects = {int(key): value for key, value in entry["objects"].items()}
    return FrameResult(
        frame.index,
        np.array(Image.open(path)),
        {key: value["confidence"] for key, value in objects.items()},
        source={key: Source(value["source"]) for key, value in objects.items()},
    )


def _unnamed(target: object) -> object:
    return {k: v for k, v in target.items() if k != "name"} if isinstance(target, Mapping) else target


def _crowded(kept: list[Path]) -> Path:
    """Of more files than are wanted the one whose neighbours are closest; never the newest."""
    frames = [-1, *(int(path.stem) for path in kept)]
    return min(kept[:-1], key=lambda path: (frames[kept.index(path) + 2] - frames[kept.index(path)], path))
