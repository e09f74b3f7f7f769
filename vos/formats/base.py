"""What every kind of result has in common: written frame by frame, complete or absent, and resumable.

A writer's life::

    write, write, ..., checkpoint, write, ..., checkpoint, ..., close

:meth:`Writer.checkpoint` puts everything written so far on disk and returns a small state. A new writer
over the same folders that is given this state with :meth:`Writer.restore` continues from there, whatever was
written in between by a process that was killed, and what :meth:`Writer.close` leaves is byte for byte what
an uninterrupted writer leaves, provided that both made their checkpoints at the same frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from ..errors import OutputError
from ..files import make_folder, output_error, write_bytes_atomic
from ..frame import Frame
from ..results import FrameResult


@dataclass(frozen=True)
class VideoFacts:
    """What writers need to know besides the frames."""

    fps: float | None = None
    """Frames per second, where the frames carry no time of their own; None: unknown."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Name of an object by id, for those that have one; may grow while frames are written."""
    categories: Mapping[int, str] = field(default_factory=dict)
    """Category of an object by id; an object without one has its name for category."""
    sequence: str = "video"
    """Name of the video in formats that hold several, safe as a file name."""
    class_map: Mapping[str, str | int] = field(default_factory=dict)
    """Name or category of an object -> its name or its number in the format."""
    audio: Path | None = None
    """File with the sound that belongs to the frames; None: there is none."""


def safe_name(text: str) -> str:
    """The text as a safe file name: characters other than letters, digits and ``._-`` become ``_``."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).strip(".") or "video"


def renamed_note(text: str) -> str:
    """What to tell the user where a video gets its :func:`safe_name`."""
    return (
        f"the video is called {safe_name(text)}, and not {text!r}: names of files have letters, digits, '.', "
        "'_' and '-' alone; --sequence gives it another name"
    )


class Writer(Protocol):
    """One kind of result. As a context manager it closes on success and leaves no result on failure."""

    def write(self, frame: Frame, segmentation: FrameResult) -> None:
        """Add the next frame.

        Raises:
            OutputError: the place is full, read-only or gone.
        """
        ...

    def checkpoint(self) -> dict[str, Any]:
        """Secure all frames so far against a kill; return what :meth:`restore` needs."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where that checkpoint was made; later frames on disk are as if never written."""

    def close(self) -> None:
        """Put the final file in place."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


class Blocks:
    """The pieces of a result that is put together at the end: one per checkpoint, in order, each whole.

    Args:
        folder: where to keep them; None keeps them in memory, for a writer that will not be resumed.
        suffix: of the files in the folder.
    """

    def __init__(self, folder: Path | None, suffix: str) -> None:
        self._folder = None if folder is None else make_folder(folder)
        self._suffix = suffix
        self._memory: list[bytes] = []
        self.count = 0

    def append(self, data: bytes) -> None:
        """Add a piece; one that an earlier process left under its number is replaced."""
        if self._folder is None:
            self._memory.append(data)
        else:
            write_bytes_atomic(self._path(self.count), data)
        self.count += 1

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.count):
            if self._folder is None:
                yield self._memory[number]
                continue
            path = self._path(number)
            try:
                yield path.read_bytes()
            except FileNotFoundError:
                raise OutputError(f"{path} is gone: run again with --overwrite to start over") from None
            except OSError as error:
                raise output_error(path, error) from error

    def _path(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{number:06d}{self._suffix}"
