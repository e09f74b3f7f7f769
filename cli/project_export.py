"""``vos project export``: what a project shows, in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .format_options import (
    cutout_options,
    describe_losses,
    format_option_flag,
    parse_selection,
    parse_settings,
    selection_options,
    tell,
    with_cutout_options,
)
from .options import json_flag, output_folder, print_json, verbosity
from .project_options import annotator_option, project_folder, video_option


@click.command("export")
@project_folder
@click.option(
    "-f", "--format", "formats", multiple=True, required=True, metavar="FORMAT", help="See `vos formats`."
)
@output_folder
@video_option
@click.option(
    "--only",
    type=click.Choice(["all", "accepted"]),
    default="all",
    show_default=True,
    help="accepted: given and accepted masks alone.",
)
@selection_options
@cutout_options
@format_option_flag
@click.option(
    "--images",
    type=click.Choice(["none", "copy", "link"]),
    default="none",
    show_default=True,
    help="Put the frames' images where the format has them; link: hard links where possible.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
@annotator_option
@json_flag
@verbosity
def export(
    folder: Path,
    formats: tuple[str, ...],
    output: Path,
    video: str | None,
    only: str,
    frames: str | None,
    objects: str | None,
    edge: str | None,
    feather: float | None,
    background: str | None,
    settings: tuple[str, ...],
    images: str,
    overwrite: bool,
    annotator: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the masks that PROJECT shows in one or more formats.

    OUT is made whole or not at all; OUT/export.json says what is in it. An OUT that ends in .zip becomes an
    archive. Names and categories are the project's.

    \b
    vos project export P -f coco -o exported
    vos project export P -f davis --only accepted --images copy -o set
    """
    from vos.formats.exporting import export as export_annotations
    from vos.formats.frame_images import Images
    from vos.formats.transfer import needs_frames, select
    from vos.projects import Draft, Project
    from vos.projects.exporting import project_annotations

    selection = parse_selection(frames, objects)
    options = with_cutout_options(parse_settings(settings), edge=edge, feather=feather, background=background)
    with Project.open(folder, annotator=annotator) as opened:
        entry = opened.video(video)
        with opened.open_video(entry.key) as source:
            chosen: Any = {"objects": selection.pop("objects", None), "only": only}
            annotations = project_annotations(opened, entry, source, **chosen)
            written = export_annotations(
                select(annotations, **selection),
                output,
                formats,
                sequence=entry.key,
                options=options,
                images=None if images == "none" else Images(source, link=images == "link"),
                frames=source if any(map(needs_frames, formats)) else None,
                overwrite=overwrite,
                source={"project": opened.id, "video": entry.key, "counter": opened.counter, "only": only},
            )
        opened.append([Draft("export", {"what": ", ".join(formats), "to": str(output)})])
    for result in written:
        tell(describe_losses([f"{result.format}: {n}" for n in result.notes], result.losses), quiet=quiet)
    if as_json:
        print_json([result.as_dict() for result in written])
    elif not quiet:
        for result in written:
            click.echo(
                f"{result.format:20} {result.frames} frames, {len(result.objects)} objects: {result.path}"
            )
