"""``vos track --class``: which classes to track, and the detector that finds them."""

from __future__ import annotations

from typing import Any

import click

from vos.detectors.registry import DETECTORS

from .language_options import class_option, detector_options

FLAGS = {
    "detector": "detector",
    "detector_weights": "weights",
    "tuned": "tuned",
    "instances": "instances",
    "min_score": "min_score",
    "search_every": "search_every",
    "search_frames": "search_frames",
    "detect_every": "detect_every",
}
"""Parameter of the command -> field of :class:`vos.prompting.class_names.ClassSettings`."""


def class_options(command: Any) -> Any:
    """Class names. The command gets ``names``, ``exemplars`` and the keys of :data:`FLAGS`, or None."""
    for option in (
        click.option(
            "--detect-every",
            type=click.IntRange(min=1),
            metavar="N",
            help="Detect new and lost objects of the classes every N frames.",
        ),
        click.option(
            "--search-frames",
            type=click.IntRange(min=1),
            metavar="N",
            help="Number of frames to search for the first object of a class.  [default: 500]",
        ),
        click.option(
            "--search-every",
            type=click.IntRange(min=1),
            metavar="N",
            help="Stride of --search-frames; the frames just before the first detection are then searched "
            "one by one.  [default: 5]",
        ),
        click.option(
            "--min-score",
            type=click.FloatRange(0, 1),
            metavar="S",
            help="Minimum score of a detection, 0 to 1.  [default: the detector's]",
        ),
        click.option(
            "--instances",
            type=click.IntRange(min=1),
            metavar="N",
            help="At most N objects per class at a time, by score.  [default: all]",
        ),
        click.option(
            "--exemplar",
            "exemplars",
            multiple=True,
            metavar="NAME:x0,y0,x1,y1[,+|-]",
            help="Box in --frame around an example (+, default) or a counter-example (-) of a --class, for "
            "sam3. Repeatable.",
        ),
        detector_options(DETECTORS),
        class_option(
            required=False,
            text="Class whose objects are found and tracked, instead of the prompts above. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def take_class_settings(flags: dict[str, Any]) -> dict[str, Any]:
    """The overrides for ``TrackSettings.classes``, taken out of ``flags``."""
    return {field: flags.pop(flag) for flag, field in FLAGS.items()}
