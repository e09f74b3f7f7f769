"""``vos project``: annotations of videos that keep every correction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import counted, engine_options, json_flag, print_json, verbosity
from .project_export import export
from .project_import import import_
from .project_join import join
from .project_options import annotator_option, new_folder, project_folder, video_option, with_engine
from .prompt_options import GivenPrompts, prompt_options

if TYPE_CHECKING:
    from vos.projects import Event, Project


@click.group(short_help="Annotate videos: keep corrections, track only what they affect.")
def project() -> None:
    """Annotate videos: keep corrections, and track only what they affect.

    A project is a folder. Every action of an annotator is appended to its journals and can be undone; nothing
    is ever lost.

    \b
    vos project new clip.mp4 --box 1:120,80,310,400 -o clip.vosproject
    vos project track clip.vosproject
    vos review clip.vosproject
    vos project add clip.vosproject -m better.png --frame 40
    vos project track clip.vosproject
    """


@project.command()
@click.argument("source", metavar="VIDEO")
@prompt_options
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PROJECT",
    help="Folder for the project.",
)
@engine_options(default="classical")
@annotator_option
@verbosity
def new(
    source: str,
    prompts: GivenPrompts,
    output: Path,
    annotator: str | None,
    quiet: bool,
    **engine: Any,
) -> None:
    """Make a project for VIDEO, with the objects prompted, if any."""
    from vos.projects import Project, ProjectSettings
    from vos.projects.prompting import anchor_targets
    from vos.video import open_video

    with open_video(source) as video:
        targets = prompts.load(video) if prompts else []
    settings = with_engine(ProjectSettings(), engine)
    with new_folder(output), Project.create(output, annotator=annotator, settings=settings) as created:
        entry = created.add_video(source)
        anchors = anchor_targets(created, entry.key, targets)
    if not quiet:
        click.echo(
            f"{output}: video {entry.key}, {entry.frames} frames of {entry.width}x{entry.height}, "
            f"{counted(len(anchors), 'mask')} given"
        )
        click.echo(f"next: vos project track {output}")


@project.command()
@project_folder
@click.argument("source", metavar="[VIDEO]", required=False)
@click.option("--key", metavar="KEY", help="Name of the added video in the project.")
@prompt_options
@video_option
@annotator_option
@verbosity
def add(
    folder: Path,
    source: str | None,
    key: str | None,
    prompts: GivenPrompts,
    video: str | None,
    annotator: str | None,
    quiet: bool,
) -> None:
    """Add a VIDEO, or prompts for one frame: new objects and corrections.

    \b
    vos project add P second.mp4
    vos project add P -m corrected.png --frame 40
    """
    from vos.projects import Project
    from vos.projects.prompting import anchor_targets

    if source is None and not prompts:
        raise click.UsageError("nothing to add: give a VIDEO, or masks, points, boxes or prompts")
    with Project.open(folder, annotator=annotator) as opened:
        if source is not None:
            entry = opened.add_video(source, key)
            if not quiet:
                click.echo(f"video {entry.key}: {entry.frames} frames of {entry.width}x{entry.height}")
        else:
            entry = opened.video(video)
        if prompts:
            with opened.open_video(entry.key) as frames:
                targets = prompts.load(frames)
            for event in anchor_targets(opened, entry.key, targets):
                if not quiet:
                    click.echo(f"object {event.payload['object']} in frame {event.payload['frame']}")


@project.command()
@project_folder
@video_option
@engine_options(default="the project's own")
@annotator_option
@json_flag
@verbosity
def track(
    folder: Path, video: str | None, annotator: str | None, as_json: bool, quiet: bool, **engine: Any
) -> None:
    """Track what is stale or unknown, and nothing else.

    Each interval counts as soon as it is done: after Ctrl-C the same command continues. A tracker that is
    named here is used this time, in place of the project's own.
    """
    from vos.projects import Project, TrackProgress, engine_of, track_project

    from .progress import progress_bar

    with Project.open(folder, annotator=annotator) as opened, progress_bar(quiet=quiet) as advance:

        def report(progress: TrackProgress) -> None:
            advance(f"frames {progress.job.first}-{progress.job.last}", progress.done, progress.total)

        chosen = with_engine(opened.settings, engine)
        events = track_project(opened, video, engine=engine_of(chosen), progress=report)
    summary = [{key: event.payload[key] for key in ("video", "objects", "first", "last")} for event in events]
    if as_json:
        print_json(summary)
    elif not quiet:
        click.echo(
            f"{counted(len(events), 'interval')} tracked" if events else "nothing to track: all is up to date"
        )


@project.command()
@project_folder
@json_flag
@verbosity
def status(folder: Path, as_json: bool, quiet: bool) -> None:
    """Print videos and objects, and the number of frames in each state."""
    from vos.projects import Project
    from vos.projects.summary import summarize

    with Project.open(folder, read_only=True) as opened:
        summary = summarize(opened)
    if as_json:
        print_json(summary)
        return
    for key, video in summary["videos"].items():
        click.echo(f"{key}: {video['frames']} frames of {video['width']}x{video['height']}")
        for entry in video["objects"]:
            counts = ", ".join(f"{count} {state}" for state, count in entry["states"].items())
            name = f" {entry['name']}" if entry["name"] else ""
            click.echo(f"  object {entry['object']}{name}: {counts}")
        for first, last, who in video["assigned"]:
            click.echo(f"  frames {first}-{last}: {who}")
    for one in summary["renumbered"]:
        _tell_renumbered(one["object_id"], one["asked"], one["event"])
    click.echo(f"to track: {counted(summary['pending'], 'interval')}; conflicts: {summary['conflicts']}")


def _tell_renumbered(object_id: int, asked: int, event: str) -> None:
    who = event.rpartition(":")[0]
    click.echo(f"object {object_id} is the object {asked} of {who}: somebody else had added another one")


@project.command()
@project_folder
@click.option("--event", metavar="ID", help="What to undo, as `vos project check` names it.")
@annotator_option
@verbosity
def undo(folder: Path, event: str | None, annotator: str | None, quiet: bool) -> None:
    """Undo the annotator's last action, or any one event; `redo` brings it back."""
    from vos.projects import Project

    with Project.open(folder, annotator=annotator) as opened:
        _tell_undone(opened, opened.undo(event), "undo", quiet=quiet)


