"""Options that several commands share, as decorators."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from vos.backbones.registry import BACKBONES
from vos.notices import NOTICE
from vos.trackers.registry import TRACKERS

from .completion import backbones, complete, recipes, trackers

F = TypeVar("F", bound=Callable[..., Any])


class EchoHandler(logging.Handler):
    """Messages of the library on stderr, in the form of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        with contextlib.suppress(OSError):  # a run does not end because its messages cannot be written
            click.echo(f"vos: {self.format(record)}", err=True)


def verbosity(command: F) -> F:
    """``-q/--quiet`` and ``-v/--verbose``: warnings and errors only; or details, and tracebacks of errors.

    The command gets ``quiet: bool``.
    """

    def remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
        if value:
            ctx.meta["vos.verbosity"] = 1 if parameter.name == "verbose" else -1
        level = {1: logging.INFO, 0: NOTICE, -1: logging.ERROR}[ctx.meta.get("vos.verbosity", 0)]
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
        help="Print details, and tracebacks of errors.",
    )(command)
    return click.option(
        "-q",
        "--quiet",
        is_flag=True,
        callback=remember,
        help="Print only errors: no progress bar, no summary.",
    )(command)


def json_flag(command: F) -> F:
    """``--json``: the result on stdout for programs. The command gets ``as_json: bool``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout, and nothing else."
    )(command)


def existing_result(command: F) -> F:
    """``--resume`` and ``--overwrite``, which exclude each other. The command gets both as bool."""
    command = click.option(
        "--overwrite", is_flag=True, help="Remove earlier results of vos from the output folder first."
    )(command)
    return click.option(
        "--resume", is_flag=True, help="Continue an interrupted run, or extend a finished one."
    )(command)


def counted(count: int, noun: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2))


def mask_values_option(command: F) -> F:
    """``--mask-values``: how mask files are read. The command gets ``mask_values: str``."""
    return click.option(
        "--mask-values",
        type=click.Choice(["auto", "binary", "index", "soft"]),
        default="auto",
        show_default=True,
        help="How to read mask values: binary (not 0 is the object), index (ids), soft "
        "(above one half is the object); auto decides per file and refuses ambiguous ones.",
    )(command)


def turn_masks_option(command: F) -> F:
    """``--turn-masks``: masks drawn on the stored pixels. The command gets ``turn_masks: bool``."""
    return click.option(
        "--turn-masks",
        is_flag=True,
        help="Rotate masks that were drawn on the stored, unrotated pixels by the EXIF orientation or the "
        "display matrix.",
    )(command)


def reading_options(command: F) -> F:
    """Frames to read. The command gets ``start``, ``end``, ``stride``, ``size``, ``reader``,
    ``strict``, or None."""
    for option in (
        click.option(
            "--strict",
            is_flag=True,
            default=None,
            help="Refuse a damaged video; without it the readable frames are tracked (exit code 5).",
        ),
        click.option("--reader", metavar="NAME", help="How files are read: pyav or decord."),
        size_option,
        click.option("--stride", type=int, metavar="N", help="Read every N-th frame."),
        click.option("--end", type=int, metavar="N", help="Frame to stop before (exclusive)."),
        click.option("--start", type=int, metavar="N", help="First frame to read."),
    ):
        command = option(command)
    return command


url_option = click.option(
    "--allow-url",
    is_flag=True,
    help="Accept an http or https URL as the video: it is downloaded completely, then read as a file.",
)
"""The command gets ``allow_url: bool``."""

size_option = click.option(
    "--size",
    metavar="SIZE",
    help="Scale frames: WIDTHxHEIGHT, or the length of the shorter side. Points, boxes and masks are then in "
    "pixels of the scaled frames.",
)
"""The command gets ``size: str | None``."""


def listed(names: Iterable[str]) -> str:
    """Names in one line, of which those that begin as the one before are shortened: a-x, -y, b."""
    parts: list[str] = []
    beginning = ""
    for name in names:
        if beginning and name.startswith(beginning):
            parts.append(f"-{name.removeprefix(beginning)}")
            continue
        head, dash, _ = name.rpartition("-")
        beginning = head + dash
        parts.append(name)
    return ", ".join(parts)


def engine_options(default: str) -> Callable[[F], F]:
    """The tracker, its weights and its device.

    The command gets ``model``, ``config``, ``device``, ``dtype``, ``checkpoint``, ``tune``, or None.

    Args:
        default: what the help calls the tracker where none is named.
    """

    def decorate(command: F) -> F:
        for option in (
            click.option(
                "--tune",
                is_flag=True,
                default=None,
                help="Fit the network to the prompted frames (SAM: PerSAM-F); not for classical.",
            ),
            click.option(
                "--checkpoint",
                metavar="FILE",
                help="File with the model's weights; by default the weights cache.",
            ),
            click.option(
                "--dtype",
                metavar="TYPE",
                help="float32, bfloat16, float16, or auto (default): bfloat16 where it is native, else "
                "float32.",
            ),
            click.option("--device", metavar="NAME", help="cpu (default), cuda, cuda:1, mps."),
            click.option(
                "--config",
                "--recipe",
                "config",
                metavar="FILE",
                shell_complete=complete(recipes, or_file=True),
                help="Settings as YAML: a file, or the name of a bundled recipe.",
            ),
            click.option(
                "--backbone",
                metavar="NAME",
                shell_complete=complete(backbones),
                help=f"Backbone of --tracker persam: {listed(BACKBONES)}.  [default: classical]",
            ),
            click.option(
                "--model",
                "--tracker",
                "model",
                metavar="NAME",
                shell_complete=complete(trackers),
                help=f"Tracker: {listed(TRACKERS)}; a backbone, for PerSAM over it: "
                f"{listed(name for name in BACKBONES if name not in TRACKERS)}; or auto, the best that is "
                f"installed and fast enough.  [default: {default}]",
            ),
        ):
            command = option(command)
        return command

    return decorate


DEFAULT_MODEL = "auto"
"""Of commands that track what the user prompts, where no model is named."""


def load_config(config: str | None, command: str = "track") -> dict[str, Any]:
    """The overrides of ``--config``: a file, or a recipe of ours by name.

    Args:
        config: what was given.
        command: a key of :data:`vos.runs.recipes.COMMANDS`; commands that track have the settings of track.

    Raises:
        SettingsError: naming the recipes there are, or the command that the recipe is for.
    """
    if config is None:
        return {}
    from vos.runs.recipes import recipe_for

    return recipe_for(command, config)


def default_model(recipe: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """The model where none is named; nothing where settings are given that are for a model of the user's."""
    theirs = ("model", "backbone", "checkpoint", "tune", "tracker", "features", "features_weights")
    given = any(recipe.get(name) or flags.get(name) for name in theirs)
    return {} if given else {"model": DEFAULT_MODEL}


