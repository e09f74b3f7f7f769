"""A bar with rate and time to go: on stderr, on a terminal, and nowhere else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Advance = Callable[[str, int, int | None], None]
"""Called with what is done, how much of it, and out of how much (None: unknown)."""


@contextlib.contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Advance]:
    """Yield a function that moves the bar; it does nothing where nobody would see one."""
    if quiet or not sys.stderr.isatty():
        yield lambda what, done, total: None
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
