"""The place of a batch: a local folder, or a URL of an object store.

The one primitive that workers need to share a batch is :meth:`Store.create`, which makes a file unless it
exists. Listing and renaming are never relied on for correctness.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from ...errors import MediaError, OutputError, SettingsError
from ...files import make_folder, output_error, replacing, write_bytes_atomic

PARALLEL = 8
"""Requests in flight to an object store."""
FREE_SPACE_MARGIN = 1.2
"""Space on the scratch disk that a copy needs, as a multiple of its size."""
CHUNK = 1 << 20
WEB = ("http", "https", "ftp")
"""Protocols of URLs that fsspec opens and a batch does not."""
FLUSH_SECONDS = 30.0
"""How often logs go to an object store."""


class Store(Protocol):
    """Files by names relative to one root; a name has forward slashes."""

    root: str
    is_local: bool

    def create(self, name: str, data: bytes) -> bool:
        """Make a file unless it exists, in one step that only one of several processes can win."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file, replacing what is there."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Add to a file that has one writer; may be on disk only after :meth:`flush`."""
        ...

    def flush(self) -> None:
        """Write what was appended."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content, or None where there is no such file."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names of the files directly in a folder, sorted; empty where there is no such folder."""
        ...

    def names_below(self, folder: str) -> Iterator[str]:
        """Names, without their folders, of all files in a folder and in those directly inside it."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def upload(self, folder: Path, name: str) -> None:
        """Copy a local folder with all below it."""
        ...


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a URL such as ``s3://bucket/folder`` and not a path."""
    return "://" in os.fspath(place)


def join(folder: str, place: str) -> str:
    """``place`` relative to ``folder`` unless it is absolute or a URL; ``folder`` may be a URL."""
    if is_url(place) or os.path.isabs(place):
        return place
    return f"{folder.rstrip('/')}/{place}" if is_url(folder) else os.path.join(folder, place)


def open_store(place: str | os.PathLike[str], *, endpoint_url: str | None = None) -> Store:
    """The store at a path or a URL.

    Args:
        place: a folder, or a URL that fsspec knows (``s3://``, ``gs://``, ``az://``, ``memory://``).
        endpoint_url: server of a store that speaks the protocol of S3.

    Raises:
        SettingsError: the package for this kind of URL is not installed.
    """
    if is_url(place):
        return RemoteStore(os.fspath(place), endpoint_url=endpoint_url)
    return LocalStore(place)


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


