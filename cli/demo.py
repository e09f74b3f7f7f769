"""``vos demo``: the clip that comes with the program, tracked and scored."""

from __future__ import annotations

from pathlib import Path

import click

from .options import engine_options, existing_result, json_flag, load_config, print_json, verbosity
from .progress import progress_bar
from .track import describe


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
@click.option("--quick", is_flag=True, help="Only the first half second.")
@engine_options
@existing_result
@json_flag
@verbosity
def demo(
    output: Path,
    quick: bool,
    resume: bool,
    overwrite: bool,
    config: str | None,
    as_json: bool,
    quiet: bool,
    **flags: str | None,
) -> None:
    """Track five toys through a four-second clip, and score the result.

    The clip was rendered for this program, so the true mask of every pixel is known. Two cars that look the
    same pass each other, one leaves and comes back, one turns fast; a ball rolls out of sight behind blocks.
    Writes masks, an overlay video, COCO annotations and scores to OUT, and the clip itself to OUT/input.
    """
    from vos.runs import TrackSettings
    from vos.runs.demo import NAMES, SUBSET, track_demo
    from vos.settings import override

    settings = override(TrackSettings(), load_config(config), flags)
    with progress_bar(quiet=quiet) as advance:
        result = track_demo(
            output,
            settings,
            quick=quick,
            resume=resume,
            overwrite=overwrite,
            progress=lambda p: advance(p.stage, p.done, p.total),
        )
    if as_json:
        print_json(result.as_dict())
    elif not quiet:
        click.echo(result.report.table(), nl=False)
        click.echo("objects:  " + ", ".join(f"{k} {name}" for k, name in NAMES.items()))
        click.echo(describe(result.summary))
        click.echo(f"scores:   {result.scores}")
        click.echo(f"again:    vos track {result.clip.video} -m {result.clip.first_mask} -o OUT")
        click.echo(f"          vos evaluate {result.masks} --davis {result.clip.truth} --set {SUBSET}")
