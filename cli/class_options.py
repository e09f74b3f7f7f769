"""``vos track --class``: whom to follow by name, and what knows the names."""

from __future__ import annotations

from typing import Any

import click

from vos.detectors.registry import FINDERS

from .language_options import class_option, finder_options

FLAGS = {
    "finder": "finder",
    "finder_weights": "weights",
    "tuned": "tuned",
    "instances": "instances",
    "min_score": "min_score",
    "search_every": "search_every",
    "search_frames": "search_frames",
    "detect_every": "detect_every",
}
"""Parameter of the command -> field of :class:`vos.prompting.class_names.ClassSettings`."""


def class_options(command: Any) -> Any:
    """Class names. The command gets ``names`` and the keys of :data:`FLAGS`, or None."""
    for option in (
        click.option(
            "--detect-every",
            type=click.IntRange(min=1),
            metavar="N",
            help="Look for new objects of the classes, and for lost ones, every N frames.",
        ),
        click.option(
            "--search-frames",
            type=click.IntRange(min=1),
            metavar="N",
            help="Look for the first object of a class in so many frames.  [default: 500]",
        ),
        click.option(
            "--search-every",
            type=click.IntRange(min=1),
            metavar="N",
            help="... and at every N-th of them; then just before the first find.  [default: 5]",
        ),
        click.option(
            "--min-score",
            type=click.FloatRange(0, 1),
            metavar="S",
            help="Score a find needs, 0 to 1; each finder has its own default.",
        ),
        click.option(
            "--instances",
            type=click.IntRange(min=1),
            metavar="N",
            help="At most N objects of a class at a time, the best ones.  [default: all]",
        ),
        finder_options(FINDERS),
        class_option(
            required=False,
            text="A class, instead of all of the above: its objects are found and followed. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def take_class_settings(flags: dict[str, Any]) -> dict[str, Any]:
    """The overrides for ``TrackSettings.classes``, taken out of ``flags``."""
    return {field: flags.pop(flag) for flag, field in FLAGS.items()}
