"""``vos probe``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from .options import json_flag, print_json, url_option, verbosity

if TYPE_CHECKING:
    from vos.video import Probe


@click.command(short_help="Describe a video: size, frame rate, frame count, irregularities.")
@click.argument("video")
@click.option("--count", is_flag=True, help="Count frames by decoding all of them; also finds damage.")
@url_option
@json_flag
@verbosity
def probe(video: str, count: bool, allow_url: bool, as_json: bool, quiet: bool) -> None:
    """Describe VIDEO: a video file, a folder of images or a glob.

    Only the first frame is decoded unless --count is given. Frames are then counted by the packets of the
    container; the output says where that count is not certain.
    """
    from vos.video import probe as look_at

    found = look_at(video, count=count, allow_url=allow_url)
    if as_json:
        print_json(dataclasses.asdict(found))
    elif not quiet:
        click.echo(describe(found))


def describe(found: Probe) -> str:
    """The facts, one to a line, and what is unusual below."""
    size = f"{found.width}x{found.height}"
    if (found.stored_width, found.stored_height) != (found.width, found.height):
        size += f", stored as {found.stored_width}x{found.stored_height}"
    facts: dict[str, object] = {
        "source": found.source,
        "size": size,
        "frames": f"{found.num_frames}, {_HOW[found.counted_by]}",
        "rate": _rate(found),
        "duration": None if found.duration is None else f"{found.duration:.3f} s",
        "codec": f"{found.codec}, {found.pixel_format}, {found.bit_depth} bits",
        "container": found.container,
        "keyframes": found.keyframes,
        "streams": "; ".join(found.streams) or None,
    }
    lines = [f"{name:10} {value}" for name, value in facts.items() if value is not None]
    return "\n".join(
        [*lines, *(f"{'unusual' if i == 0 else '':10} {s}" for i, s in enumerate(found.unusual))]
    )


_HOW = {
    "decoding": "counted by decoding",
    "packets": "counted by packets",
    "estimate": "estimated from packets (--count counts)",
    "files": "counted",
}


def _rate(found: Probe) -> str | None:
    if found.fps is None:
        return None
    kind = {True: ", variable", False: ", constant", None: ""}[found.variable_rate]
    nominal = found.nominal_fps
    declared = f", declared {nominal:.3f}" if nominal and abs(nominal - found.fps) > 0.01 * nominal else ""
    return f"{found.fps:.3f} frames/s{kind}{declared}"
