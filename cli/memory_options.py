"""``vos track --memory``: settings of trackers with a memory of their own, as flags."""

from __future__ import annotations

from typing import Any

import click

from .options import listed

FLAGS = ("memory", "max_batch", "fill_holes", "model_size", "compile")
"""Parameters of the command, by the names of the tracker's settings."""


def memory_options(command: Any) -> Any:
    """What is remembered, and how. The command gets the keys of :data:`FLAGS`, or None."""
    for option in (
        click.option(
            "--compile",
            is_flag=True,
            default=None,
            help="Compile the network with torch.compile: slow start, then faster; for models of --memory.",
        ),
        click.option(
            "--model-size",
            type=click.IntRange(min=1),
            metavar="N",
            help="Resize frames to NxN, for models of --memory; other values than the default depart from "
            "the published settings.  [default: 1024]",
        ),
        click.option(
            "--fill-holes",
            type=click.IntRange(min=0),
            metavar="N",
            help="Fill holes of at most N pixels of the 256x256 mask, for models of --memory.  [default: 8]",
        ),
        click.option(
            "--max-batch",
            type=click.IntRange(min=1),
            metavar="N",
            help="Objects per batch, for models of --memory.  [default: 1, on a card 8]",
        ),
        click.option(
            "--memory",
            metavar="POLICY",
            help="What sam2.1-*, sam2-*, edgetam, sam3 remember: sam2 (default), samurai, dam, sam3, long.",
        ),
    ):
        command = option(command)
    return command


def take_memory_settings(flags: dict[str, Any]) -> dict[str, Any]:
    """The tracker's settings that were given, taken out of ``flags``."""
    given = {name: flags.pop(name) for name in FLAGS}
    return {name: value for name, value in given.items() if value is not None}


def check_memory(model: str, given: dict[str, Any]) -> None:
    """Raise SettingsError where settings of a memory are given to a model without one."""
    from vos.errors import SettingsError
    from vos.trackers.registry import MODELS, TRACKERS

    others = [name for name, entry in TRACKERS.items() if entry.memory]
    if given and model in ("auto", *MODELS) and model not in others:
        flag = f"--{next(iter(given)).replace('_', '-')}"
        what = "auto may choose another" if model == "auto" else f"{model} is none"
        raise SettingsError(
            f"{flag} is for trackers with a memory of their own, and {what}; leave it out, or use "
            f"--model {listed(others)}"
        )
