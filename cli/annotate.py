"""``vos annotate``: a page to click on."""

from __future__ import annotations

from pathlib import Path

import click

from .completion import backbones, complete, trackers
from .options import verbosity
from .project_options import annotator_option

MISSING = "vos annotate needs the packages starlette and uvicorn: pip install 'vos-toolkit[app]'"


@click.command()
@click.argument("paths", metavar="PROJECT|VIDEO [VIDEO...]", nargs=-1, required=True)
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port.  [default: any free one]",
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option("--read-only", is_flag=True, help="Do not allow changes.")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete(trackers),
    help="Tracker of the project from now on: classical, nano, ...",
)
@click.option(
    "--backbone",
    default="interactive",
    show_default=True,
    metavar="NAME",
    shell_complete=complete(backbones),
    help="Backbone that makes masks of clicks: interactive, classical, nano, mobile-sam, ...",
)
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="Device of the backbone.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Let the page open further videos below DIR.",
)
@click.option("--upload", is_flag=True, help="Let the page upload videos.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on."
)
@click.option("--allow-remote", is_flag=True, help="Allow a --host that other machines can reach.")
@annotator_option
@verbosity
def annotate(
    paths: tuple[str, ...],
    port: int,
    no_browser: bool,
    read_only: bool,
    model: str | None,
    backbone: str,
    device: str,
    root: Path | None,
    upload: bool,
    host: str,
    allow_remote: bool,
    annotator: str | None,
    quiet: bool,
) -> None:
    """Annotate in the browser: click on objects, track, correct, review, export.

    Give a project, or a video: its project is the folder beside it that ends in .vosproject. The address
    is printed; it contains a key, so that others cannot open it. Everything is saved as you do it; stop with
    Ctrl-C.

    \b
    vos annotate clip.mp4
    vos annotate clip.vosproject --no-browser --port 8000
    """
    from vos.errors import InputError

    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise InputError(MISSING) from error
    from vos.backbones.registry import backbone_name
    from vos.server.launching import Place, open_project, serve
    from vos.server.workspace import Options
    from vos.trackers.registry import split_model

    place = Place(host, port, allow_remote)
    place.check()
    if model is not None:
        if read_only:
            raise click.UsageError("--model changes the project, --read-only does not: leave one of them out")
        split_model(model)
    backbone = backbone_name(backbone)
    project = open_project(paths, annotator, read_only=read_only)
    if model is not None:
        project.change_settings(model=model)
    if allow_remote and not place.is_loopback:
        click.echo("vos: other machines can reach this server, and nothing is encrypted", err=True)
    if not quiet:
        click.echo(f"vos: {project.folder}: Ctrl-C stops; everything is saved as you do it", err=True)
    serve(
        project,
        place,
        Options(backbone, device, root, upload),
        announce=lambda address: click.echo(address),
        browser=not no_browser,
    )
