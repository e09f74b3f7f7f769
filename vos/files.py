"""Files that are complete or absent: write beside the final name, then rename.

A rename within one folder is atomic, so a reader never meets half a file, whatever stops the writer.
A writer killed outright can leave its hidden ``.vos-<process>-<file>-<number>.part`` behind. The name says
which process made it for which file, and the writer holds a lock on it: the next writer of the same file
removes those that no process holds, and :func:`remove_leftovers` those of one run.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
import zlib
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from .errors import OutputError

try:
    import fcntl
except ImportError:  # pragma: no cover  (Windows: what killed writers leave stays)
    fcntl = None  # type: ignore[assignment]

PART_SUFFIX = ".part"
OLD_SUFFIX = ".old"
"""Of an earlier folder for the moment in which the new one gets its name."""
_PART = re.compile(r"\.vos-([0-9a-f]{16})-([0-9a-f]{8})-[0-9]+\.(part|old)")
_numbers = itertools.count()
_token = os.urandom(8).hex()


def process_token() -> str:
    """16 hex digits that are in the name of every temporary file of this process."""
    return _token


def _renew_token() -> None:
    global _token
    _token = os.urandom(8).hex()
    _leftovers_in.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_token)

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space, or choose another place",
    errno.EDQUOT: "the disk quota is used up: free some space, or choose another place",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.EACCES: "permission denied: choose a place you may write to",
    errno.EPERM: "permission denied: choose a place you may write to",
    errno.EFBIG: "the file would be larger than allowed here",
    errno.EIO: "the disk reports an input/output error",
    errno.EISDIR: "a folder of that name is in the way",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EEXIST: "a file of that name is in the way",
    errno.ENOENT: "its folder does not exist",
    errno.ENAMETOOLONG: "the name is too long",
}
# Errors of the body of `replacing` that can only come from writing; any other OSError there
# (a missing input, say) is not about our output and passes unchanged.
_WRITE_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.ENAMETOOLONG}
)


def output_error(path: str | os.PathLike[str], error: OSError | ValueError) -> OutputError:
    """The error for a failed write: the path, and what can be done about it."""
    number, text = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
    reason = _REASONS.get(number or 0, text or str(error))
    return OutputError(f"cannot write {os.fspath(path)}: {reason}")


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new, empty file beside ``path`` to write to; it becomes ``path`` when the block ends well.

    An existing file is replaced. On any exception, Ctrl-C included, the temporary file is removed and
    ``path`` is as before. The temporary name does not end in the suffix of ``path`` (so that no reader
    takes it for a result): name the format to libraries that go by the suffix.

    Raises:
        OutputError: the folder is missing, read-only or full, or the name is taken by a folder.
    """
    final = Path(path)
    with _temporary(final, is_folder=False) as temporary:
        yield temporary
        try:
            os.replace(temporary, final)
        except OSError as error:
            raise output_error(final, error) from error


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new, empty folder beside ``path`` to fill; it becomes ``path`` when the block ends well.

    An existing folder, or the one that a link leads to, is replaced, with all that is in it: ask before
    whether it may be. On any exception, Ctrl-C included, the temporary folder is removed and ``path`` is as
    before.

    Raises:
        OutputError: the folder around it is missing, read-only or full, or a file is in the way.
    """
    final = Path(path)
    if final.is_dir():
        final = final.resolve()
    with _temporary(final, is_folder=True) as temporary:
        yield temporary
        before, held = _temporary_for(final, OLD_SUFFIX), _held(final)
        try:
            if final.is_dir():
                os.rename(final, before)
            os.rename(temporary, final)
        except OSError as error:
            raise output_error(final, error) from error
        finally:
            if before.is_dir() and not os.path.lexists(final):
                os.rename(before, final)
            _remove(before)
            if held is not None:
                os.close(held)


@contextlib.contextmanager
def temporary_folder_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new, empty folder beside ``path``, which is removed in the end.

    Raises:
        OutputError: the folder around it is missing, read-only or full.
    """
    with _temporary(Path(path), is_folder=True) as temporary:
        yield temporary


@contextlib.contextmanager
def _temporary(final: Path, *, is_folder: bool) -> Iterator[Path]:
    """A new file or folder beside ``final``, locked during the block, and removed where it is left."""
    _remove_abandoned(final)
    try:
        temporary, held = _new_and_held(final, is_folder=is_folder)
    except OSError as error:
        raise output_error(final, error) from error
    try:
        yield temporary
    except OSError as error:
        if error.errno in _WRITE_ERRNOS:
            raise output_error(final, error) from error
        raise
    except OutputError as error:  # of a file inside, whose path the caller does not know
        error.args = (re.sub(re.escape(str(temporary)) + "[^:]*", lambda _: str(final), str(error)),)
        raise
    finally:
        _remove(temporary)
        if held is not None:
            os.close(held)


