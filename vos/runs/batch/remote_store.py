"""The place of a batch in an object store, and copies from one."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ...errors import MediaError, OutputError, SettingsError
from .local_store import files_below

PARALLEL = 8
"""Requests in flight to an object store."""


FREE_SPACE_MARGIN = 1.2
"""Space on the scratch disk that a copy needs, as a multiple of its size."""


CHUNK = 1 << 20


WEB = ("http", "https", "ftp")
"""Protocols of URLs that fsspec opens and a batch does not."""


FLUSH_SECONDS = 30.0
"""How often logs go to an object store."""


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
