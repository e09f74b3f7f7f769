"""The output folder of a run: what is there, whose it is, and how far it got.

::

    OUT/masks/ overlay.mp4 ...    results, each file complete or absent
    OUT/run.json                  written last: where it is, the run is finished
    OUT/.work/                    only while the run is not finished
        .vos-run                  marks the folder as ours: see work_folder.py
        job.json                  what the run is: compared on resume
        checkpoint                how far it got: position, state of tracker and writers
        items.jsonl               or, where items do not depend on each other: those that are done
        written                   the files written so far, one per line: output, tab, name
        lock                      held by the process that writes
        <output>/, backward/      pieces that become results at the end
        new/                      of a run that replaces an earlier one: its results, until all are
                                  complete, and in new/state/ all of the above
        swap.json                 the replacing run is complete, and its results are being moved
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ..errors import OutputError
from ..files import make_folder, output_error, remove_leftovers, write_bytes_atomic, write_text_atomic
from . import work_folder
from .extension import CHANGEABLE, Extension, extension_of
from .layout import PROGRAM, Layout, read_json
from .replace import clear_replacement, outputs_of, plan_swap, swap
from .state import dump_state, load_state
from .work_folder import CHECKPOINT, JOB, LOCK, MARKER, NEW, SWAP, WRITTEN, remove_if_empty

__all__ = ["PROGRAM", "Layout", "RunFolder", "claim", "differences", "earlier_run", "is_stopped", "is_taken"]

IS_NEW = " is a setting that it does not have"
SHOWN = 5
"""So many differences are named when a run cannot be resumed."""


class RunFolder:
    """The claim of one process on the place of one run. Use :func:`claim` to get one."""

    def __init__(self, layout: Layout, *, made: bool) -> None:
        self.final = layout
        """Where the results are when the run is finished."""
        self.layout = layout
        """Where they are written: another place where they replace earlier ones."""
        self._made = made
        self.finished: dict[str, Any] | None = None
        """The record of a finished run with the same identity, where there is one."""
        self.extension: Extension | None = None
        """What a finished run leaves to do of this one, where it can be extended to it."""
        self.resumed = False
        """Whether a stopped run is resumed, which may have left masks even where it has no checkpoint yet."""
        self.checkpoint: dict[str, Any] | None = None
        """What the latest checkpoint holds, where a stopped run is resumed."""
        self._written: IO[str] | None = None

    @property
    def replaces(self) -> bool:
        """Whether the results replace earlier ones when they are complete."""
        return self.layout is not self.final

    def note(self, output: str, name: str) -> None:
        """Remember that the file ``name`` in the folder of an output is ours, before it is written."""
        try:
            if self._written is None:
                self._written = (self.layout.work / WRITTEN).open(
                    "a", encoding="utf-8", errors="surrogateescape", newline="\n"
                )
            self._written.write(f"{output}\t{name}\n")
            self._written.flush()
        except OSError as error:
            raise output_error(self.layout.work / WRITTEN, error) from error

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint, or keep the one before."""
        write_bytes_atomic(self.layout.work / CHECKPOINT, dump_state(dict(state)))

    def finish(self) -> None:
        """Put results in the place of those they replace, and remove what was only needed for the run."""
        self.close()
        if self.replaces:
            plan_swap(self.final)
            swap(self.final)
        else:
            self._clear(self.final.work)

    def forget(self) -> None:
        """Leave the place as if the run had never begun; for a run that has no frame to show."""
        self.close()
        layout = self.final
        if self.replaces:
            with contextlib.suppress(OSError):
                work_folder.clear(layout.work / NEW / "state", layout.paths)
                for path in self.layout.paths.values():
                    remove_if_empty(path)
                    remove_if_empty(path.parent)
                remove_if_empty(layout.work / NEW)
            if (layout.work / JOB).exists() or (layout.work / NEW).exists():
                return
        self._clear(layout.work)
        for path in layout.paths.values():
            remove_if_empty(path)
            remove_if_empty(path.parent, unless=layout.folder)
        if self._made:
            remove_if_empty(layout.folder)

    def _clear(self, work: Path) -> None:
        with contextlib.suppress(OSError):
            work_folder.clear(work, self.final.paths)
        remove_if_empty(work.parent, unless=self.final.folder)

    def close(self) -> None:
        """Close what is open."""
        if self._written is not None:
            self._written.close()
            self._written = None


