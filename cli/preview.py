"""``vos preview``: the first masks as a picture, before a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .extract import picture_output
from .options import engine_options, json_flag, load_config, print_json, size_option, verbosity
from .track import prompt_options


@click.command()
@click.argument("video", metavar="VIDEO")
@prompt_options
@click.option("--grid", is_flag=True, help="Draw a grid with pixel coordinates, too.")
@size_option
@picture_output
@engine_options
@json_flag
@verbosity
def preview(
    video: str,
    masks: tuple[Path, ...],
    points: tuple[str, ...],
    boxes: tuple[str, ...],
    prompts: tuple[Path, ...],
    frame: int | None,
    mask_values: str,
    turn_masks: bool,
    grid: bool,
    output: Path,
    overwrite: bool,
    config: str | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Draw the masks that `vos track` would start from, with ids and scores, over their frame of VIDEO.

    Takes the prompts of `vos track`, and seconds. Without prompts it is the frame with a grid of coordinates.

    \b
    vos preview clip.mp4 --box 1:120,80,310,400 -o preview.png
    vos preview clip.mp4 -o grid.png
    """
    from vos.prompting.parsing import load_prompts
    from vos.runs import TrackSettings
    from vos.runs.preview import draw_grid, frame_at, write_picture
    from vos.runs.preview import preview as preview_of
    from vos.settings import override
    from vos.video import open_video, parse_size

    if flags["size"] is not None:
        flags["size"] = parse_size(flags["size"])
    settings = override(TrackSettings(), load_config(config), flags)
    with open_video(video, reader=settings.reader, size=settings.size) as source:
        if not (masks or points or boxes or prompts):
            shown: dict[str, Any] = {"frame": frame or 0, "objects": {}}
            picture = draw_grid(frame_at(source, frame or 0).image)
        else:
            targets = load_prompts(
                masks=masks,
                points=points,
                boxes=boxes,
                prompt_files=prompts,
                frame=frame,
                video=source,
                mask_values=mask_values,
                turn_masks=turn_masks,
            )
            found = preview_of(source, targets, settings, grid=grid)
            shown, picture = found.as_dict(), found.picture
    write_picture(output, picture, overwrite=overwrite)
    if as_json:
        print_json({**shown, "picture": str(output)})
    elif not quiet:
        objects = [f"{key}: {o['area']} px, score {o['score']:.2f}" for key, o in shown["objects"].items()]
        click.echo("\n".join([f"{output}: frame {shown['frame']}", *objects]))
