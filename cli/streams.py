"""stdout and stderr as they are in pipelines and services: closed, full, or with no reader any more."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

STDOUT = 1


def open_streams() -> None:
    """Have descriptors 0, 1 and 2 open, and streams on them that can write any file name.

    Where one is closed, a result would get its number, and what is printed would be written into the result.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = Stdout(sys.stdout)  # type: ignore[assignment]


class Stdout:
    """A text stream that remembers why it could not be written to; otherwise the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream does."""
        with self._remembering():
            return self._stream.write(text)

    def flush(self) -> None:
        """As the stream does."""
        with self._remembering():
            self._stream.flush()

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = error
            raise


def stdout_error() -> OSError | None:
    """Why what was printed cannot be written; None where it was. After an error stdout is discarded."""
    error: OSError | None = getattr(sys.stdout, "error", None)
    if error is not None:
        with contextlib.suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, STDOUT)
            os.close(null)
    return error
