"""Options that the commands around annotation formats share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .completion import complete, written_formats
from .options import counted, print_json

if TYPE_CHECKING:
    from vos.formats.transfer import Written
    from vos.video import Video

F = TypeVar("F", bound=Callable[..., Any])


def naming_options(command: F) -> F:
    """Names of objects and of the video. The command gets ``names``, ``categories`` and ``sequence``."""
    for option in (
        click.option("--sequence", metavar="NAME", help="Name of the video in formats that hold several."),
        click.option(
            "--category",
            "categories",
            multiple=True,
            metavar="ID:CATEGORY",
            help="Category of an object; by default its name.",
        ),
        click.option("--name", "names", multiple=True, metavar="ID:NAME", help="Name of an object."),
    ):
        command = option(command)
    return command


def selection_options(command: F) -> F:
    """What of the annotations to take. The command gets ``frames`` and ``objects``."""
    for option in (
        click.option("--objects", metavar="ID,ID", help="Only these objects."),
        click.option("--frames", metavar="A:B:STEP", help="Only frames A, A+STEP, ... before B."),
    ):
        command = option(command)
    return command


def formats_option(command: F) -> F:
    """``-f FORMAT``, repeatable. The command gets ``formats``."""
    return click.option(
        "-f",
        "--format",
        "formats",
        multiple=True,
        required=True,
        metavar="FORMAT",
        shell_complete=complete(written_formats),
        help="See `vos formats`.",
    )(command)


def format_option_flag(command: F) -> F:
    """``-O key=value``. The command gets ``settings``."""
    return click.option(
        "-O",
        "--option",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Option of the format; an unknown KEY lists the available ones.",
    )(command)


def cutout_options(command: F) -> F:
    """Options of cut-outs. The command gets ``edge``, ``feather`` and ``background``."""
    for option in (
        click.option(
            "--background", metavar="COLOUR", help="Colour behind the objects (format green): 00ff00, white."
        ),
        click.option("--feather", type=float, metavar="PIXELS", help="Blur the edges of cut-outs."),
        click.option(
            "--edge",
            type=click.Choice(["hard", "soft", "refined"]),
            help="Edges of cut-outs: hard (default), soft (the tracker's probabilities, while tracking only) "
            "or refined (fitted to the frame).",
        ),
    ):
        command = option(command)
    return command


def export_options(command: F) -> F:
    """What exports of runs and of projects have in common. The command gets ``images``, ``image_format``,
    ``class_map``, ``split``, ``append`` and ``overwrite``."""
    for option in (
        click.option("--overwrite", is_flag=True, help="Replace an earlier export."),
        click.option(
            "--append", is_flag=True, help="Add the video to an earlier export in the same formats."
        ),
        click.option(
            "--split",
            metavar="NAME",
            help="Split, where formats have them: train, val or test.",
        ),
        click.option(
            "--class-map",
            type=click.Path(path_type=Path),
            metavar="FILE.json",
            help='Classes in the format: {"name or category": "class"} or {"name or category": number}.',
        ),
        click.option(
            "--image-format",
            type=click.Choice(["jpg", "png"]),
            help="Format of the images; default: that of the source, where the annotation format allows it.",
        ),
        click.option(
            "--images",
            type=click.Choice(["none", "copy", "link"]),
            default="none",
            show_default=True,
            help="Include the frames' images where the format stores images; link: hard links where "
            "possible.",
        ),
    ):
        command = option(command)
    return command


def export_arguments(
    video: Video | None,
    settings: dict[str, Any],
    *,
    images: str,
    image_format: str | None,
    class_map: Path | None,
    split: str | None,
    append: bool,
    overwrite: bool,
) -> dict[str, Any]:
    """The arguments of :func:`vos.formats.export` that these options stand for.

    Args:
        video: where images come from; None where there are none.
        settings: of ``-O``.
    """
    from vos.errors import SettingsError
    from vos.formats.frame_images import Images

    if append and overwrite:
        raise SettingsError("--append and --overwrite exclude each other")
    if image_format is not None and images == "none":
        raise SettingsError("--image-format is for --images copy")
    if split is not None:
        settings = with_cutout_options(settings, split=split)
    suffix = None if image_format is None else f".{image_format}"
    return {
        "options": settings,
        "images": None if video is None else Images(video, link=images == "link", suffix=suffix),
        "class_map": {} if class_map is None else read_class_map(class_map),
        "append": append,
        "overwrite": overwrite,
    }


def read_class_map(path: Path) -> dict[str, str | int]:
    """Name or category of an object -> name or number of its class."""
    from vos.errors import SettingsError
    from vos.formats.reading import load_json, reading

    with reading(path, "a class map"):
        found = load_json(path)
    if not isinstance(found, dict) or not all(
        (type(value) is int and 0 <= value < 1 << 31) or (isinstance(value, str) and value.strip())
        for value in found.values()
    ):
        raise SettingsError(
            f'{path} must hold an object of names and classes, such as {{"dog": 16, "puppy": "dog"}}'
        )
    return found


def extent(result: Any) -> str:
    """How much was written: ``1 frame, 2 objects``."""
    return f"{counted(result.frames, 'frame')}, {counted(len(result.objects), 'object')}"


def report_exports(written: Sequence[Written], *, as_json: bool, quiet: bool) -> None:
    """Say what was written, and what was lost."""
    for result in written:
        tell(describe_losses(result), quiet=quiet)
    if as_json:
        print_json([result.as_dict() for result in written])
    elif not quiet:
        for result in written:
            click.echo(f"{result.format:20} {extent(result)}: {result.path}")


def with_cutout_options(settings: dict[str, Any], **given: Any) -> dict[str, Any]:
    """The options of ``-O`` and those that have a flag of their own."""
    from vos.errors import SettingsError

    flags = {key: value for key, value in given.items() if value is not None}
    twice = sorted(set(flags) & set(settings))
    if twice:
        raise SettingsError(f"--{twice[0]} and -O {twice[0]} set the same option: give one of them")
    return settings | flags


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """``key=value`` pairs; ``track-ids`` is ``track_ids``, values are read as YAML."""
    import yaml

    from vos.errors import SettingsError

    values: dict[str, Any] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise SettingsError(f"-O takes KEY=VALUE, got {text!r}")
        try:
            read = yaml.safe_load(value)
            # An empty value or a comment, such as #00ff00, is text.
            values[key.replace("-", "_")] = value if read is None else read
        except yaml.YAMLError:
            values[key.replace("-", "_")] = value
    return values


def parse_names(texts: Sequence[str], flag: str) -> dict[int, str]:
    """``ID:NAME`` pairs by id."""
    from vos.errors import SettingsError
    from vos.names import check_name
    from vos.results import check_object_ids

    names: dict[int, str] = {}
    for text in texts:
        number, sign, name = text.partition(":")
        if not sign or not name.strip() or not number.strip().isdigit():
            raise SettingsError(f"{flag} takes ID:NAME, such as 1:dog, got {text!r}")
        object_id = int(number)
        if object_id in names:
            raise SettingsError(f"{flag} names object {object_id} twice")
        try:
            check_object_ids([object_id])
        except ValueError as error:
            raise SettingsError(f"{flag} {text}: {error}") from None
        names[object_id] = check_name(name.strip(), "object name")
    return names


def parse_selection(frames: str | None, objects: str | None) -> dict[str, Any]:
    """The arguments of :func:`vos.formats.select`."""
    from vos.errors import SettingsError

    chosen: dict[str, Any] = {}
    if frames is not None:
        parts = frames.split(":")
        if len(parts) > 3 or not all(part.strip().isdigit() or not part.strip() for part in parts):
            raise SettingsError(f"--frames takes A:B:STEP, such as 0:100 or ::5, got {frames!r}")
        numbers = [int(part) if part.strip() else None for part in parts] + [None, None]
        chosen = {
            "start": numbers[0] or 0,
            "end": numbers[1],
            "stride": 1 if numbers[2] is None else numbers[2],
        }
        if chosen["stride"] < 1 or (chosen["end"] is not None and chosen["end"] <= chosen["start"]):
            raise SettingsError(f"--frames {frames}: B must be after A, and STEP 1 or more")
    if objects is not None:
        try:
            chosen["objects"] = [int(part) for part in objects.split(",")]
        except ValueError:
            raise SettingsError(f"--objects takes ids, such as 1,3, got {objects!r}") from None
    return chosen


def parse_frame_size(text: str | None) -> tuple[int, int] | None:
    """(height, width) of ``WIDTHxHEIGHT``."""
    from vos.errors import SettingsError

    if text is None:
        return None
    width, sign, height = text.lower().partition("x")
    if not sign or not width.isdigit() or not height.isdigit() or not int(width) or not int(height):
        raise SettingsError(f"--size takes WIDTHxHEIGHT, got {text!r}")
    return int(height), int(width)


def frame_names(video: Video) -> tuple[list[str], list[str] | None]:
    """Names of all frames of a video, and of its image files where it is images."""
    if video.is_images:
        return [path.stem for path in video.paths], [path.name for path in video.paths]
    return [f"{index:05d}" for index in range(video.count_frames())], None


LOSSES = {
    "wrong_pixels": "pixels that differ from the masks",
    "overlapping_pixels": "pixels that several objects claim, each given to one of them",
    "border_pixels": "pixels given to the void line",
    "objects_joined": "objects that became one",
    "frames": "frames left out",
    "masks": "in place of masks",
}
"""Key of :attr:`vos.formats.Written.losses` -> what it counts, for people."""


def describe_losses(written: Written) -> list[str]:
    """Lines about what a format could not keep, for stderr."""
    lines = list(written.notes)
    for key, value in written.losses.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{n} of object {k}" for k, n in value.items())
        lines.append(f"{LOSSES.get(key, key.replace('_', ' '))}: {value}")
    return [f"{written.format}: {line}" for line in lines]


def tell(lines: Sequence[str], *, quiet: bool) -> None:
    """Lines on stderr."""
    if not quiet:
        for line in lines:
            click.echo(f"vos: {line}", err=True)


def digest(path: Path) -> str | None:
    """SHA-256 of the record of a run, or of a file."""
    import hashlib

    record = path / "run.json" if path.is_dir() else path
    return hashlib.sha256(record.read_bytes()).hexdigest() if record.is_file() else None
