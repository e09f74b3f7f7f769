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
    from vos.backbones.weights.catalog import OWN_WEIGHTS, WEIGHTS, weights_folder

    folder = weights_folder()
    rows = [
        {
            "model": weights.name,
            "file": weights.file,
            "megabytes": round(weights.size / 1e6, 1),
            "licence": weights.licence,
            "published": weights.published,
            "gated": False,
            "sha256": weights.sha256,
            "url": weights.url,
            "here": (folder / weights.file).is_file(),
        }
        for weights in WEIGHTS.values()
    ] + [
        {
            "model": name,
            "file": own.file,
            "megabytes": round(own.size / 1e6, 1),
            "licence": own.licence,
            "published": own.published,
            "gated": own.gated,
            "sha256": None,
            "url": own.page,
            "here": (folder / own.file).exists(),
        }
        for name, own in OWN_WEIGHTS.items()
    ]
    if as_json:
        print_json(rows)
    elif not quiet:
        for row in rows:
            state = "here" if row["here"] else "gated" if row["gated"] else "not fetched"
            licence = row["licence"].partition(",")[0]
            line = f"{row['model']:16} {row['megabytes']:8.1f} MB  {licence:12} {state:12} {row['published']}"
            click.echo(line.rstrip())
        click.echo(f"\nin {folder}; on the right: published J&F")


@models.command()
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or mps.  [default: the best one here]")
@click.option("--objects", type=click.IntRange(min=1), default=1, metavar="N", help="To track.  [default: 1]")
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Per frame.  [default: 2]",
)
@json_flag
@verbosity
def recommend(device: str | None, objects: int, budget: float | None, as_json: bool, quiet: bool) -> None:
    """Say which tracker to take on this machine, and why. Nothing is fetched.

    It is the one that `vos track --model auto` takes there.
    """
    import dataclasses

    import torch

    from vos.trackers.recommend import recommend as advise

    if device is None:
        mps = torch.backends.mps.is_available()
        device = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    advice = advise(device, objects=objects, budget=budget)
    if as_json:
        print_json({"device": device} | dataclasses.asdict(advice))
    elif not quiet:
        click.echo(f"--model {advice.line}")


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
