"""``vos extract``: one frame of a video as an image."""

from __future__ import annotations

from pathlib import Path

import click

from .options import size_option, url_option, verbosity


def image_output(command: object) -> object:
    """``-o FILE`` and ``--overwrite``. The command gets ``output: Path`` and ``overwrite: bool``."""
    command = click.option("--overwrite", is_flag=True, help="Replace an existing image.")(command)  # type: ignore[arg-type]
    return click.option(
        "-o",
        "--output",
        required=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Image to write: .png or .jpg.",
    )(command)  # type: ignore[arg-type]


@click.command()
@click.argument("video", metavar="VIDEO")
@click.option(
    "--frame", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Frame, from 0."
)
@click.option("--grid", is_flag=True, help="Draw a grid with pixel coordinates over it.")
@size_option
@url_option
@image_output
@verbosity
def extract(
    video: str,
    frame: int,
    grid: bool,
    size: str | None,
    allow_url: bool,
    output: Path,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write one frame of VIDEO as an image, with exactly the pixels that `vos track` reads.

    With --grid coordinates for --point and --box can be read off.

    \b
    vos extract clip.mp4 --frame 40 -o frame.png
    vos extract clip.mp4 --grid -o grid.png
    """
    from vos.files import refuse_input
    from vos.runs.preview import draw_grid, frame_at, save_image
    from vos.video import open_video, parse_size

    with open_video(video, size=None if size is None else parse_size(size), allow_url=allow_url) as source:
        refuse_input(output, source.paths)
        image = frame_at(source, frame).image
    save_image(output, draw_grid(image) if grid else image, overwrite=overwrite)
    if not quiet:
        click.echo(f"{output}: frame {frame}, {image.shape[1]}x{image.shape[0]}")
