"""``vos tracks``: edits of results."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .format_options import parse_names, parse_selection


@click.group()
def tracks() -> None:
    """Edit results: every command writes a new folder OUT with masks and run.json; SOURCE is not changed.

    \b
    vos tracks swap out 1 2 --frames 40:80 -o fixed
    vos tracks fill-gaps out --longest 5 --dry-run
    """


def _shared(command: Any) -> Any:
    """SOURCE, ``-o`` and ``--dry-run``."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Print what would change, and write nothing."),
        click.option(
            "-o", "--output", type=click.Path(path_type=Path), metavar="OUT", help="Folder for results."
        ),
        click.argument("source", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


_frames = click.option("--frames", metavar="A:B", help="Only frames A, A+1, ... before B.")


def _range(frames: str | None) -> range:
    chosen = parse_selection(frames, None)
    return range(chosen.get("start", 0), chosen.get("end") or sys.maxsize, chosen.get("stride", 1))


def _edit(
    source: Path,
    output: Path | None,
    dry_run: bool,
    build: Any,
    names: dict[int, str] | None = None,
    size: tuple[int, int] | None = None,
    **facts: Any,
) -> None:
    """Make the edit, print what it changes, and write it unless this is a dry run.

    ``build`` makes the edited annotations of those in ``source``; ``size``: (height, width) they have then.
    """
    from vos.errors import InputError, SettingsError
    from vos.formats.transfer import read
    from vos.runs.edits import summarize, write_edited

    if output is None and not dry_run:
        raise SettingsError("give the folder to make with -o OUT, or --dry-run")
    given = read(source, "masks")
    wanted = facts.get("ids") or ()
    if wanted:
        known = {k for _, result in given for k in result.ids}
        missing = sorted(set(wanted) - known)
        if missing:
            raise InputError(f"{source} has no object {missing[0]}; it has {sorted(known)}")
    changed = replace(build(given), names={**given.names, **(names or {})})
    summary = summarize(given, changed)
    if not dry_run and output is not None:
        command = click.get_current_context().info_name
        write_edited(changed, source, output, {"command": command, **facts, "names": names or {}}, size=size)
    click.echo(f"{'would change' if dry_run else 'changed'} {len(summary.frames)} frames")
    for object_id in sorted({*summary.gained, *summary.lost}):
        gained, lost = summary.gained.get(object_id, 0), summary.lost.get(object_id, 0)
        click.echo(f"object {object_id}: {gained} pixels gained, {lost} lost")


@tracks.command()
@_shared
@click.argument("names", nargs=-1, required=True, metavar="ID:NAME...")
def rename(source: Path, names: tuple[str, ...], output: Path | None, dry_run: bool) -> None:
    """Give objects names: 1:dog."""
    given = parse_names(names, "NAME")
    _edit(source, output, dry_run, lambda a: a, names=given, ids=list(given))


@tracks.command()
@_shared
@click.argument("first", type=int)
@click.argument("second", type=int)
@_frames
def swap(
    source: Path, first: int, second: int, frames: str | None, output: Path | None, dry_run: bool
) -> None:
    """Exchange the ids FIRST and SECOND in a range of frames."""
    from vos.runs.edits import edited, renumbered

    change = {first: second, second: first}
    _edit(
        source,
        output,
        dry_run,
        lambda a: edited(a, renumbered(change, _range(frames))),
        ids=[first, second],
        frames=frames,
    )


@tracks.command()
@_shared
@click.argument("kept", type=int)
@click.argument("other", type=int)
def merge(source: Path, kept: int, other: int, output: Path | None, dry_run: bool) -> None:
    """Merge the object OTHER into the object KEPT."""
    from vos.runs.edits import edited, renumbered

    _edit(
        source,
        output,
        dry_run,
        lambda a: edited(a, renumbered({other: kept}, _range(None))),
        ids=[kept, other],
    )


@tracks.command()
@_shared
@click.argument("ids", type=int, nargs=-1, required=True)
@_frames
def drop(source: Path, ids: tuple[int, ...], frames: str | None, output: Path | None, dry_run: bool) -> None:
    """Remove objects."""
    from vos.runs.edits import edited, without

    _edit(
        source,
        output,
        dry_run,
        lambda a: edited(a, without(ids, _range(frames))),
        ids=list(ids),
        frames=frames,
    )


@tracks.command()
@_shared
@click.argument("ids", type=int, nargs=-1, required=True)
def keep(source: Path, ids: tuple[int, ...], output: Path | None, dry_run: bool) -> None:
    """Remove all other objects."""
    from vos.runs.edits import edited, without

    _edit(source, output, dry_run, lambda a: edited(a, without(ids, _range(None), keep=True)), ids=list(ids))


@tracks.command()
@_shared
@click.argument("frames", metavar="A:B")
def trim(source: Path, frames: str, output: Path | None, dry_run: bool) -> None:
    """Remove all objects outside the frames A, A+1, ... before B; the frames stay, empty."""
    from vos.runs.edits import edited, without

    _edit(
        source,
        output,
        dry_run,
        lambda a: edited(a, without(None, _range(frames), inside=False)),
        frames=frames,
    )


@tracks.command("fill-gaps")
@_shared
@click.option(
    "--longest",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="Longest gap to fill, in frames.",
)
def fill_gaps(source: Path, longest: int, output: Path | None, dry_run: bool) -> None:
    """Interpolate the masks of an object that is missing for a few frames."""
    from vos.runs.edits import edited
    from vos.runs.edits_over_time import fill_gaps as build

    _edit(source, output, dry_run, lambda a: edited(a, build(a, longest)), longest=longest)


def _smaller_option(what: str) -> Callable[[Any], Any]:
    """``--smaller PIXELS``: the area below which ``what``."""
    return click.option(
        "--smaller",
        type=click.IntRange(min=1),
        required=True,
        metavar="PIXELS",
        help=f"Area below which {what}.",
    )


@tracks.command("remove-specks")
@_shared
@_smaller_option("a piece is removed")
def remove_specks(source: Path, smaller: int, output: Path | None, dry_run: bool) -> None:
    """Remove small connected components, even where nothing of the object is left."""
    from vos.runs.edits import edited, without_specks

    _edit(source, output, dry_run, lambda a: edited(a, without_specks(smaller)), smaller=smaller)


@tracks.command("fill-holes")
@_shared
@_smaller_option("a hole is filled")
def fill_holes(source: Path, smaller: int, output: Path | None, dry_run: bool) -> None:
    """Fill small holes in objects."""
    from vos.runs.edits import edited, without_holes

    _edit(source, output, dry_run, lambda a: edited(a, without_holes(smaller)), smaller=smaller)


@tracks.command()
@_shared
@click.option(
    "--radius",
    type=click.IntRange(1, 50),
    default=2,
    show_default=True,
    metavar="N",
    help="Frames on either side to average over.",
)
def smooth(source: Path, radius: int, output: Path | None, dry_run: bool) -> None:
    """Smooth contours over time."""
    from vos.runs.edits_over_time import smoothed

    _edit(source, output, dry_run, lambda a: smoothed(a, radius), radius=radius)


@tracks.command()
@_shared
@click.argument("size", metavar="SIZE")
def resize(source: Path, size: str, output: Path | None, dry_run: bool) -> None:
    """Bring masks to another resolution: SIZE is WIDTHxHEIGHT, or the shorter side."""
    from vos.errors import InputError
    from vos.formats.transfer import read
    from vos.runs.edits import resized
    from vos.video.sizes import parse_size, target_size

    first = next(iter(read(source, "masks").records()), None)
    if first is None:
        raise InputError(f"{source} has no masks")
    width, height = target_size(parse_size(size), first.size[1], first.size[0])
    _edit(
        source,
        output,
        dry_run,
        lambda a: resized(a, (height, width)),
        size=(height, width),
        to=[width, height],
    )
