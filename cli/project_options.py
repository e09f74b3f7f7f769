"""Options that the commands about projects share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def project_folder(command: F) -> F:
    """The argument PROJECT. The command gets ``folder: Path``."""
    return click.argument("folder", metavar="PROJECT", type=click.Path(path_type=Path))(command)


def annotator_option(command: F) -> F:
    """``--annotator NAME``. The command gets ``annotator``."""
    return click.option(
        "--annotator", metavar="NAME", help="Name of the annotator.  [default: the user's name]"
    )(command)


def video_option(command: F) -> F:
    """``--video KEY``. The command gets ``video``."""
    return click.option("--video", metavar="KEY", help="Video of the project; needed if it has several.")(
        command
    )
