"""Options that several commands share, as decorators."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class EchoHandler(logging.Handler):
    """Messages of the library on stderr, in the form of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        click.echo(f"vos: {self.format(record)}", err=True)


def verbosity(command: F) -> F:
    """``-q/--quiet`` and ``-v/--verbose``: warnings and errors only; or details, and tracebacks of errors.

    The command gets ``quiet: bool``.
    """

    def remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
        if value:
            ctx.meta["vos.verbosity"] = 1 if parameter.name == "verbose" else -1
        level = {1: logging.INFO, 0: logging.WARNING, -1: logging.ERROR}[ctx.meta.get("vos.verbosity", 0)]
        logger = logging.getLogger("vos")
        logger.setLevel(level)
        logger.handlers = [EchoHandler()]
        return value

    command = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=remember,
        help="Say more; show the traceback of an error.",
    )(command)
    return click.option(
        "-q", "--quiet", is_flag=True, callback=remember, help="No progress bar and no summary, only errors."
    )(command)


def json_flag(command: F) -> F:
    """``--json``: the result on stdout for programs. The command gets ``as_json: bool``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout, and nothing else there."
    )(command)


def existing_result(command: F) -> F:
    """``--resume`` and ``--overwrite``, which exclude each other. The command gets both as bool."""
    command = click.option(
        "--overwrite", is_flag=True, help="Remove an earlier result of ours in the output folder first."
    )(command)
    return click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")(command)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2))
