"""stdout and stderr as they are in pipelines and services: closed, full, or with no reader any more."""

from __future__ import annotations

import contextlib
import os
import sys

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


def stdout_error() -> OSError | None:
    """Why what was printed cannot be written; None where it was. After an error stdout is discarded."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, STDOUT)
            os.close(null)
        return error
    return None