@project.command()
@project_folder
@annotator_option
@verbosity
def redo(folder: Path, annotator: str | None, quiet: bool) -> None:
    """Redo what the annotator undid last."""
    from vos.projects import Project

    with Project.open(folder, annotator=annotator) as opened:
        _tell_undone(opened, opened.redo(), "redo", quiet=quiet)


def _tell_undone(opened: Project, events: Sequence[Event], what: str, *, quiet: bool) -> None:
    known = {event.id: event for event in opened.events()}
    for event in events:
        undone = known[event.payload["of"]]
        while undone.kind == "undo":
            undone = known[undone.payload["of"]]
        if not quiet:
            click.echo(f"{what}ne: {undone.kind} ({undone.id})")
    if not events and not quiet:
        click.echo(f"nothing to {what}")


@project.command()
@project_folder
@json_flag
@verbosity
def check(folder: Path, as_json: bool, quiet: bool) -> None:
    """Verify every line and every mask; exit code 1 if something is wrong."""
    import dataclasses

    from vos.projects import check as check_project

    found = check_project(folder)
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        for problem in found.problems:
            click.echo(problem)
        if not quiet:
            click.echo(
                f"{counted(found.events, 'event')}, {counted(found.blobs, 'blob')} ({found.unused} unused), "
                f"{counted(len(found.problems), 'problem')}"
            )
    if found.problems:
        raise click.exceptions.Exit(1)


@project.command()
@project_folder
@verbosity
def gc(folder: Path, quiet: bool) -> None:
    """Delete unused masks that are older than a day."""
    from vos.projects import collect_garbage

    removed, size = collect_garbage(folder)
    if not quiet:
        click.echo(f"{removed} blobs removed, {size / 1e6:.1f} MB")


@project.command()
@project_folder
@click.argument("other", metavar="OTHER", type=click.Path(path_type=Path))
@verbosity
def merge(folder: Path, other: Path, quiet: bool) -> None:
    """Merge OTHER, a copy of PROJECT, into PROJECT; OTHER is not changed."""
    from vos.projects import merge as merge_projects

    merged = merge_projects(folder, other)
    if not quiet:
        numbers = (merged.events, "event"), (merged.blobs, "blob"), (merged.videos, "video")
        click.echo(", ".join(counted(number, what) for number, what in numbers))
        for one in merged.renumbered:
            _tell_renumbered(one.object_id, one.asked, one.event)