@contextlib.contextmanager
def claim(
    layout: Layout,
    identity: Mapping[str, Any],
    *,
    resume: bool = False,
    overwrite: bool = False,
    inputs: Sequence[Path] = (),
) -> Iterator[RunFolder]:
    """Take the place of a run: new, or to continue a stopped run of the same identity.

    Args:
        layout: where results go.
        identity: what makes the run what it is, JSON-able: a stopped run is resumed only with an equal one,
            ``end`` apart.
        resume: continue from what is there; with nothing there, begin.
        overwrite: replace what an earlier run left here, and nothing else, once the new results are complete.
        inputs: files that are read, none of which may be among the results.

    Raises:
        OutputError: results are there and neither flag says what to do; they are of another run; they are
            not ours; another process is writing here; the place cannot be written to; an input is there.
    """
    if resume and overwrite:
        raise OutputError("--resume and --overwrite exclude each other")
    _refuse_inputs(layout, inputs)
    made = not layout.folder.exists()
    make_folder(layout.folder)
    folder = RunFolder(layout, made=made)
    try:
        work_folder.enter(layout.work, layout.folder)
    except BaseException:
        remove_if_empty(layout.work.parent, unless=layout.folder)
        if made:
            remove_if_empty(layout.folder)
        raise
    with work_folder.lock(layout.work / LOCK, layout.folder):
        try:
            _enter(folder, identity, resume, overwrite)
        except BaseException:
            if not _is_started(layout):
                folder.forget()
            raise
        try:
            yield folder
        finally:
            folder.close()


def is_taken(layout: Layout) -> bool:
    """Whether a finished or a stopped run is there."""
    return layout.record.exists() or _is_started(layout)


def is_stopped(layout: Layout) -> bool:
    """Whether a run was stopped there, one that replaces a finished run included."""
    return _is_started(layout) and ((layout.replacement.work / JOB).exists() or not layout.record.exists())


def earlier_run(layout: Layout) -> dict[str, Any]:
    """What is recorded of the run that resuming would continue; empty where there is none of this program."""
    places = (layout.replacement.work / JOB, layout.record, layout.work / JOB)
    record = next((found for path in places if (found := read_json(path)) is not None), {})
    return record if record.get("program") == PROGRAM else {}


def _is_started(layout: Layout) -> bool:
    return (layout.work / JOB).exists() or (layout.replacement.work / JOB).exists()


