"""How far a command is, on stderr: a bar on a terminal, and elsewhere a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click

Advance = Callable[[str, int, int | None], None]
"""Called with what is done, how much of it, and out of how much (None: unknown)."""


EVERY = 10.0
"""Seconds between two lines where stderr is no terminal; what takes less prints none."""


@contextlib.contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Advance]:
    """Yield a function that moves the bar, or prints a line every :data:`EVERY` seconds."""
    if quiet:
        yield lambda what, done, total: None
        return
    if not sys.stderr.isatty():
        yield Lines().advance
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, int] = {}

        def advance(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                # Finished ones give way: one bar at a time.
                for other in tasks.values():
                    bar.update(other, visible=False)
                # A resumed run starts at more than nothing: its rate counts from there.
                tasks[what] = bar.add_task(what, total=total, completed=done, rate="")  # type: ignore[assignment]
            speed = bar.tasks[tasks[what]].speed  # type: ignore[call-overload]
            text = "" if speed is None else f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"
            bar.update(tasks[what], completed=done, total=total, rate=text)  # type: ignore[arg-type]

        yield advance


class Lines:
    """Progress for logs: ``vos: forward: 120 of 400, 12.1/s``.

    Args:
        now: the clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._printed = now()
        self._what: str | None = None
        self._first = (self._printed, 0)
        """When the present stage began, and how much was done then."""

    def advance(self, what: str, done: int, total: int | None) -> None:
        """Print a line if the last one is long ago."""
        now = self._now()
        if what != self._what:
            self._what, self._first = what, (now, done)
        if now - self._printed < EVERY:
            return
        self._printed = now
        since, before = self._first
        of = "" if total is None else f" of {total}"
        rate = f", {(done - before) / (now - since):.1f}/s" if done > before and now > since else ""
        with contextlib.suppress(OSError):  # a run does not end because its progress cannot be written
            click.echo(f"vos: {what}: {done}{of}{rate}", err=True)
