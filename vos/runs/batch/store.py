"""The place of a batch: a local folder, or a URL of an object store.

The one primitive that workers need to share a batch is :meth:`Store.create`, which makes a file unless it
exists. Listing and renaming are never relied on for correctness.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from .local_store import LocalStore
from .remote_store import PARALLEL, RemoteStore


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


def read_many(store: Store, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Names with their contents, in order; in parallel where a read is a request."""
    names = list(names)
    if store.is_local:
        yield from ((name, store.read(name)) for name in names)
        return
    with ThreadPoolExecutor(PARALLEL * 2) as threads:
        yield from zip(names, threads.map(store.read, names), strict=True)
