"""Files that are complete or absent: write beside the final name, then rename.

A rename within one folder is atomic, so a reader never meets half a file, whatever stops the writer.
A writer killed outright can leave its hidden ``.vos-<process>-<file>-<number>.part`` behind. The name says
which process made it for which file, so that :func:`remove_leftovers` removes those of one run only.
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
from pathlib import Path

from .errors import OutputError

PART_SUFFIX = ".part"
_PART = re.compile(r"\.vos-([0-9a-f]{16})-([0-9a-f]{8})-[0-9]+\.part")
_numbers = itertools.count()
_token = os.urandom(8).hex()


def process_token() -> str:
    """16 hex digits that are in the name of every temporary file of this process."""
    return _token


def _renew_token() -> None:
    global _token
    _token = os.urandom(8).hex()


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
_WRITE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO})


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
    temporary = _temporary_for(final)
    try:
        # Not `tempfile`: that makes files only their owner can read, and the rename would keep it so.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise output_error(final, error) from error
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno in _WRITE_ERRNOS:
                raise output_error(final, error) from error
            raise
        try:
            os.replace(temporary, final)
        except OSError as error:
            raise output_error(final, error) from error
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new, empty folder beside ``path`` to fill; it becomes ``path`` when the block ends well.

    An existing folder is replaced, with all that is in it: ask before whether it may be. On any exception,
    Ctrl-C included, the temporary folder is removed and ``path`` is as before.

    Raises:
        OutputError: the folder around it is missing, read-only or full, or a file is in the way.
    """
    final = Path(path)
    temporary, before = _temporary_for(final), _temporary_for(final)
    try:
        temporary.mkdir()
    except OSError as error:
        raise output_error(final, error) from error
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno in _WRITE_ERRNOS:
                raise output_error(final, error) from error
            raise
        try:
            if final.is_dir():
                os.rename(final, before)
            os.rename(temporary, final)
        except OSError as error:
            if before.is_dir() and not final.exists():
                os.rename(before, final)
            raise output_error(final, error) from error
        shutil.rmtree(before, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


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
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                Path(entry.path).unlink(missing_ok=True)
            removed += 1
    return removed


def _temporary_for(final: Path) -> Path:
    """Short, whatever the name: there is room for it wherever there is room for the result."""
    return final.parent / f".vos-{_token}-{_checksum(final.name)}-{next(_numbers)}{PART_SUFFIX}"


def _checksum(name: str) -> str:
    return f"{zlib.crc32(os.fsencode(name)):08x}"
