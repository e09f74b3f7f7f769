"""``vos evaluate-vos``: score masks by the protocols of YouTube-VOS, LVOS, MOSE and SA-V."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from vos.evaluation.registry import PROTOCOLS

from .options import json_file, print_scores, split_names, verbosity

F = TypeVar("F", bound=Callable[..., Any])
LAYOUTS = tuple(PROTOCOLS)


def seen_option(command: F) -> F:
    """``--seen``: categories of the training set. The command gets ``seen: Path | None``."""
    return click.option(
        "--seen",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Text file with the categories of the training set, one per line, for G over seen and unseen.",
    )(command)


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--data", "root", metavar="ROOT", required=True, type=click.Path(path_type=Path), help="The data set."
)
@click.option(
    "--layout", type=click.Choice(LAYOUTS), required=True, help="Data set whose layout and protocol to use."
)
@seen_option
@click.option("--videos", metavar="A,B", help="Score only these.")
@json_file("Write all numbers as JSON")
@verbosity
def evaluate_vos(
    results: Path,
    root: Path,
    layout: str,
    seen: Path | None,
    videos: str | None,
    json_path: Path | None,
    quiet: bool,
) -> None:
    """Score the masks RESULTS/<video>/<frame>.png by the protocol of YouTube-VOS, LVOS, MOSE or SA-V.

    Objects are scored after the first frame that shows them. Results for sa-v are one binary PNG per object
    and frame, RESULTS/<video>/<object>/<frame>.png.
    """
    from vos.evaluation.vos_sets import evaluate_vos as score

    report = score(results, root, layout, seen=read_categories(seen), videos=split_names(videos))
    print_scores(report, json_path, quiet)


def read_categories(path: Path | None) -> list[str] | None:
    """The names in a text file, one per line; None for no file.

    Raises:
        EvaluationError: if it cannot be read.
    """
    from vos.errors import EvaluationError

    if path is None:
        return None
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"cannot read the categories in {path}: {error}") from error
