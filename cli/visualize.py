"""``vos visualize``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from .format_options import parse_selection, selection_options
from .options import url_option, verbosity


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write, see above.",
)
@click.option(
    "--video", metavar="VIDEO", help="The video that the masks belong to; by default the one of the run."
)
@url_option
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    metavar="MASKS",
    help="Ground truth: show correct, missed and false pixels; J in a plot.",
)
@click.option(
    "--palette", type=click.Choice(["bright", "davis"]), default="bright", show_default=True, help="Colours."
)
@click.option(
    "--fill", metavar="W", type=float, default=0.5, show_default=True, help="Weight of the colour, 0 to 1."
)
@click.option("--contours/--no-contours", default=True, show_default=True, help="Draw outlines.")
@click.option("--boxes/--no-boxes", default=False, show_default=True, help="Draw boxes.")
@click.option("--labels/--no-labels", default=True, show_default=True, help="Write id, name and confidence.")
@click.option(
    "--trails",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Draw paths over the last N frames.",
)
@click.option(
    "--plot", is_flag=True, help="Plot confidence, area and J over the frames (.png; .svg always is)."
)
@selection_options
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
@verbosity
def visualize(
    source: Path,
    output: Path,
    video: str | None,
    allow_url: bool,
    truth: Path | None,
    palette: str,
    fill: float,
    contours: bool,
    boxes: bool,
    labels: bool,
    trails: int,
    plot: bool,
    frames: str | None,
    objects: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Show the masks of SOURCE, the folder of a run or of index PNGs.

    The suffix of FILE selects the output: .mp4, .gif or .webp (overlay), .png (contact sheet), .svg (plot of
    confidence, area and, with the truth, J).

    \b
    vos visualize out -o overlay.mp4
    vos visualize out --truth ground-truth -o compared.mp4
    vos visualize out --boxes --fill 0 -o sheet.png
    vos visualize out --trails 30 -o trails.mp4
    vos visualize out --truth ground-truth --plot -o plot.png
    """
    from vos.errors import OutputError
    from vos.formats.drawing import OverlaySettings
    from vos.formats.transfer import read, select
    from vos.formats.with_frames import video_of_run
    from vos.runs.visualize import visualize as show
    from vos.settings import override
    from vos.video import open_video

    if output.exists() and not overwrite:
        raise OutputError(
            f"{output} is there already: give --overwrite to replace it, or choose another place"
        )
    appearance = {"palette": palette, "alpha": fill, "contour": contours, "boxes": boxes, "labels": labels}
    settings = override(OverlaySettings(), appearance)
    annotations = select(read(source, "masks"), **parse_selection(frames, objects))
    with ExitStack() as stack:
        images = None
        if output.suffix.lower() != ".svg" and not plot:
            place, size = (video, None) if video is not None else video_of_run(source)
            images = stack.enter_context(open_video(place, size=size, allow_url=allow_url))
        right = None if truth is None else read(truth, "masks")
        show(annotations, output, images, settings, truth=right, trails=trails, plot=plot)
    if not quiet:
        click.echo(f"wrote {output}")
