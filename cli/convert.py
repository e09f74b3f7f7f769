"""``vos convert``: annotations from one format to another."""

from __future__ import annotations

from pathlib import Path

import click

from .completion import complete, read_formats, written_formats
from .format_options import (
    describe_losses,
    extent,
    format_option_flag,
    naming_options,
    parse_frame_size,
    parse_names,
    parse_selection,
    parse_settings,
    selection_options,
    tell,
)
from .options import json_flag, print_json, verbosity


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "target_format",
    required=True,
    metavar="FORMAT",
    shell_complete=complete(written_formats),
    help="See `vos formats`.",
)
@click.option(
    "--from",
    "source_format",
    metavar="FORMAT",
    shell_complete=complete(read_formats),
    help="Format of SOURCE; detected unless given.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT", help="File or folder."
)
@click.option("--size", metavar="WIDTHxHEIGHT", help="Size of the frames, for formats that do not store it.")
@click.option("--pick", metavar="NAME", help="Which video, where SOURCE holds several.")
@click.option(
    "--link-iou", is_flag=True, help="Join objects of neighbouring frames by overlap (YOLO has no ids)."
)
@naming_options
@selection_options
@format_option_flag
@click.option("--overwrite", is_flag=True, help="Replace OUT where it is a file.")
@json_flag
@verbosity
def convert(
    source: Path,
    target_format: str,
    source_format: str | None,
    output: Path,
    size: str | None,
    pick: str | None,
    link_iou: bool,
    names: tuple[str, ...],
    categories: tuple[str, ...],
    sequence: str | None,
    frames: str | None,
    objects: str | None,
    settings: tuple[str, ...],
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the annotations of SOURCE, of any format that is read, in another format.

    \b
    vos convert annotations.json --to cvat-video -o annotations.xml
    vos convert davis/ --to youtube-vis -o out.json
    vos convert labels/ --from yolo --link-iou --size 1280x720 --to masks -o masks
    """
    from vos.formats.transfer import read, select, write

    selection, options = parse_selection(frames, objects), parse_settings(settings)
    annotations = read(
        source,
        source_format,
        sequence=pick,
        size=parse_frame_size(size),
        options={"link": "iou"} if link_iou else {},
    )
    result = write(
        select(annotations, **selection),
        output,
        target_format,
        names=parse_names(names, "--name"),
        categories=parse_names(categories, "--category"),
        sequence=sequence,
        options=options,
        overwrite=overwrite,
    )
    lines = describe_losses(result)
    if annotations.boxes:
        lines.append(
            f"boxes without masks, left out: {len(annotations.boxes)}; `vos import` makes prompts of them"
        )
    tell(lines, quiet=quiet)
    if as_json:
        print_json(result.as_dict())
    elif not quiet:
        click.echo(f"{result.format:20} {extent(result)}: {result.path}")
