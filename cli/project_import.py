"""``vos project import``: masks that were made elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from .completion import complete, read_formats
from .format_options import frame_names, parse_selection, selection_options, tell
from .options import json_flag, print_json, verbosity
from .project_options import annotator_option, project_folder, video_option


@click.command("import")
@project_folder
@click.argument("file", type=click.Path(path_type=Path))
@video_option
@click.option(
    "--format",
    "source_format",
    metavar="FORMAT",
    shell_complete=complete(read_formats),
    help="Format of FILE; detected unless given.",
)
@click.option("--pick", metavar="NAME", help="Which video, where FILE holds several.")
@selection_options
@click.option(
    "--ids",
    type=click.Choice(["same", "new"]),
    help="Where FILE and PROJECT have an object of one id: the same object, or a new one.",
)
@click.option(
    "--link-iou", is_flag=True, help="Join objects of neighbouring frames by overlap (YOLO has no ids)."
)
@click.option("--skip-missing", is_flag=True, help="Leave out frames that the video does not have.")
@annotator_option
@json_flag
@verbosity
def import_(
    folder: Path,
    file: Path,
    video: str | None,
    source_format: str | None,
    pick: str | None,
    frames: str | None,
    objects: str | None,
    ids: str | None,
    link_iou: bool,
    skip_missing: bool,
    annotator: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Bring the masks in FILE, a file or folder in any format or a run of vos track, into PROJECT.

    Masks of a person, or of unknown origin, become corrections: they stay as they are. What a tracker made
    becomes a result of tracking, to be reviewed and corrected.

    \b
    vos project import P out
    vos project import P task.xml --ids new
    """
    from vos.formats.importing import match_to_video
    from vos.formats.transfer import read, select
    from vos.projects import Project
    from vos.projects.digests import digests_of
    from vos.projects.importing import import_annotations

    selection = parse_selection(frames, objects)
    with Project.open(folder, annotator=annotator) as opened:
        entry = opened.video(video)
        with opened.open_video(entry.key) as source:
            stems, files = frame_names(source)
        options = {"link": "iou"} if link_iou else {}
        annotations = read(file, source_format, sequence=pick, size=entry.size, options=options)
        matched = match_to_video(annotations, stems, entry.size, file_names=files, skip_missing=skip_missing)
        found = import_annotations(
            opened,
            entry.key,
            select(matched, **selection),
            ids=ids,
            source=str(file),
            digests=digests_of(file),
        )
    tell(matched.notes, quiet=quiet)
    if as_json:
        print_json({"given": found.given, "tracked": found.tracked, "objects": found.objects})
    elif not quiet:
        click.echo(
            f"{len(found.objects)} objects: {found.given} masks given, {found.tracked} masks to be reviewed"
        )
