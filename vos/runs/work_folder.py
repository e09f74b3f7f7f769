"""The hidden folder of an unfinished run: known by its marker, and emptied of what runs put there."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from ..errors import BusyError, OutputError
from ..files import make_folder, output_error, process_token, remove_leftovers

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows: two runs into one folder are not noticed)
    fcntl = None  # type: ignore[assignment]

MARKER = ".vos-run"
"""The first file in the folder: the tokens of the processes that worked in it, one per line."""
JOB, CHECKPOINT, WRITTEN, LOCK, SWAP = "job.json", "checkpoint", "written", "lock", "swap.json"
ITEMS = "items.jsonl"
NEW = "new"
"""Folder of a run that replaces an earlier one: its results, and its own state."""
BACKWARD = "backward"
_PIECE = re.compile(r"[0-9]{6,8}\.[a-z0-9]+")
"""Pieces of results, in the folder of their output."""


def is_ours(work: Path) -> bool:
    """Whether a run may use this folder: it is absent, empty, or a run made it."""
    if not os.path.lexists(work):
        return True
    if work.is_symlink() or not work.is_dir():
        return False
    return (work / MARKER).is_file() or (work / JOB).is_file() or not any(work.iterdir())


def enter(work: Path, folder: Path) -> None:
    """Make the folder where absent, and note in its marker that this process works in it.

    Raises:
        OutputError: the folder is there and no run made it; or it cannot be written to.
    """
    if not is_ours(work):
        raise OutputError(
            f"{work} is in the way, and was not made by this program: move it away, "
            f"or choose another folder than {folder}"
        )
    make_folder(work)
    if process_token() in tokens(work):
        return
    try:
        with (work / MARKER).open("a", encoding="ascii") as file:
            file.write(f"{process_token()}\n")
    except OSError as error:
        raise output_error(work / MARKER, error) from error


def tokens(work: Path) -> set[str]:
    """Of all processes that worked here."""
    try:
        return set((work / MARKER).read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return set()


def clear(work: Path, outputs: Collection[str], *, keep: Collection[str] = ()) -> None:
    """Remove what runs have put in the folder, and the folder if it is empty then.

    Args:
        work: the folder.
        outputs: names of the folders of pieces, besides that of backward tracking.
        keep: names of files to leave.

    Raises:
        OSError: a file of ours cannot be removed.
    """
    if not work.is_dir():
        return
    if not (work / MARKER).is_file() and not (work / JOB).is_file():
        return
    known = tokens(work)
    for name in (*outputs, BACKWARD):
        pieces = work / name
        if pieces.is_dir() and not pieces.is_symlink():
            remove_leftovers(pieces, known)
            for entry in list(pieces.iterdir()):
                if _PIECE.fullmatch(entry.name):
                    entry.unlink()
            remove_if_empty(pieces)
    if NEW not in keep and (work / NEW).is_dir() and not (work / NEW).is_symlink():
        shutil.rmtree(work / NEW)  # a folder inside ours, which nothing but a run fills
    remove_leftovers(work, known)
    for name in (
        CHECKPOINT,
        ITEMS,
        WRITTEN,
        JOB,
        SWAP,
        LOCK,
        MARKER,
    ):  # the marker last: without it nothing goes
        if name not in keep:
            (work / name).unlink(missing_ok=True)
    remove_if_empty(work)


def remove_if_empty(folder: Path, *, unless: Path | None = None) -> None:
    """Remove an empty folder; leave any other."""
    if folder != unless:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def lock(path: Path, folder: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends.

    Raises:
        OutputError: another process holds it; or it cannot be made.
    """
    if fcntl is None:  # pragma: no cover
        yield
        return
    while True:
        try:
            file = path.open("a")
        except OSError as error:
            raise output_error(path, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise BusyError(
                f"another process is writing to {folder}: wait for it, or choose another folder"
            ) from None
        except OSError:
            pass  # a file system without locks
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        # The holder before us has finished and removed the file: what we hold is no lock of this place.
        file.close()
        make_folder(path.parent)
    with file:
        yield
