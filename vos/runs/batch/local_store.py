"""The place of a batch in a folder of a local or shared file system."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ...errors import OutputError
from ...files import make_folder, output_error, replacing, write_bytes_atomic


class LocalStore:
    """A folder on a local or shared file system."""

    is_local = True

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)

    def _path(self, name: str) -> Path:
        return Path(self.root, name)

    def create(self, name: str, data: bytes) -> bool:
        """See :class:`Store`. A reader never sees part of the file: a complete one is linked into place."""
        path = self._path(name)
        make_folder(path.parent)
        temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
        try:
            try:
                temporary.write_bytes(data)
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno in _NO_LINKS:
                    return self._create_in_place(path, data)
                raise output_error(path, error) from error
            return True
        finally:
            temporary.unlink(missing_ok=True)

    @staticmethod
    def _create_in_place(path: Path, data: bytes) -> bool:
        """For file systems without hard links."""
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        except OSError as error:
            raise output_error(path, error) from error
        return True

    def write(self, name: str, data: bytes) -> None:
        """See :class:`Store`."""
        path = self._path(name)
        make_folder(path.parent)
        write_bytes_atomic(path, data)

    def append(self, name: str, data: bytes) -> None:
        """See :class:`Store`."""
        path = self._path(name)
        make_folder(path.parent)
        try:
            with path.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise output_error(path, error) from error

    def flush(self) -> None:
        """Nothing is held back."""

    def read(self, name: str) -> bytes | None:
        """See :class:`Store`."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise OutputError(f"cannot read {self._path(name)}: {error.strerror or error}") from error

    def exists(self, name: str) -> bool:
        """See :class:`Store`."""
        return self._path(name).exists()

    def names(self, folder: str) -> list[str]:
        """See :class:`Store`."""
        try:
            with os.scandir(self._path(folder)) as entries:
                return sorted(entry.name for entry in entries if not entry.name.endswith(".part"))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def names_below(self, folder: str) -> Iterator[str]:
        """See :class:`Store`."""
        for inner in self.names(folder):
            yield from self.names(f"{folder}/{inner}")

    def remove(self, name: str) -> None:
        """See :class:`Store`."""
        self._path(name).unlink(missing_ok=True)

    def upload(self, folder: Path, name: str) -> None:
        """See :class:`Store`."""
        for file in files_below(folder):
            target = self._path(f"{name}/{file.relative_to(folder).as_posix()}")
            make_folder(target.parent)
            with replacing(target) as temporary:
                shutil.copyfile(file, temporary)


_NO_LINKS = frozenset({1, 18, 38, 95})  # EPERM, EXDEV, ENOSYS, EOPNOTSUPP


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and those inside it, sorted; what a run needs for itself alone left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
