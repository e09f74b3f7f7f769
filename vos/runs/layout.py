"""Where the results of a run go."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..formats.registry import FORMATS, writers
from ..names import check_name
from .work_folder import NEW

PROGRAM = "vos"
RESERVED = ("runs", ".work")
"""Names in the output folder of a benchmark that no sequence can have."""
STATES = "states"
"""The output that holds states of a finished run, see :mod:`vos.runs.extension`."""
ROOM = 24
"""Bytes of the longest extension of a result that is named after a sequence."""


@dataclass(frozen=True)
class Layout:
    """Where the results of one run go."""

    folder: Path
    """Made for the run where absent."""
    paths: Mapping[str, Path]
    """Writer's name -> its file or folder; ``run`` is among them."""
    work: Path
    """For the time of the run."""

    @classmethod
    def of_video(cls, folder: str | os.PathLike[str]) -> Layout:
        """``vos track``: everything in one folder under the writers' own names.

        Raises:
            OutputError: if the name of the folder is empty.
        """
        if folder == "":
            raise OutputError("no output folder is named: the path is empty; . is the one you are in")
        root = Path(folder)
        names = writers(internal=True)
        paths = {name: root / FORMATS[name].default_name for name in names} | {STATES: root / ".states"}
        return cls(root, paths, root / ".work")

    @classmethod
    def of_sequence(cls, folder: str | os.PathLike[str], sequence: str, *, masks: str = "masks") -> Layout:
        """``vos benchmark``: one output in ``<folder>/<sequence>/``, all else in ``<folder>/runs/``.

        Raises:
            InputError: if the sequence has a name that cannot name a folder.
        """
        check_name(sequence, "sequence name", reserved=RESERVED, room=ROOM)
        root = Path(folder)
        runs = root / "runs"
        paths = {
            name: runs / f"{sequence}.{name}{Path(FORMATS[name].default_name).suffix}"
            for name in writers(internal=True)
        }
        paths |= {masks: root / sequence, "run": runs / f"{sequence}.json"}
        paths |= {STATES: runs / f"{sequence}.states"}
        return cls(root, paths, root / ".work" / sequence)

    @property
    def record(self) -> Path:
        """The record of the run, ``run.json``: the last file that is written or moved."""
        return self.paths["run"]

    @property
    def replacement(self) -> Layout:
        """Where a run that replaces the one in this place keeps its results until all are complete."""
        new = self.work / NEW
        paths = {name: new / name / path.name for name, path in self.paths.items()}
        return Layout(self.folder, paths, new / "state")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; an empty one where it is not ours to understand; None without a file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
