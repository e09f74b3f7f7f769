"""What a failure means, and whether a task is tried again."""

from __future__ import annotations

import errno
import random

import pytest

from vos.errors import (
    BusyError,
    InterruptedRunError,
    MediaError,
    ModelError,
    OutputError,
    PartialResultError,
    PromptError,
    SettingsError,
)
from vos.runs.batch.failures import delay, failure_of, failure_of_death, is_final


def caused(error: BaseException, cause: BaseException) -> BaseException:
    """The error as raised from another."""
    error.__cause__ = cause
    return error


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MediaError("x"), "media"),
        (caused(PartialResultError("x"), MediaError("x")), "media"),
        (PromptError("x"), "prompt"),
        (SettingsError("x"), "settings"),
        (OutputError("x"), "settings"),
        (ModelError("x"), "model"),
        (BusyError("x"), "busy"),
        (MemoryError(), "oom"),
        (OutOfMemoryError("CUDA out of memory"), "oom"),
        (caused(PartialResultError("x"), caused(OutputError("x"), OSError(errno.ENOSPC, "full"))), "io"),
        (InterruptedRunError("x"), "stopped"),
        (KeyboardInterrupt(), "stopped"),
        (ZeroDivisionError("x"), "crash"),
    ],
)
def test_kinds(error: BaseException, kind: str) -> None:
    """By the error and what caused it."""
    failure = failure_of(error)
    assert failure.kind == kind
    assert failure.message
    assert type(error).__name__ in failure.traceback


@pytest.mark.parametrize(
    ("code", "kind"), [(-9, "oom"), (-11, "crash"), (-77, "crash"), (3, "crash"), (None, "crash")]
)
def test_deaths(code: int | None, kind: str) -> None:
    """SIGKILL is what the system does for want of memory; the message names other signals."""
    assert failure_of_death(code).kind == kind
    if code == -11:
        assert "SIGSEGV" in failure_of_death(code).message


@pytest.mark.parametrize(
    ("kinds", "final"),
    [
        ([], False),
        (["crash"], False),
        (["crash", "crash"], False),
        (["crash", "crash", "crash"], True),
        (["media"], True),
        (["crash", "prompt"], True),
        (["model"], True),
        (["oom"], False),
        (["oom", "oom"], True),
        (["io"] * 5, False),
    ],
)
def test_when_a_task_is_given_up(kinds: list[str], final: bool) -> None:
    """With two retries."""
    assert is_final(kinds, 2) is final


def test_delays_grow_and_differ() -> None:
    """2^n seconds, spread by half."""
    generator = random.Random(0)
    for attempt in (1, 2, 5):
        values = {delay(attempt, generator) for _ in range(50)}
        assert len(values) == 50
        assert min(values) >= 0.5 * 2**attempt
        assert max(values) <= 1.5 * 2**attempt