@project.command()
@project_folder
@click.option("--frames", required=True, metavar="A:B", help="Frames A up to, not including, B.")
@click.option("--to", "to", required=True, metavar="NAME", help="Annotator they are assigned to.")
@video_option
@annotator_option
@verbosity
def split(folder: Path, frames: str, to: str, video: str | None, annotator: str | None, quiet: bool) -> None:
    """Assign a range of frames to an annotator."""
    import re

    from vos.projects import Draft, Project

    match = re.fullmatch(r"([0-9]*):([0-9]*)", frames)
    if match is None:
        raise click.UsageError(f"--frames {frames!r}: write A:B, such as 0:100 for the frames 0 to 99")
    with Project.open(folder, annotator=annotator) as opened:
        entry = opened.video(video)
        first, last = int(match[1] or 0), int(match[2] or entry.frames) - 1
        if last < first:
            raise click.UsageError(f"--frames {frames}: B must be after A; frame B is not included")
        opened.append([Draft("assign", {"video": entry.key, "first": first, "last": last, "to": to})])
    if not quiet:
        click.echo(f"frames {first}-{last} of {entry.key}: {to}")


@project.command()
@project_folder
@json_flag
@verbosity
def replay(folder: Path, as_json: bool, quiet: bool) -> None:
    """Run all tracking again as it was recorded, and compare; exit code 1 if a mask differs."""
    import dataclasses

    from vos.projects import Project
    from vos.projects import replay as replay_project

    from .progress import progress_bar

    with Project.open(folder, read_only=True) as opened, progress_bar(quiet=quiet) as advance:
        outcomes = replay_project(opened, progress=lambda done, total: advance("replay", done, total))
    different = [outcome for outcome in outcomes if outcome.differs]
    if as_json:
        print_json([dataclasses.asdict(outcome) for outcome in outcomes])
    elif not quiet:
        for outcome in different:
            objects = ", ".join(map(str, outcome.differs))
            click.echo(f"{outcome.event}: object {objects} differs; {outcome.reason or 'reason unknown'}")
        click.echo(f"{len(outcomes) - len(different)} of {len(outcomes)} intervals are the same")
    if different:
        raise click.exceptions.Exit(1)


@project.command()
@project_folder
@video_option
@annotator_option
@verbosity
def rebuild(folder: Path, video: str | None, annotator: str | None, quiet: bool) -> None:
    """Track a video again from its corrected and accepted frames alone."""
    from vos.projects import Project
    from vos.projects import rebuild as rebuild_project

    from .progress import progress_bar

    with Project.open(folder, annotator=annotator) as opened, progress_bar(quiet=quiet) as advance:
        events = rebuild_project(opened, video, progress=lambda done, total: advance("rebuild", done, total))
    if not quiet:
        click.echo(f"{counted(len(events), 'interval')} rebuilt")


@project.command()
@project_folder
@json_flag
@verbosity
def agree(folder: Path, as_json: bool, quiet: bool) -> None:
    """Measure the agreement of annotators (J&F) on frames that two of them completed."""
    from vos.projects import Project, agreement

    with Project.open(folder, read_only=True) as opened:
        found = [one.as_dict() for one in agreement(opened)]
    if as_json:
        print_json(found)
        return
    for one in found:
        click.echo(
            f"{one['video']}, object {one['object']}, {' and '.join(one['writers'])}: "
            f"J&F {100 * one['j_and_f']:.1f} on {one['frames']} frames, worst frame {one['worst_frame']}"
        )
    if not found and not quiet:
        click.echo("no frame was given or accepted by two annotators")


@project.command()
@project_folder
@video_option
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder for prompts.json and the masks beside it.",
)
@verbosity
def prompts(folder: Path, video: str | None, output: Path, quiet: bool) -> None:
    """Write the corrections as a prompt file for vos track."""
    from vos.projects import Project
    from vos.projects.prompting import write_prompts

    with Project.open(folder, read_only=True) as opened:
        path = write_prompts(opened, output, video)
    if not quiet:
        click.echo(path)


project.add_command(export)
project.add_command(import_)
project.add_command(join)
