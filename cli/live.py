"""``vos live``: track a camera, a stream or a file at its own rate, and show the result in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import engine_options, json_flag, load_config, print_json, verbosity
from .prompt_options import GivenPrompts, prompt_options


@click.command()
@click.argument("source", metavar="SOURCE")
@prompt_options
@engine_options(default="classical")
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the page.  [default: any free]",
)
@click.option(
    "--seconds",
    metavar="S",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after S seconds.",
)
@click.option("--allow-url", is_flag=True, help="Accept a URL as SOURCE, such as rtsp://...")
@click.option(
    "--snapshot",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Write the first frame with a coordinate grid, to choose prompts, and exit.",
)
@json_flag
@verbosity
def live(
    source: str,
    prompts: GivenPrompts,
    port: int,
    seconds: float | None,
    allow_url: bool,
    snapshot: Path | None,
    as_json: bool,
    quiet: bool,
    config: str | None,
    **engine: Any,
) -> None:
    """Track objects in a live SOURCE: camera:0, a URL, or a file played at its own rate.

    The result is shown in a browser on this machine. Frames that arrive faster than they can be tracked are
    dropped and counted. Select objects in the first frame with boxes, points or masks. Stop with Ctrl-C.

    \b
    vos live camera:0 --snapshot first.png
    vos live camera:0 --box 1:120,80,310,400
    vos live rtsp://10.0.0.7/stream --allow-url --point 1:200,150
    """
    from vos.errors import PromptError
    from vos.runs.live import overlay_of, track_live
    from vos.runs.mjpeg import MjpegServer
    from vos.runs.models import build_tracker_of
    from vos.runs.preview import draw_grid, save_image
    from vos.runs.settings import TrackSettings
    from vos.settings import override
    from vos.video.live import open_live

    if snapshot is not None:
        with open_live(source, allow_url=allow_url) as frames:
            save_image(snapshot, draw_grid(next(iter(frames)).image))
        if not quiet:
            click.echo(f"wrote {snapshot}")
        return
    settings = override(TrackSettings(), load_config(config), engine)
    targets = prompts.load()
    late = next((target.frame_index for target in targets if target.frame_index), None)
    if late is not None:
        raise PromptError(f"a prompt is for frame {late}, but of a live source only the first frame is known")
    tracker = build_tracker_of(settings)
    names = {target.object_id: target.name for target in targets if target.name}
    with open_live(source, allow_url=allow_url) as frames, MjpegServer(port) as page:
        if not quiet:
            click.echo(f"showing {source} at {page.address}", err=True)
        try:
            summary = track_live(
                frames,
                targets,
                lambda f, r: page.show(overlay_of(f, r, names)),
                tracker=tracker,
                seconds=seconds,
            )
        except KeyboardInterrupt:
            return
    if as_json:
        print_json(summary.as_dict())
    elif not quiet:
        found = summary.as_dict()
        click.echo(
            f"{found['frames']} frames tracked, {found['dropped']} dropped, {found['seconds']:.1f} s "
            f"({found['frames_per_second']:.1f} frames per second)"
        )
