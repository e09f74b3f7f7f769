"""What a worker of a batch shows while it works, and when it is done."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from .options import print_json
from .progress import progress_bar


def show_outcome(outcome: Any, *, as_json: bool, quiet: bool) -> None:
    """What a worker did, as JSON or for people."""
    if as_json:
        print_json({name: value for name, value in vars(outcome).items() if name != "message"})
    elif not quiet:
        click.echo(
            f"{outcome.done} task{'s' * (outcome.done != 1)} done ({outcome.done_here} here), "
            f"{len(outcome.failed)} failed, {outcome.elsewhere} with other workers, {outcome.waiting} waiting"
        )


@contextlib.contextmanager
def observer(kind: str, metrics: Path | None, *, quiet: bool) -> Iterator[Callable[..., None]]:
    """What shows the progress of a worker, and keeps its metrics."""
    from vos.runs.batch.progress import JsonLines, Metrics

    if kind == "auto":
        kind = "none" if quiet else "bar" if sys.stderr.isatty() else "json"
    observers: list[Callable[..., None]] = []
    gauge = None if metrics is None else Metrics(metrics)
    if gauge is not None:
        observers.append(gauge)
    if kind == "json":
        observers.append(JsonLines(lambda line: click.echo(line, err=True)))
    with progress_bar(quiet=kind != "bar") as advance:

        def bar(what: str, task_id: str, facts: dict[str, Any]) -> None:
            if what == "tick":
                ended = facts["done"] + facts["failed"]
                advance("tasks", ended, ended + facts["running"] + facts["elsewhere"] + facts["waiting"])

        observers.append(bar)

        def observe(what: str, task_id: str, facts: dict[str, Any]) -> None:
            for each in observers:
                each(what, task_id, facts)

        try:
            yield observe
        finally:
            if gauge is not None:
                gauge.write()
