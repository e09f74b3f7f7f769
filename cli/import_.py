"""``vos import``: annotations made elsewhere, as index PNGs and prompts that fit a video."""

from __future__ import annotations

from pathlib import Path

import click

from .completion import complete, read_formats
from .format_options import (
    digest,
    frame_names,
    parse_names,
    parse_selection,
    selection_options,
    tell,
)
from .options import json_flag, output_folder, print_json, url_option, verbosity


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--video", required=True, metavar="VIDEO", help="The video that the annotations belong to.")
@url_option
@click.option(
    "--format",
    "source_format",
    metavar="FORMAT",
    shell_complete=complete(read_formats),
    help="Format of FILE; detected unless given.",
)
@output_folder
@click.option("--pick", metavar="NAME", help="Which video, where FILE holds several.")
@click.option("--name", "names", multiple=True, metavar="ID:NAME", help="Name of an object.")
@selection_options
@click.option(
    "--link-iou", is_flag=True, help="Join objects of neighbouring frames by overlap (YOLO has no ids)."
)
@click.option("--skip-missing", is_flag=True, help="Leave out frames that the video does not have.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier import.")
@json_flag
@verbosity
def import_(
    file: Path,
    video: str,
    allow_url: bool,
    source_format: str | None,
    output: Path,
    pick: str | None,
    names: tuple[str, ...],
    frames: str | None,
    objects: str | None,
    link_iou: bool,
    skip_missing: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read the annotations in FILE (or folder) that were made for VIDEO.

    Writes OUT/masks/*.png, index PNGs named as the frames of VIDEO; OUT/prompts.json, boxes without masks,
    for `vos track --prompts`; and OUT/import.json. Everything is written, or nothing.

    \b
    vos import task.xml --video clip.mp4 -o imported
    vos import labels/ --format yolo --link-iou --video frames/ -o imported
    """
    from vos.formats.importing import import_masks, match_to_video
    from vos.formats.transfer import read, select
    from vos.video import open_video

    selection, new_names = parse_selection(frames, objects), parse_names(names, "--name")
    with open_video(video, allow_url=allow_url) as source:
        size = (source.info.height, source.info.width)
        stems, files = frame_names(source)
    annotations = read(
        file, source_format, sequence=pick, size=size, options={"link": "iou"} if link_iou else {}
    )
    matched = match_to_video(annotations, stems, size, file_names=files, skip_missing=skip_missing)
    summary = import_masks(
        select(matched, **selection),
        output,
        names=new_names,
        source={"path": str(file), "sha256": digest(file), "video": video},
        overwrite=overwrite,
    )
    notes = list(summary["notes"])
    if summary["overlapping_pixels"]:
        notes.append(f"{summary['overlapping_pixels']} pixels were claimed by several objects")
    tell(notes, quiet=quiet)
    if as_json:
        print_json(summary)
    elif not quiet:
        boxes = f", {summary['boxes']} boxes" if summary["boxes"] else ""
        click.echo(f"{len(summary['frames'])} frames, {len(summary['objects'])} objects{boxes}: {output}")
