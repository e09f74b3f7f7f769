"""``vos project join``: two objects that are one."""

from __future__ import annotations

from pathlib import Path

import click

from .options import counted, json_flag, print_json, verbosity
from .project_options import annotator_option, project_folder


@click.command()
@project_folder
@click.option("--object", "giver", required=True, type=int, metavar="ID", help="Object that is no more.")
@click.option("--into", "taker", required=True, type=int, metavar="ID", help="Object that gets its masks.")
@annotator_option
@json_flag
@verbosity
def join(folder: Path, giver: int, taker: int, annotator: str | None, as_json: bool, quiet: bool) -> None:
    """Join two objects of PROJECT that are one; `vos project undo` parts them.

    Each frame gets the masks of both, but one in which the object that stays is corrected or accepted keeps
    it, unless the other is as well. Rejected masks are left out. Unconfirmed masks are to be reviewed.

    \b
    vos project join P --object 3 --into 1
    """
    from vos.projects import Project
    from vos.projects.joining import join_objects

    from .progress import progress_bar

    with Project.open(folder, annotator=annotator) as opened, progress_bar(quiet=quiet) as advance:
        found = join_objects(
            opened, giver, taker, progress=lambda done, total, *_: advance("join", done, total)
        )
    if as_json:
        print_json({"object": taker, "removed": giver, "unions": found.unions})
    elif not quiet:
        click.echo(
            f"object {giver} is part of object {taker} now: "
            f"{counted(found.unions, 'frame')} with masks of both"
        )