STDOUT = "-"


class OutputPath(click.Path):
    """A path that is not empty, as that of a variable of a shell that is not set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See :class:`click.ParamType`."""
        if value == "":
            self.fail("it is empty; give a folder, such as out, or . for this one", param, ctx)
        return super().convert(value, param, ctx)


def output_folder(command: F) -> F:
    """``-o/--output OUT``: where results go. The command gets ``output: Path``."""
    return click.option(
        "-o",
        "--output",
        required=True,
        type=OutputPath(path_type=Path),
        metavar="OUT",
        help="Folder for results.",
    )(command)


def json_file(text: str) -> Callable[[F], F]:
    """``--json FILE``, for :func:`print_scores`; ``text``: what is in it. The command gets ``json_path``."""

    def decorate(command: F) -> F:
        return click.option(
            "--json",
            "json_path",
            metavar="FILE",
            type=click.Path(path_type=Path, allow_dash=True),
            help=f"{text}; - is stdout, which then holds nothing else.",
        )(command)

    return decorate


subset_option = click.option(
    "--set",
    "subset",
    metavar="SET",
    required=True,
    help="A list of sequences in ROOT/ImageSets, such as 2016/val or 2017/val; or dev10, which is built in.",
)
"""A set of DAVIS. The command gets ``subset: str``."""


def print_scores(scores: Any, json_path: Path | None, quiet: bool) -> None:
    """Scores as JSON where asked for, and as a table on stdout unless that holds the JSON."""
    if str(json_path) == STDOUT:
        click.echo(scores.to_json(), nl=False)
        return
    if json_path is not None:
        scores.write_json(json_path)
    if not quiet:
        click.echo(scores.table(), nl=False)


def split_names(text: str | None) -> list[str] | None:
    """The names in ``A,B``; None where none are given."""
    return None if text is None else [name.strip() for name in text.split(",")]
