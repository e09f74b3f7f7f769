"""``vos demo``: the clip that comes with the program, tracked and scored."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from .options import engine_options, existing_result, json_flag, load_config, print_json, verbosity
from .progress import progress_bar
from .track import describe

CLIPS = ("toys", "train")
"""Those of :data:`vos.runs.demo.CLIPS`."""


def program() -> str:
    """What the user types: ``vos``, or its file where it is not on the path, as after ``make demo``."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "vos" and shutil.which("vos") is None else "vos"


@click.command()
@click.option(
    "-o",
    "--output",
    default="vos-demo",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Folder for results.",
)
@click.option(
    "--clip",
    type=click.Choice(CLIPS),
    default="toys",
    show_default=True,
    help="Clip: toys is the stress test, train the easy one of the tutorial.",
)
@click.option("--quick", is_flag=True, help="Only the first half second.")
@click.option("--no-track", is_flag=True, help="Only write the clip and its true masks to OUT/input.")
@engine_options(default="classical")
@existing_result
@json_flag
@verbosity
def demo(
    output: Path,
    clip: str,
    quick: bool,
    no_track: bool,
    resume: bool,
    overwrite: bool,
    config: str | None,
    as_json: bool,
    quiet: bool,
    **flags: str | None,
) -> None:
    """Track the objects of a bundled clip, and score the result.

    The clips were rendered for this program, so the true mask of every pixel is known. In "toys" two cars
    that look the same pass each other, one leaves and comes back, one turns fast; a ball rolls out of sight
    behind blocks. In "train" a toy engine passes behind a mug while a duck on wheels turns round.
    Writes masks, an overlay video, COCO annotations and scores to OUT, and the clip itself to OUT/input.
    """
    from vos.runs import TrackSettings
    from vos.runs.demo import track_demo, write_clip
    from vos.settings import override

    if no_track:
        copy = write_clip(output / "input", clip)
        if as_json:
            print_json({"video": str(copy.video), "first_mask": str(copy.first_mask)})
        elif not quiet:
            click.echo(f"clip:     {copy.video}")
            click.echo(f"truth:    {copy.truth / copy.about.annotations}")
        return
    settings = override(TrackSettings(), load_config(config), flags)
    with progress_bar(quiet=quiet) as advance:
        result = track_demo(
            output,
            settings,
            name=clip,
            quick=quick,
            resume=resume,
            overwrite=overwrite,
            progress=lambda p: advance(p.stage, p.done, p.total),
        )
    if as_json:
        print_json(result.as_dict())
    elif not quiet:
        click.echo(result.report.table(), nl=False)
        about = result.clip.about
        click.echo("objects:  " + ", ".join(f"{k} {name}" for k, name in about.names.items()))
        click.echo(describe(result.summary))
        click.echo(f"scores:   {result.scores}")
        vos, truth = program(), result.clip.truth
        model = f"--model {settings.model}"
        click.echo(f"again:    {vos} track {result.clip.video} -m {result.clip.first_mask} {model} -o OUT")
        click.echo(f"          {vos} evaluate {result.masks} --davis {truth} --set {about.subset}")
