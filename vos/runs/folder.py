"""The output folder of a run: what is there, whose it is, and how far it got.

::

    OUT/masks/ overlay.mp4 ...    results, each file complete or absent
    OUT/run.json                  written last: where it is, the run is finished
    OUT/.work/                    only while the run is not finished
        job.json                  what the run is: compared on resume
        checkpoint                how far it got: position, state of tracker and writers
        written                   names of the masks written so far, one a line
        lock                      held by the process that writes
        <output>/, backward/      pieces that become results at the end
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import BusyError, OutputError
from ..files import make_folder, output_error, remove_leftovers, write_bytes_atomic, write_text_atomic
from ..formats.registry import FORMATS, writers
from .state import dump_state, load_state

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows: two runs into one folder are not told apart)
    fcntl = None  # type: ignore[assignment]

PROGRAM = "vos"
SHOWN = 5
"""So many differences are named when a run cannot be gone on with."""


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
        """``vos track``: everything in one folder under the writers' own names."""
        root = Path(folder)
        names = writers(internal=True)
        return cls(root, {name: root / FORMATS[name].default_name for name in names}, root / ".work")

    @classmethod
    def of_sequence(cls, folder: str | os.PathLike[str], sequence: str) -> Layout:
        """``vos benchmark``: masks in ``<folder>/<sequence>/``, all else in ``<folder>/runs/``."""
        root = Path(folder)
        runs = root / "runs"
        paths = {
            name: runs / f"{sequence}.{name}{Path(FORMATS[name].default_name).suffix}"
            for name in writers(internal=True)
        }
        paths |= {"masks": root / sequence, "run": runs / f"{sequence}.json"}
        return cls(root, paths, root / ".work" / sequence)


