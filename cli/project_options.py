"""Options that the commands about projects share."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .options import load_config

if TYPE_CHECKING:
    from vos.projects import ProjectSettings

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


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """What fails leaves a new or empty folder as it was, so that the same command can be given again."""
    was_there = folder.exists()
    is_free = not was_there or (folder.is_dir() and not any(folder.iterdir()))
    try:
        yield
    except BaseException:
        if is_free:
            for path in folder.glob("*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if not was_there:
                shutil.rmtree(folder, ignore_errors=True)
        raise


def with_engine(settings: ProjectSettings, given: dict[str, Any]) -> ProjectSettings:
    """The settings with what :func:`vos_cli.options.engine_options` gave laid over them.

    What belongs to another tracker than the one that is named is left out.

    Raises:
        ModelError: for an unknown tracker or backbone.
        SettingsError: for an unknown setting.
    """
    from vos.projects import ProjectSettings
    from vos.settings import override
    from vos.trackers.registry import split_model

    flags = dict(given)
    config = load_config(flags.pop("config"))
    if flags["checkpoint"] is not None:
        flags["checkpoint"] = str(Path(flags["checkpoint"]).resolve())
    if flags["model"] not in (None, settings.model):
        settings = ProjectSettings(memory=settings.memory, fill=settings.fill)
    merged = override(settings, config, flags)
    split_model(merged.model, merged.backbone)
    return merged
