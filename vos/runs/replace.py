"""Replacing the results of an earlier run: all at once, when the new ones are complete, at any kill.

The new run writes beside (:attr:`vos.runs.layout.Layout.replacement`).
When it is complete, ``swap.json`` says so: the earlier results are removed, and the new ones moved.
The next claim of the place finishes that where a kill has stopped it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..files import make_folder, remove_leftovers, write_text_atomic
from . import work_folder
from .layout import Layout, read_json
from .work_folder import JOB, NEW, SWAP, WRITTEN, remove_if_empty


def outputs_of(ours: Mapping[str, Any]) -> list[str]:
    """The outputs that a record names; none where it is damaged."""
    outputs = ours.get("outputs", ())
    return [str(name) for name in outputs] if isinstance(outputs, Mapping | list) else []


def files_of(ours: Mapping[str, Any], work: Path) -> dict[str, list[str]]:
    """Output -> names of the files in its folder that the run that left ``ours`` has recorded."""
    frames, folders = ours.get("frames", ()), ours.get("folders", {})
    names: dict[str, list[str]] = {}
    with contextlib.suppress(TypeError, KeyError):
        names["masks"] = [f"{frame['name']}.png" for frame in frames]
    if isinstance(folders, Mapping):
        for output, files in folders.items():
            names.setdefault(str(output), []).extend(map(str, files))
    with contextlib.suppress(OSError):
        text = (work / WRITTEN).read_text(encoding="utf-8", errors="surrogateescape")
        for line in text.split("\n"):
            output, tab, name = line.partition("\t")
            if name:
                names.setdefault(output, []).append(name)
            elif output and not tab:  # as earlier versions wrote it
                names.setdefault("masks", []).append(f"{output}.png")
    return names


def _remove_results(layout: Layout) -> None:
    """Remove what the earlier run in this place made: nothing that it did not record."""
    ours = read_json(layout.record) or read_json(layout.work / JOB) or {}
    recorded, known = files_of(ours, layout.work), work_folder.tokens(layout.work)
    for output in outputs_of(ours):
        path = layout.paths.get(output)
        if path is None or path == layout.record:
            continue
        remove_leftovers(path, known)
        if path.is_dir():
            _remove_files(path, recorded.get(output, ()))
            remove_if_empty(path)
        else:
            path.unlink(missing_ok=True)
    layout.record.unlink(missing_ok=True)  # last: it says what there is to remove


def _remove_files(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a folder, by their paths in it, and the folders that are empty without them."""
    paths = [Path(name) for name in names if name and "\0" not in name]
    paths = [folder / path for path in paths if ".." not in path.parts and not path.is_absolute()]
    for path in paths:
        if not path.is_dir():
            path.unlink(missing_ok=True)
    inner = {parent for path in paths for parent in path.parents if folder in parent.parents}
    for parent in sorted(inner, key=lambda path: -len(path.parts)):
        remove_if_empty(parent)


def clear_replacement(layout: Layout) -> None:
    """Remove what is left of a replacing run that was stopped."""
    try:
        if (layout.work / NEW).is_dir():
            shutil.rmtree(layout.work / NEW)
    except OSError as error:
        raise OutputError(f"cannot remove {layout.work / NEW}: {error}") from error


def plan_swap(layout: Layout) -> None:
    """The moment from which on the new results count, and the earlier ones do not.

    Raises:
        OutputError: a new result would take the place of a file that is not of the earlier run.
    """
    ours = read_json(layout.record) or read_json(layout.work / JOB) or {}
    recorded = files_of(ours, layout.work)
    for output, new in layout.replacement.paths.items():
        old = layout.paths[output]
        mine = {old / name for name in recorded.get(output, ())}
        if output in outputs_of(ours):
            mine.add(old)
        for source in _files_in(new):
            target = old / source.relative_to(new)
            if os.path.lexists(target) and target not in mine:
                raise OutputError(
                    f"{target} is in the way, and was not made by the run that is replaced: move it away, "
                    "then --resume; the new results are complete and kept until then"
                )
    write_text_atomic(layout.work / SWAP, json.dumps({"step": "remove"}))


def swap(layout: Layout, keep: Sequence[str] = ()) -> None:
    """Remove the earlier results and move the new ones into their place; continues where it was stopped.

    Raises:
        OutputError: a file cannot be removed or moved; the next claim of the place tries again.
    """
    try:
        if (read_json(layout.work / SWAP) or {}).get("step") != "move":
            _remove_results(layout)
            write_text_atomic(layout.work / SWAP, json.dumps({"step": "move"}))
        for output in sorted(layout.paths, key=lambda name: layout.paths[name] == layout.record):  # it last
            new = layout.replacement.paths[output]
            for source in _files_in(new):
                target = layout.paths[output] / source.relative_to(new)
                make_folder(target.parent)
                os.replace(source, target)
        work_folder.clear(layout.work, layout.paths, keep=keep)
        if not keep:
            remove_if_empty(layout.work.parent, unless=layout.folder)
    except OSError as error:
        raise OutputError(
            f"cannot put the new results into {layout.folder}: {error}; they are in {layout.work / NEW}, "
            "and --resume tries again"
        ) from error


def _files_in(path: Path) -> list[Path]:
    """The file itself, or all files below a folder."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [entry for entry in found if entry.is_file()]
