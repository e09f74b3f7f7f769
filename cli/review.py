"""``vos review``: the doubtful frames of a project first."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_flag, print_json, verbosity
from .project_options import annotator_option, project_folder, video_option


@click.command()
@project_folder
@video_option
@click.option("-n", "--items", default=20, show_default=True, type=click.IntRange(min=1), metavar="N")
@click.option("--by-time", is_flag=True, help="Sort by frame instead of by expected benefit.")
@click.option(
    "--accept",
    metavar="CONDITION",
    help='Accept all tracked masks below this uncertainty, such as "u<0.05", say how many of such masks '
    "were wrong where it was measured, and list what is left.",
)
@annotator_option
@json_flag
@verbosity
def review(
    folder: Path,
    video: str | None,
    items: int,
    by_time: bool,
    accept: str | None,
    annotator: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """List the frames of PROJECT whose correction helps most, with the reasons."""
    from vos.projects import Project, accept_confident, review_queue
    from vos.projects.queue import parse_threshold, share_wrong

    with Project.open(folder, annotator=annotator, read_only=accept is None) as opened:
        if accept is not None:
            below = parse_threshold(accept)
            events = accept_confident(opened, below, video)
            if not quiet and not as_json:
                wrong = f"{100 * share_wrong(below):.0f} of 100 such masks had J < 0.75"
                click.echo(
                    f"{len(events)} ranges accepted; where it was measured, {wrong} (docs/projects.md)"
                )
        queue = review_queue(opened, video, items=items)
    found = sorted(queue.items, key=lambda item: (item.video, item.frame)) if by_time else queue.items
    if as_json:
        print_json(
            {
                "items": [item.as_dict() for item in found],
                "uncertain": round(queue.uncertain, 4),
                "settled": round(queue.settled, 4),
            }
        )
        return
    for item in found:
        reasons = "; ".join(f"object {r.object_id}: {r.text}" for r in item.reasons[:3])
        click.echo(f"{item.video} frame {item.frame}: {reasons}")
    if not quiet:
        click.echo(
            f"{100 * queue.uncertain:.1f} % of tracked masks uncertain, {100 * queue.settled:.1f} % settled"
        )
