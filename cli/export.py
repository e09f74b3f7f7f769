"""``vos export``: masks of a run in the formats of other tools."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from .format_options import (
    cutout_options,
    digest,
    export_arguments,
    export_options,
    format_option_flag,
    formats_option,
    naming_options,
    parse_names,
    parse_selection,
    parse_settings,
    report_exports,
    selection_options,
    with_cutout_options,
)
from .options import json_flag, output_folder, url_option, verbosity


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@formats_option
@output_folder
@naming_options
@selection_options
@cutout_options
@format_option_flag
@export_options
@click.option(
    "--video", metavar="VIDEO", help="The video that the masks belong to; by default the one of the run."
)
@url_option
@json_flag
@verbosity
def export(
    source: Path,
    formats: tuple[str, ...],
    output: Path,
    names: tuple[str, ...],
    categories: tuple[str, ...],
    sequence: str | None,
    frames: str | None,
    objects: str | None,
    settings: tuple[str, ...],
    edge: str | None,
    feather: float | None,
    background: str | None,
    video: str | None,
    allow_url: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Write the masks of SOURCE, the folder of a run or of index PNGs, in one or more formats.

    OUT is written completely or not at all; OUT/export.json says what is in it and what was lost. An OUT that
    ends in .zip becomes an archive.

    \b
    vos export out -f coco -f yolo -o exported
    vos export out -f cvat-video --name 1:dog -o task.zip
    vos export out -f davis --images copy --video clip.mp4 -o set
    vos export other -f davis --images copy --video other.mp4 -o set --append
    vos export out -f yolo --class-map classes.json --split val -o set
    vos export out -f prores -f rgba-png --edge refined -o cut
    """
    from vos.errors import SettingsError
    from vos.formats.exporting import export as export_annotations
    from vos.formats.transfer import needs_frames, read, select
    from vos.formats.with_frames import video_of_run
    from vos.video import open_video

    if given["images"] != "none" and video is None:
        raise SettingsError(f"--images {given['images']} needs --video: the video that the masks are of")
    selection = parse_selection(frames, objects)
    options = with_cutout_options(parse_settings(settings), edge=edge, feather=feather, background=background)
    shown = any(needs_frames(name) for name in formats)
    arguments: dict[str, Any] = {
        "names": parse_names(names, "--name"),
        "categories": parse_names(categories, "--category"),
    }
    annotations = select(read(source, "masks"), **selection)
    with ExitStack() as stack:
        with_images = given["images"] != "none" and video is not None
        opened = None
        if video is not None and (with_images or shown):
            opened = stack.enter_context(open_video(video, allow_url=allow_url))
        arguments |= export_arguments(opened if with_images else None, options, **given)
        if shown and opened is None:
            place, size = video_of_run(source)
            opened = stack.enter_context(open_video(place, size=size))
        arguments["frames"] = opened if shown else None
        written = export_annotations(
            annotations,
            output,
            formats,
            sequence=sequence or (Path(video).stem if video else None),
            source={"path": str(source), "sha256": digest(source)},
            **arguments,
        )
    report_exports(written, as_json=as_json, quiet=quiet)
