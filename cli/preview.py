"""``vos preview``: the first masks as an image, before a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .extract import image_output
from .options import (
    default_model,
    engine_options,
    json_flag,
    load_config,
    print_json,
    size_option,
    url_option,
    verbosity,
)
from .prompt_options import GivenPrompts, prompt_options

if TYPE_CHECKING:
    from vos.runs.preview import Offer


@click.command()
@click.argument("video", metavar="VIDEO")
@prompt_options
@click.option("--grid", is_flag=True, help="Draw a grid with pixel coordinates, too.")
@size_option
@url_option
@click.option(
    "--candidates",
    is_flag=True,
    help="For one object: draw all candidate masks of its points or box, from small to large, side by "
    "side, and write them as FILE-1.png, FILE-2.png, ... to track from.",
)
@image_output
@engine_options(default="auto")
@json_flag
@verbosity
def preview(
    video: str,
    prompts: GivenPrompts,
    grid: bool,
    allow_url: bool,
    candidates: bool,
    output: Path,
    overwrite: bool,
    config: str | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Draw the masks that `vos track` would start from, with ids and scores, over their frame of VIDEO.

    Takes the prompts of `vos track`, and runs in seconds. Without prompts it draws the frame with a
    coordinate grid.

    \b
    vos preview clip.mp4 --box 1:120,80,310,400 -o preview.png
    vos preview clip.mp4 --point 1:210,240 --candidates -o dog.png   # then: vos track clip.mp4 -m dog-2.png
    vos preview clip.mp4 -o grid.png
    """
    from vos.files import refuse_input
    from vos.runs import TrackSettings
    from vos.runs.preview import draw_grid, frame_at, save_image
    from vos.runs.preview import offer as offer_of
    from vos.runs.preview import preview as preview_of
    from vos.settings import override
    from vos.video import open_video, parse_size

    if flags["size"] is not None:
        flags["size"] = parse_size(flags["size"])
    if candidates and not prompts:
        raise click.UsageError("--candidates needs the points or the box of one object: --point, --box")
    recipe = load_config(config)
    settings = override(TrackSettings(), default_model(recipe, flags), recipe, flags)
    reading = {"reader": settings.reader, "size": settings.size, "allow_url": allow_url}
    with open_video(video, **reading) as source:
        refuse_input(output, (*source.paths, *prompts.files))
        if not prompts:
            shown: dict[str, Any] = {"frame": prompts.frame or 0, "objects": {}}
            image = draw_grid(frame_at(source, prompts.frame or 0).image)
        else:
            targets = prompts.load(source)
            if candidates:
                _offer(offer_of(source, targets, settings), output, overwrite, as_json, quiet)
                return
            found = preview_of(source, targets, settings, grid=grid)
            shown, image = found.as_dict(), found.image
    save_image(output, image, overwrite=overwrite)
    if as_json:
        print_json({**shown, "image": str(output)})
    elif not quiet:
        objects = [
            f"{key}: {o['area']} px, confidence {o['confidence']:.2f}" for key, o in shown["objects"].items()
        ]
        click.echo("\n".join([f"{output}: frame {shown['frame']}", *objects]))


def _offer(made: Offer, output: Path, overwrite: bool, as_json: bool, quiet: bool) -> None:
    """Write the candidates, and print what they are."""
    from vos.runs.preview import write_offer

    files = write_offer(output, made, overwrite=overwrite)
    shown = made.as_dict()
    if as_json:
        named = [{**c, "mask": str(f)} for c, f in zip(shown["candidates"], files, strict=True)]
        print_json({**shown, "candidates": named, "image": str(output)})
    elif not quiet:
        lines = [
            f"{file}: {c['area']} px, confidence {c['confidence']:.2f}"
            + (", the most likely" if number == shown["likeliest"] else "")
            for number, (c, file) in enumerate(zip(shown["candidates"], files, strict=True), start=1)
        ]
        head = f"{output}: object {shown['object']} in frame {shown['frame']}, from small to large"
        click.echo("\n".join([head, *lines]))
