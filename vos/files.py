"""Files that are complete or absent: write beside the final name, then rename.

A rename within one folder is atomic, so a reader never meets half a file, whatever stops the writer.
A writer killed outright can leave its hidden ``.<name>.<token>.part`` behind;
:func:`remove_leftovers` sweeps them up when a run is resumed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError

PART_SUFFIX = ".part"

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


def output_error(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """The error for a failed write: the path, and what can be done about it."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
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
    temporary = final.with_name(f".{final.name}.{os.urandom(4).hex()}{PART_SUFFIX}")
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
    token = os.urandom(4).hex()
    temporary = final.with_name(f".{final.name}.{token}{PART_SUFFIX}")
    before = final.with_name(f".{final.name}.{token}.old{PART_SUFFIX}")
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return folder


def remove_leftovers(folder: str | os.PathLike[str]) -> int:
    """Remove temporary files that a killed writer left directly in ``folder``; return how many there were."""
    leftovers = [entry for entry in Path(folder).glob(f".*{PART_SUFFIX}") if entry.is_file()]
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return len(leftovers)
