"""``vos evaluate-perseg``: score masks on PerSeg."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_file, print_scores, split_names, verbosity


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--data",
    "root",
    metavar="ROOT",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with Annotations/<object>/<image>.png.",
)
@click.option(
    "--reference",
    default="00",
    show_default=True,
    metavar="STEM",
    help="Reference image of every object; it is not scored.",
)
@click.option("--objects", metavar="A,B", help="Score only these.")
@json_file("Write all numbers as JSON")
@click.option(
    "--csv",
    "csv_folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write global_results-perseg.csv and per-object_results-perseg.csv into DIR.",
)
@verbosity
def evaluate_perseg(
    results: Path,
    root: Path,
    reference: str,
    objects: str | None,
    json_path: Path | None,
    csv_folder: Path | None,
    quiet: bool,
) -> None:
    """Score the masks RESULTS/<object>/<image>.png as PerSAM's paper does: mIoU, mAcc and boundary IoU.

    A mask is a PNG that is 0 (or black) outside the object. Masks are paired by name; a missing mask, an
    extra one, or one of another size is an error.
    """
    from vos.evaluation.perseg import evaluate_perseg as score

    names = split_names(objects)
    report = score(results, root, reference=reference, objects=names)
    if csv_folder is not None:
        report.write_csv(csv_folder)
    print_scores(report, json_path, quiet)