def _enter(folder: RunFolder, identity: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
    """See what is in the place and do with it as asked."""
    layout = folder.final
    if (layout.work / SWAP).exists():
        swap(layout, keep=(LOCK, MARKER))
    finished = read_json(layout.record)
    stopped = read_json(layout.work / JOB)
    replacing = read_json(layout.replacement.work / JOB)
    earlier = finished if finished is not None else stopped
    if earlier is not None and earlier.get("program") != PROGRAM:
        raise OutputError(f"{layout.paths['run']} was not written by this program: choose another folder")
    if earlier is None and replacing is None:
        _refuse_strangers(layout)
        _begin(layout, identity)
    elif overwrite:
        _refuse_strangers(layout, unless=outputs_of(earlier or {}))
        clear_replacement(layout)
        folder.layout = layout.replacement
        _begin(folder.layout, identity)
    elif not resume:
        what, do = ("a run that was stopped", "continue")
        if finished is not None:
            # Only runs over videos can be extended; those over images do again what failed or has changed.
            what, do = ("a finished run", "extend" if "targets" in finished else "update")
        raise OutputError(
            f"{layout.folder} holds {what}: give --resume to {do} it, --overwrite to replace it, "
            "or another folder"
        )
    elif replacing is not None:
        folder.layout = layout.replacement
        _resume(folder, replacing, identity)
        if folder.checkpoint is None and finished is not None:
            with contextlib.suppress(OutputError):  # it replaces a run of another kind
                folder.extension = _extension(layout, finished, identity)
    elif finished is not None:
        folder.extension = _extension(layout, finished, identity)
        if folder.extension is None:
            folder.finished = finished
        else:
            clear_replacement(layout)
            folder.layout = layout.replacement
            _begin(folder.layout, identity)
    else:
        assert stopped is not None
        _resume(folder, stopped, identity)


def _extension(layout: Layout, finished: Mapping[str, Any], identity: Mapping[str, Any]) -> Extension | None:
    """How the run extends the finished one; None if it is the same; OutputError if it is another."""
    if "targets" not in finished:  # not a run over the frames of a video
        _refuse_differences(layout, finished, identity, ("input.path",))
        return None
    _refuse_differences(layout, finished, identity, ("input.path", *CHANGEABLE))
    return extension_of(layout, finished, json.loads(json.dumps(identity)))


def _resume(folder: RunFolder, before: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Continue the stopped run in the folder's layout."""
    _refuse_differences(folder.layout, before, identity, ("settings.end", "input.path"))
    folder.checkpoint = _load_checkpoint(folder.layout)
    folder.resumed = True
    _begin(folder.layout, identity)


def _begin(layout: Layout, identity: Mapping[str, Any]) -> None:
    work_folder.enter(layout.work, layout.folder)
    known = work_folder.tokens(layout.work)
    for path in layout.paths.values():
        remove_leftovers(path, known)
    text = json.dumps({"program": PROGRAM, **identity}, indent=2)
    write_text_atomic(layout.work / JOB, text + "\n")


def _load_checkpoint(layout: Layout) -> dict[str, Any] | None:
    path = layout.work / CHECKPOINT
    try:
        state: dict[str, Any] = load_state(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot continue from {path}: {error}; give --overwrite to start over") from error
    return state


def _refuse_strangers(layout: Layout, unless: Iterable[str] = ()) -> None:
    """OutputError where a result would replace, or mix with, what is not known to be ours."""
    for name, path in layout.paths.items():
        is_empty = path.is_dir() and not any(path.iterdir())
        if name not in unless and os.path.lexists(path) and not is_empty:
            raise OutputError(f"{path} was not made by this program: remove it, or choose another folder")


def _refuse_inputs(layout: Layout, inputs: Sequence[Path]) -> None:
    """OutputError where an input is, or lies in, what the run writes or replaces."""
    places = [os.path.realpath(path) for path in (*layout.paths.values(), layout.work)]
    for path in inputs:
        real = os.path.realpath(path)
        for place in places:
            if real == place or real.startswith(place + os.sep):
                raise OutputError(
                    f"the input {path} is among the results in {layout.folder}, which this run would "
                    "replace: choose another output folder"
                )


def _refuse_differences(
    layout: Layout, before: Mapping[str, Any], now: Mapping[str, Any], free: tuple[str, ...]
) -> None:
    found = list(differences(before, json.loads(json.dumps(now)), free=free))
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        is_look = all(text.startswith("settings.overlay.") for text in found)
        hint = " (the overlay of a finished run can be changed, see also `vos visualize`)" if is_look else ""
        if all(text.startswith(("settings.outputs ", "outputs.")) for text in found):
            hint = " (`vos export` writes other formats of a finished run)"
        advice = f"Give the same settings{hint}"
        if any(text.endswith(IS_NEW) for text in found):
            advice = "It was made by an earlier version of vos: continue it with that version"
        raise OutputError(
            f"{layout.folder} holds a run with other settings, which --resume cannot continue: "
            f"{'; '.join(found[:SHOWN])}{more}. {advice}, or --overwrite to start over"
        )


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], *, free: tuple[str, ...] = (), where: str = ""
) -> Iterator[str]:
    """Where ``now`` differs from ``before``, for people; keys only ``before`` has at the top do not count."""
    keys = [key for key in (*now, *(before if where else ())) if f"{where}{key}" not in free]
    for key in dict.fromkeys(keys):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if where.startswith("engine.") and key not in before:
            yield f"{where}{key}{IS_NEW}"
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, free=free, where=f"{where}{key}.")
        else:
            yield f"{where}{key} was {_short(old)}, is {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
