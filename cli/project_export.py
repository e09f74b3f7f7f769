"""``vos project export``: what a project shows, in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .format_options import (
    cutout_options,
    export_arguments,
    export_options,
    format_option_flag,
    formats_option,
    parse_selection,
    parse_settings,
    report_exports,
    selection_options,
    tell,
    with_cutout_options,
)
from .options import json_flag, output_folder, verbosity
from .project_options import annotator_option, project_folder, video_option


@click.command("export")
@project_folder
@formats_option
@output_folder
@video_option
@click.option(
    "--only",
    type=click.Choice(["all", "accepted", "anchors"]),
    default="all",
    show_default=True,
    help="accepted: given and accepted masks alone; anchors: given ones. Other frames are left out.",
)
@selection_options
@cutout_options
@format_option_flag
@export_options
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
    annotator: str | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Write the masks that PROJECT shows in one or more formats.

    OUT is written completely or not at all; OUT/export.json says what is in it. An OUT that ends in .zip
    becomes an archive. Names and categories are the project's. A project that another process works on, or
    that cannot be written to, is exported as well.

    \b
    vos project export P -f coco -o exported
    vos project export P -f davis --only accepted --images copy -o set
    """
    from vos.errors import VosError
    from vos.formats.exporting import export as export_annotations
    from vos.formats.transfer import needs_frames, select
    from vos.projects import Draft, Project
    from vos.projects.digests import digests_of
    from vos.projects.exporting import project_annotations

    selection = parse_selection(frames, objects)
    options = with_cutout_options(parse_settings(settings), edge=edge, feather=feather, background=background)
    with Project.open(folder, annotator=annotator, read_only=True) as opened:
        entry = opened.video(video)
        with opened.open_video(entry.key) as source:
            chosen: Any = {"objects": selection.pop("objects", None), "only": only}
            annotations = project_annotations(opened, entry, source, **chosen)
            written = export_annotations(
                select(annotations, **selection),
                output,
                formats,
                sequence=entry.key,
                **export_arguments(None if given["images"] == "none" else source, options, **given),
                frames=source if any(map(needs_frames, formats)) else None,
                source={"project": opened.id, "video": entry.key, "counter": opened.counter, "only": only},
            )
    try:
        with Project.open(folder, annotator=annotator) as opened:
            record = {"what": ", ".join(formats), "to": str(output), "digests": digests_of(output)}
            opened.append([Draft("export", record)])
    except VosError as error:  # a project that others work on, or that cannot be written to, is exported, too
        tell([f"the export is not in the project's record: {error}"], quiet=quiet)
    report_exports(written, as_json=as_json, quiet=quiet)
