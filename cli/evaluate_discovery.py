"""``vos evaluate-discovery``: how many of the objects that are there were found."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_flag, print_json, verbosity


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
@click.option(
    "--type",
    "kind",
    type=click.Choice(["segm", "bbox"]),
    default="segm",
    show_default=True,
    help="Whether masks or boxes are compared.",
)
@click.option(
    "--max-dets",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="Detections per image that count, by score.",
)
@json_flag
@verbosity
def evaluate_discovery(
    results: Path, truth: Path, kind: str, max_dets: int, as_json: bool, quiet: bool
) -> None:
    """Score RESULTS (what `vos discover` wrote) against TRUTH, both COCO JSON, without regard to class names.

    Prints average recall and average precision: over IoU 0.50 to 0.95, at 0.50 and at 0.75. Images are
    matched by the stem of their file names.
    """
    from vos.evaluation.discovery import evaluate_discovery as evaluate

    score = evaluate(results, truth, kind=kind, max_detections=max_dets)  # type: ignore[arg-type]
    if as_json:
        print_json(score.to_dict())
    elif not quiet:
        click.echo(score.table())
