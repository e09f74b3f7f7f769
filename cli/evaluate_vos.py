"""``vos evaluate-vos``: score masks by the protocols of YouTube-VOS, LVOS, MOSE and SA-V."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_file, print_scores, split_names, verbosity

LAYOUTS = ("youtube-vos", "lvos", "mose", "mosev2", "sa-v")


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--data", "root", metavar="ROOT", required=True, type=click.Path(path_type=Path), help="The data set."
)
@click.option("--layout", type=click.Choice(LAYOUTS), required=True, help="Whose layout and protocol.")
@click.option(
    "--seen",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Text file with the categories of the training set, one per line, for G over seen and unseen.",
)
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
    """Score the masks RESULTS/<video>/<frame>.png by the protocol of another data set than DAVIS.

    Objects are scored after the first frame that shows them. Results for sa-v are one binary PNG per object
    and frame, RESULTS/<video>/<object>/<frame>.png.
    """
    from vos.errors import EvaluationError
    from vos.evaluation.vos_sets import evaluate_vos as score

    categories = None
    if seen is not None:
        try:
            categories = [line.strip() for line in seen.read_text("utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise EvaluationError(f"cannot read the categories in {seen}: {error}") from error
    report = score(results, root, layout, seen=categories, videos=split_names(videos))
    print_scores(report, json_path, quiet)
