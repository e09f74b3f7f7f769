"""``vos models``: the weights of models, fetched and checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .options import json_flag, print_json, verbosity


@click.group(short_help="Download and verify the weights of models.")
def models() -> None:
    """Download and verify the weights of models.

    They are kept in $VOS_HOME/weights, or in the platform's cache folder. With VOS_OFFLINE=1 nothing is
    fetched. The built-in models need no weights.
    """


def model_names(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments of a command that works on several models. It gets ``names``."""
    return click.argument("names", nargs=-1, required=True, metavar="MODEL...")(command)


@models.command("list")
@json_flag
@verbosity
def list_(as_json: bool, quiet: bool) -> None:
    """List the models that have weights, and which of them are here."""
    from vos.backbones.weights.catalog import WEIGHTS, weights_folder

    folder = weights_folder()
    rows = [
        {
            "model": weights.name,
            "file": weights.file,
            "megabytes": round(weights.size / 1e6, 1),
            "licence": weights.licence,
            "sha256": weights.sha256,
            "url": weights.url,
            "here": (folder / weights.file).is_file(),
        }
        for weights in WEIGHTS.values()
    ]
    if as_json:
        print_json(rows)
    elif not quiet:
        for row in rows:
            state = "here" if row["here"] else "not fetched"
            click.echo(f"{row['model']:12} {row['megabytes']:8.1f} MB  {row['licence']:12} {state}")
        click.echo(f"\nin {folder}")


@models.command()
@model_names
@click.option("--force", is_flag=True, help="Download again what is already here.")
@verbosity
def download(names: tuple[str, ...], force: bool, quiet: bool) -> None:
    """Download the weights of each MODEL; a partial download is continued."""
    from vos.backbones.weights.catalog import published
    from vos.backbones.weights.download import download as fetch

    from .progress import progress_bar

    for weights in [published(name) for name in names]:
        with progress_bar(quiet=quiet) as advance:
            path = fetch(
                weights, force=force, progress=lambda done, total, w=weights: advance(w.file, done, total)
            )
        if not quiet:
            click.echo(path)


@models.command()
@click.argument("name", metavar="MODEL")
def path(name: str) -> None:
    """Print where the weights of MODEL are; fails (exit 4) where they are not here."""
    from vos.backbones.weights.catalog import locate

    click.echo(locate(name))


@models.command()
@model_names
@verbosity
def verify(names: tuple[str, ...], quiet: bool) -> None:
    """Check that the weights of each MODEL are the published ones, byte for byte (sha256)."""
    from vos.backbones.weights.catalog import locate, published
    from vos.backbones.weights.catalog import verify as check

    for name in names:
        file = locate(name)
        check(published(name), file)
        if not quiet:
            click.echo(f"{name}: {file} is the published file")