class RunFolder:
    """The claim of one process on the place of one run. Use :func:`claim` to get one."""

    def __init__(self, layout: Layout, *, made: bool) -> None:
        self.layout = layout
        self._made = made
        self.finished: dict[str, Any] | None = None
        """The record of a finished run with the same identity, where there is one."""
        self.resumed = False
        """Whether a stopped run goes on, which may have left masks even where it has no checkpoint yet."""
        self.checkpoint: dict[str, Any] | None = None
        """What the latest checkpoint holds, where a stopped run goes on."""
        self._written: IO[str] | None = None

    def note_mask(self, name: str) -> None:
        """Remember that a mask of this name is ours, before it is written."""
        try:
            if self._written is None:
                self._written = (self.layout.work / "written").open("a", encoding="utf-8")
            self._written.write(name + "\n")
            self._written.flush()
        except OSError as error:
            raise output_error(self.layout.work / "written", error) from error

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint, or keep the one before."""
        write_bytes_atomic(self.layout.work / "checkpoint", dump_state(dict(state)))

    def finish(self) -> None:
        """Remove what was only needed for the time of the run."""
        self.close()
        shutil.rmtree(self.layout.work, ignore_errors=True)
        _remove_if_empty(self.layout.work.parent, unless=self.layout.folder)

    def forget(self) -> None:
        """Leave the place as if the run had never begun; for a run that has no frame to show."""
        self.finish()
        folder = self.layout.folder
        for path in self.layout.paths.values():
            _remove_if_empty(path)
            _remove_if_empty(path.parent, unless=folder)
        if self._made:
            _remove_if_empty(folder)

    def close(self) -> None:
        """Close what is open."""
        if self._written is not None:
            self._written.close()
            self._written = None


@contextlib.contextmanager
def claim(
    layout: Layout, identity: Mapping[str, Any], *, resume: bool = False, overwrite: bool = False
) -> Iterator[RunFolder]:
    """Take the place of a run: new, or to go on with a stopped run of the same identity.

    Args:
        layout: where results go.
        identity: what makes the run what it is, JSON-able: a stopped run goes on only with an equal one,
            ``end`` apart.
        resume: go on with what is there; with nothing there, begin.
        overwrite: remove what an earlier run left here, and nothing else.

    Raises:
        OutputError: results are there and neither flag says what to do; they are of another run; they are
            not ours; another process is writing here; the place cannot be written to.
    """
    made = not layout.folder.exists()
    make_folder(layout.folder)
    make_folder(layout.work)
    with _lock(layout.work / "lock", layout.folder):
        folder = RunFolder(layout, made=made)
        try:
            _look(folder, identity, resume, overwrite)
        except BaseException:
            if not (layout.work / "job.json").exists():
                folder.forget()
            raise
        try:
            yield folder
        finally:
            folder.close()


def is_taken(layout: Layout) -> bool:
    """Whether a finished or a stopped run is there."""
    return layout.paths["run"].exists() or (layout.work / "job.json").exists()


def _look(folder: RunFolder, identity: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
    """See what is in the place and do with it as asked."""
    if resume and overwrite:
        raise OutputError("--resume and --overwrite exclude each other")
    layout = folder.layout
    finished = _read_json(layout.paths["run"])
    stopped = _read_json(layout.work / "job.json")
    ours = finished if finished is not None else stopped
    if ours is not None and ours.get("program") != PROGRAM:
        raise OutputError(f"{layout.paths['run']} was not written by this program: choose another folder")
    if ours is None:
        _refuse_strangers(layout)
        _begin(layout, identity)
    elif overwrite:
        _remove_results(layout, ours, finished is not None)
        _begin(layout, identity)
    elif not resume:
        what = "a finished run" if finished is not None else "a run that was stopped"
        raise OutputError(
            f"{layout.folder} holds {what}: give --resume to go on with it, --overwrite to replace it, "
            "or another folder"
        )
    elif finished is not None:
        _refuse_differences(layout, finished, identity, ("input.path",))
        folder.finished = finished
    else:
        _refuse_differences(layout, ours, identity, ("settings.end", "input.path"))
        folder.checkpoint = _load_checkpoint(layout)
        folder.resumed = True
        _begin(layout, identity)


def _begin(layout: Layout, identity: Mapping[str, Any]) -> None:
    for path in layout.paths.values():
        if path.parent.is_dir():
            remove_leftovers(path.parent)
    text = json.dumps({"program": PROGRAM, **identity}, indent=2)
    write_text_atomic(layout.work / "job.json", text + "\n")


def _load_checkpoint(layout: Layout) -> dict[str, Any] | None:
    path = layout.work / "checkpoint"
    try:
        state: dict[str, Any] = load_state(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot go on from {path}: {error}; give --overwrite to start anew") from error
    return state


def _refuse_strangers(layout: Layout) -> None:
    """OutputError where a result would replace, or mix with, what nobody told us is ours."""
    for path in layout.paths.values():
        is_empty = path.is_dir() and not any(path.iterdir())
        if path.exists() and not is_empty:
            raise OutputError(f"{path} was not made by this program: remove it, or choose another folder")


def _refuse_differences(
    layout: Layout, before: Mapping[str, Any], now: Mapping[str, Any], free: tuple[str, ...]
) -> None:
    found = list(differences(before, json.loads(json.dumps(now)), free=free))
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise OutputError(
            f"{layout.folder} holds a run with other settings, which --resume cannot go on with: "
            f"{'; '.join(found[:SHOWN])}{more}. Give the same settings, or --overwrite to start anew"
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
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, free=free, where=f"{where}{key}.")
        else:
            yield f"{where}{key} was {_short(old)}, is {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _remove_results(layout: Layout, ours: Mapping[str, Any], finished: bool) -> None:
    """Remove what the run that left ``ours`` made: nothing that it did not name."""
    names = [frame["name"] for frame in ours.get("frames", ())] if finished else []
    with contextlib.suppress(OSError):
        names += (layout.work / "written").read_text(encoding="utf-8").splitlines()
    try:
        for name in names:
            (layout.paths["masks"] / f"{Path(name).name}.png").unlink(missing_ok=True)
        for output in ours.get("outputs", ()):
            path = layout.paths.get(output)
            if path is not None and path.is_dir():
                remove_leftovers(path)
                _remove_files(path, ours.get("folders", {}).get(output, ()))
                _remove_if_empty(path)
            elif path is not None:
                path.unlink(missing_ok=True)
        layout.paths["run"].unlink(missing_ok=True)
        for entry in layout.work.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()
    except OSError as error:
        raise OutputError(f"cannot remove the earlier result in {layout.folder}: {error}") from error


def _remove_files(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a folder, by their paths in it, and the folders that are empty without them."""
    paths = [folder / name for name in names if ".." not in Path(name).parts and not Path(name).is_absolute()]
    for path in paths:
        path.unlink(missing_ok=True)
    inner = {parent for path in paths for parent in path.parents if folder in parent.parents}
    for parent in sorted(inner, key=lambda p: -len(p.parts)):
        _remove_if_empty(parent)


def _read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; an empty one where it is not ours to understand; None without a file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _remove_if_empty(folder: Path, *, unless: Path | None = None) -> None:
    if folder != unless:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _lock(path: Path, folder: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    if fcntl is None:  # pragma: no cover
        yield
        return
    try:
        file = path.open("a")
    except OSError as error:
        raise output_error(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"another process is writing to {folder}: wait for it, or choose another folder"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