def _new_and_held(final: Path, *, is_folder: bool) -> tuple[Path, int | None]:
    """A new temporary file or folder, and the open file with its lock; None where there are no locks."""
    while True:
        temporary = _temporary_for(final, PART_SUFFIX)
        if is_folder:
            temporary.mkdir()
            held = _held(temporary)
        else:
            # Not `tempfile`: that makes files only their owner can read, and the rename would keep it so.
            held = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
            if not _lock(held):
                os.close(held)
                held = None
        if held is None:
            return temporary, None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(held), temporary.stat()):
                return temporary, held
        os.close(held)  # before it was locked, another writer of the same file took it for abandoned


def _held(path: Path) -> int | None:
    """An open file that locks a file or folder until it is closed.

    None where it is not there, another process has it locked, or there are no locks here.
    """
    if fcntl is None:  # pragma: no cover
        return None
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    try:
        held = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    if _lock(held):
        return held
    os.close(held)
    return None


def _lock(file: int) -> bool:
    """Whether the open file is now locked; False where another holds it, or there are no locks here."""
    if fcntl is None:  # pragma: no cover
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_bytes_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a whole file, or leave ``path`` as it was.

    Raises:
        OutputError: as :func:`replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text_atomic(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole UTF-8 file with ``\\n`` line ends, or leave ``path`` as it was.

    Raises:
        OutputError: as :func:`replacing`.
    """
    write_bytes_atomic(path, text.encode("utf-8"))


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and its parents where absent.

    Raises:
        OutputError: a file is in the way, or the place is read-only or full.
    """
    folder = Path(path)
    for attempt in range(3):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            break
        except FileNotFoundError as error:  # another run has just removed the parent, empty for a moment
            if attempt == 2:
                raise output_error(folder, error) from error
        except (OSError, ValueError) as error:
            raise output_error(folder, error) from error
    return folder


def refuse_input(output: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise OutputError where the file to write is one of those that are read: it would be lost."""
    real = os.path.realpath(output)
    if any(os.path.realpath(path) == real for path in inputs):
        raise OutputError(
            f"{os.fspath(output)} is an input of this command: choose another name for the result"
        )


def visible(paths: Iterable[Path]) -> list[Path]:
    """Without names that begin with a dot, which systems put beside files (``._x.png``), in order."""
    return sorted(path for path in paths if not path.name.startswith("."))


def remove_leftovers(path: str | os.PathLike[str], tokens: Collection[str]) -> int:
    """Remove temporary files that killed writers of ``path`` left, and return how many there were.

    Args:
        path: a file that was to be written, or a folder all of whose files were.
        tokens: of the processes that wrote, see :func:`process_token`; files of others stay.
    """
    path = Path(path)
    is_folder = path.is_dir()
    folder, checksum = (path, None) if is_folder else (path.parent, _checksum(path.name))
    removed = 0
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for entry in os.scandir(folder):
            part = _PART.fullmatch(entry.name)
            if part is None or part[1] not in tokens or part[2] != (checksum or part[2]):
                continue
            _remove(Path(entry.path))
            removed += 1
    return removed


def _remove_abandoned(final: Path) -> None:
    """Remove temporary files for ``final`` whose writers are gone, or put back what one moved away."""
    found = _leftovers_in(final.parent).pop(_checksum(final.name), ())
    for path in found:
        held = _held(path)
        if held is None:
            continue
        try:
            with contextlib.suppress(OSError):
                if path.suffix == OLD_SUFFIX and not os.path.lexists(final):
                    os.rename(path, final)
            _remove(path)
        finally:
            os.close(held)


@lru_cache(maxsize=64)
def _leftovers_in(folder: Path) -> dict[str, list[Path]]:
    """Checksum of a name -> temporary files for it, as they are when this process first writes there."""
    found: dict[str, list[Path]] = {}
    if fcntl is not None:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                part = _PART.fullmatch(entry.name)
                if part is not None and part[1] != _token:
                    found.setdefault(part[2], []).append(Path(entry.path))
    return found


def _remove(path: Path) -> None:
    """Remove a file or folder of ours, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _temporary_for(final: Path, suffix: str) -> Path:
    """Short, whatever the name: there is room for it wherever there is room for the result."""
    return final.parent / f".vos-{_token}-{_checksum(final.name)}-{next(_numbers)}{suffix}"


def _checksum(name: str) -> str:
    return f"{zlib.crc32(os.fsencode(name)):08x}"
