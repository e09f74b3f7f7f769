"""Journals: one file per writer, only ever appended to, one event a line.

A writer that is killed can leave a torn last line. It was never acknowledged, so its own writer cuts it off
when it opens the journal again, and others ignore it; a bad line anywhere else is an error.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files import make_folder, output_error
from .events import Event, JournalError, parse_line

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows: two writers of one name are not distinguished)
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".jsonl"
JOURNALS = "journal"
"""Their folder in a project."""


def journal_paths(project: Path) -> list[Path]:
    """The journals in the folder of a project."""
    return sorted((project / JOURNALS).glob(f"*{SUFFIX}"))


@dataclass(frozen=True)
class Reading:
    """What a journal holds."""

    events: list[Event]
    size: int
    """Bytes of the events; what follows was never acknowledged."""


def writer_name(annotator: str | None = None) -> str:
    """A name that is safe as a file name: of the annotator, by default the user's.

    Raises:
        InputError: if nothing of it is left.
    """
    if annotator is None:
        try:
            annotator = getpass.getuser()
        except (KeyError, OSError):
            annotator = "annotator"
    safe = re.sub(r"[^\w.-]+", "-", annotator, flags=re.ASCII).strip("-.").lower()[:64]
    if not safe:
        raise InputError(f"annotator {annotator!r}: a name needs letters or digits a-z, 0-9")
    return safe


def read_journal(path: Path, start: int = 0, known: int = 0) -> Reading:
    """The acknowledged events of a journal.

    Args:
        path: ``<writer>.jsonl``.
        start: byte to begin at, with ``known`` events before it.

    Raises:
        JournalError: for a bad line that is not the last one, or events that are out of order.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read()
    except OSError as error:
        raise JournalError(f"cannot read the journal {path}: {error.strerror or error}") from error
    events: list[Event] = []
    complete, size, position = 0, start, start
    lines = data.splitlines(keepends=True)
    for row, line in enumerate(lines):
        position += len(line)
        try:
            if not line.endswith(b"\n"):
                raise ValueError("no line end")
            event = parse_line(line)
        except (ValueError, KeyError, TypeError) as error:
            if row == len(lines) - 1:
                break
            raise JournalError(
                f"{path}, line {known + row + 1}: damaged ({error}); put back the line from a copy of the "
                "project or from version control"
            ) from error
        expected = f"{path.name.removesuffix(SUFFIX)}:{known + row + 1}"
        if event.id != expected:
            raise JournalError(
                f"{path}, line {known + row + 1}: holds event {event.id} in place of {expected}; "
                "journals must not be renamed, cut or edited"
            )
        events.append(event)
        if event.batch[0] == event.batch[1] - 1:  # events appended together count when all are there
            complete, size = len(events), position
    return Reading(events[:complete], size)


class JournalWriter:
    """The journal of one writer, held by one process.

    Raises:
        InputError: if another process holds it.
        JournalError: as :func:`read_journal`.
        OutputError: if it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise output_error(path, error) from error
        try:
            self._lock()
            reading = read_journal(path)
            self.events = reading.events
            """Events in the journal, in order."""
            self.cut = os.fstat(self._file).st_size - reading.size
            """Bytes of a torn line that were cut off."""
            if self.cut:
                os.ftruncate(self._file, reading.size)
                os.fsync(self._file)
            self._size = reading.size
            _sync_folder(path.parent)
        except BaseException:
            os.close(self._file)
            raise

    def _lock(self) -> None:
        if fcntl is None:  # pragma: no cover
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            name = self.path.name.removesuffix(SUFFIX)
            raise InputError(
                f"another process works on this project as {name!r}; stop it, or choose another name "
                "(--annotator NAME)"
            ) from error

    def append(self, events: Sequence[Event]) -> None:
        """Write events and have them on the disk before this returns; all or none.

        Raises:
            InputError: for one that JSON cannot hold.
            OutputError: if they cannot be written; the journal is as before.
        """
        try:
            data = b"".join(event.line() for event in events)
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"an event cannot be written as JSON: {error}") from error
        self.extend(data, events)

    def extend(self, data: bytes, events: Sequence[Event]) -> None:
        """As :meth:`append`, for the lines of a copy of this journal."""
        try:
            # One write for the whole line; a disk that is nearly full can take a part of it.
            if os.write(self._file, data) != len(data):
                raise OSError(28, os.strerror(28))
            os.fsync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise output_error(self.path, error) from error
        self._size += len(data)
        self.events.extend(events)

    def close(self) -> None:
        """Let go of the journal."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _sync_folder(folder: Path) -> None:
    """Have the entry of a new file in its folder on the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
