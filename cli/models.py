"""``vos models``: the weights of models, fetched and checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .completion import complete, downloads
from .options import json_flag, print_json, verbosity


@click.group(short_help="Download and verify the weights of models.")
def models() -> None:
    """Download and verify the weights of models.

    They are kept in $VOS_HOME/weights, or in the platform's cache folder. With VOS_OFFLINE=1 nothing is
    fetched. The built-in models need no weights.
    """


def model_names(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments of a command that works on several models. It gets ``names``."""
    return click.argument(
        "names", nargs=-1, required=True, metavar="MODEL...", shell_complete=complete(downloads)
    )(command)


@models.command("list")
@json_flag
@verbosity
def list_(as_json: bool, quiet: bool) -> None:
    """List the models that have weights, and which of them are installed."""
    from vos.backbones.features import FEATURES
    from vos.backbones.weights.catalog import OWN_WEIGHTS, WEIGHTS
    from vos.backbones.weights.location import find, hub_folder, weights_folder

    def row(name: str, file: str, size: int, here: bool, **rest: Any) -> dict[str, Any]:
        facts = {"model": name, "kind": "model", "file": file, "megabytes": round(size / 1e6, 1)}
        return facts | {"published": "", "gated": False, "sha256": None, **rest, "here": here}

    rows = [
        row(
            weights.name, weights.file, weights.size, find(weights.name) is not None,
            licence=weights.licence, published=weights.published, sha256=weights.sha256, url=weights.url,
        )
        for weights in WEIGHTS.values()
    ]  # fmt: skip
    rows += [
        row(
            name, own.file, own.size, find(name) is not None,
            licence=own.licence, published=own.published, gated=own.gated, url=own.page,
        )
        for name, own in OWN_WEIGHTS.items()
    ]  # fmt: skip
    rows += [
        row(
            name, entry.repository, 4 * entry.parameters, hub_folder(entry.repository) is not None,
            kind="features", licence=entry.licence, gated=entry.gated,
            url=f"https://huggingface.co/{entry.repository}",
        )
        for name, entry in FEATURES.items()
    ]  # fmt: skip
    if as_json:
        print_json(rows)
    elif not quiet:
        widest = max(len(entry["model"]) for entry in rows)
        for entry in rows:
            state = "here" if entry["here"] else "gated" if entry["gated"] else "not fetched"
            licence = entry["licence"].partition(",")[0]
            what = "--features" if entry["kind"] == "features" else entry["published"]
            size = f"{entry['megabytes']:8.1f} MB"
            click.echo(f"{entry['model']:{widest}} {size}  {licence:14} {state:12} {what}".rstrip())
        click.echo(f"\nin {weights_folder()} or the Hub's cache; on the right: published J&F")


@models.command()
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or mps.  [default: the best one here]")
@click.option(
    "--objects",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Number of objects to track.  [default: 1]",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time per frame that the tracker may take.  [default: 2]",
)
@json_flag
@verbosity
def recommend(device: str | None, objects: int, budget: float | None, as_json: bool, quiet: bool) -> None:
    """Recommend a tracker for this machine, and say why. Nothing is downloaded.

    `vos track --model auto` chooses the same one.
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
@click.option("--force", is_flag=True, help="Download again even if present.")
@verbosity
def download(names: tuple[str, ...], force: bool, quiet: bool) -> None:
    """Download the weights of each MODEL; a partial download is continued."""
    from vos.backbones.weights.download import download as fetch
    from vos.backbones.weights.location import published

    from .progress import progress_bar

    for weights in [published(name) for name in names]:
        with progress_bar(quiet=quiet) as advance:
            path = fetch(
                weights, force=force, progress=lambda done, total, w=weights: advance(w.file, done, total)
            )
        if not quiet:
            click.echo(path)


@models.command()
@click.argument("name", metavar="MODEL", shell_complete=complete(downloads))
def path(name: str) -> None:
    """Print the path of the weights of MODEL; fails (exit 4) if they are not installed."""
    from vos.backbones.weights.location import locate

    click.echo(locate(name))


@models.command()
@model_names
@verbosity
def verify(names: tuple[str, ...], quiet: bool) -> None:
    """Check that the weights of each MODEL are the published ones, byte for byte (sha256)."""
    from vos.backbones.weights.location import locate, published
    from vos.backbones.weights.location import verify as check

    for name in names:
        file = locate(name)
        check(published(name), file)
        if not quiet:
            click.echo(f"{name}: {file} is the published file")