class RemoteStore:
    """An object store, or anything else that fsspec opens."""

    is_local = False

    def __init__(self, url: str, *, endpoint_url: str | None = None) -> None:
        self.root = url.rstrip("/")
        self.fs = file_system(url, endpoint_url)
        self._logs: dict[str, bytes] = {}
        self._flushed = 0.0

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    @contextlib.contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write {self._path(name)}: {error}") from error

    def create(self, name: str, data: bytes) -> bool:
        """See :class:`Store`: a PUT with ``If-None-Match: *``."""
        try:
            with self.fs.open(self._path(name), "xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        except OSError as error:
            raise OutputError(f"cannot write {self._path(name)}: {error}") from error
        return True

    def can_create_exclusively(self) -> bool:
        """Whether a second :meth:`create` of one name is refused, found out by trying."""
        name = f"state/.probe-{os.urandom(8).hex()}"
        try:
            return self.create(name, b"1") and not self.create(name, b"2")
        except (ValueError, NotImplementedError, OutputError):
            return False
        finally:
            self.remove(name)

    def write(self, name: str, data: bytes) -> None:
        """See :class:`Store`."""
        with self._errors(name):
            self.fs.pipe_file(self._path(name), data)

    def append(self, name: str, data: bytes) -> None:
        """See :class:`Store`; an object cannot grow, so it is written whole, and not every time."""
        self._logs[name] = self._logs.get(name, b"") + data
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """See :class:`Store`."""
        self._flushed = time.monotonic()
        for name, data in self._logs.items():
            self.write(name, data)

    def read(self, name: str) -> bytes | None:
        """See :class:`Store`."""
        try:
            return bytes(self.fs.cat_file(self._path(name)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"cannot read {self._path(name)}: {error}") from error

    def exists(self, name: str) -> bool:
        """See :class:`Store`."""
        return self.read(name) is not None

    def names(self, folder: str) -> list[str]:
        """See :class:`Store`."""
        self.fs.invalidate_cache()
        try:
            return sorted(
                str(path).rsplit("/", 1)[-1] for path in self.fs.ls(self._path(folder), detail=False)
            )
        except FileNotFoundError:
            return []

    def names_below(self, folder: str) -> Iterator[str]:
        """See :class:`Store`: one listing of a prefix."""
        self.fs.invalidate_cache()
        for path in self.fs.find(self._path(folder)):
            yield str(path).rsplit("/", 1)[-1]

    def remove(self, name: str) -> None:
        """See :class:`Store`."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(self._path(name))

    def upload(self, folder: Path, name: str) -> None:
        """See :class:`Store`."""

        def put(file: Path) -> None:
            self.fs.put_file(str(file), self._path(f"{name}/{file.relative_to(folder).as_posix()}"))

        with self._errors(name), ThreadPoolExecutor(PARALLEL) as threads:
            list(threads.map(put, files_below(folder)))


def refuse_web(url: str) -> None:
    """Raise SettingsError for an address of the web: it is opened by other commands, where it is allowed."""
    if url.partition("://")[0].lower() in WEB:
        raise SettingsError(
            f"{url} is an address, and a batch reads files and object stores (s3://, gs://, az://): copy it "
            "to one first, or track it alone with `vos track --allow-url`"
        )


def file_system(url: str, endpoint_url: str | None = None) -> Any:
    """The fsspec file system of a URL. Credentials come from the environment alone.

    Raises:
        SettingsError: fsspec, or its package for this kind of URL, is not installed; or it is an address of
            the web.
    """
    refuse_web(url)
    try:
        import fsspec
    except ImportError as error:
        raise SettingsError(f"{url} needs fsspec: pip install 'vos-toolkit[cloud]'") from error
    kind = url.split("://", 1)[0]
    options: dict[str, Any] = {}
    if kind in ("s3", "s3a"):
        options["use_listings_cache"] = False
        if endpoint_url is not None:
            options["client_kwargs"] = {"endpoint_url": endpoint_url}
    elif endpoint_url is not None:
        raise SettingsError(f"--endpoint-url is for s3:// URLs, and {url} is none")
    try:
        return fsspec.filesystem(kind, **options)
    except (ImportError, ValueError) as error:
        raise SettingsError(
            f"cannot open {url}: {error}; for s3:// install vos-toolkit[cloud], for gs:// gcsfs, "
            "for az:// adlfs"
        ) from error


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


def download(url: str, target: Path, *, endpoint_url: str | None = None) -> dict[str, Any]:
    """Copy an object to a local file; its size and ETag.

    Raises:
        MediaError: there is no such object, or it did not arrive whole.
        OutputError: the scratch disk has no room for it.
    """
    fs = file_system(url, endpoint_url)
    try:
        facts = remote_facts(url, endpoint_url)
        size = facts["size"]
        free = shutil.disk_usage(target.parent).free
        if size * FREE_SPACE_MARGIN > free:
            raise OutputError(
                f"{url} has {size} bytes and {target.parent} has {free} free: give --scratch a larger disk"
            ) from OSError(28, "no space left")
        with fs.open(url, "rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
    except OSError as error:
        raise MediaError(f"cannot read {url}: {error}") from error
    if target.stat().st_size != size:
        raise MediaError(f"{url} has {size} bytes, of which {target.stat().st_size} arrived: try again")
    return facts


def remote_facts(url: str, endpoint_url: str | None = None) -> dict[str, Any]:
    """Size and ETag of an object.

    Raises:
        MediaError: there is no such object.
    """
    try:
        info = file_system(url, endpoint_url).info(url)
    except OSError as error:
        raise MediaError(f"cannot read {url}: {error}") from error
    etag = next((str(info[key]).strip('"') for key in ("ETag", "etag", "md5Hash") if key in info), None)
    return {"size": int(info["size"]), "etag": etag}


def read_many(store: Store, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Names with their contents, in order; in parallel where a read is a request."""
    names = list(names)
    if store.is_local:
        yield from ((name, store.read(name)) for name in names)
        return
    with ThreadPoolExecutor(PARALLEL * 2) as threads:
        yield from zip(names, threads.map(store.read, names), strict=True)
