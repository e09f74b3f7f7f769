"""``vos evaluate``: score a folder of masks against ground truth."""

from __future__ import annotations

from pathlib import Path

import click

from vos.evaluation.registry import METRICS

from .options import json_file, print_scores, split_names, subset_option, verbosity


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--davis",
    "root",
    metavar="ROOT",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with Annotations and ImageSets.",
)
@subset_option
@click.option(
    "--task",
    type=click.Choice(["semi-supervised", "unsupervised"]),
    default="semi-supervised",
    show_default=True,
    help="Ids come from the first annotation, or masks are proposals to be matched.",
)
@click.option(
    "--resolution", default="480p", show_default=True, metavar="NAME", help="Folder below ROOT/Annotations."
)
@click.option("--sequences", metavar="A,B", help="Score only these of the set.")
@click.option(
    "--metric",
    "metrics",
    type=click.Choice([name for name in METRICS if name not in ("J", "F")]),
    multiple=True,
    help="Measure this besides J and F. Repeatable.",
)
@json_file("Write all numbers, frame by frame, as JSON")
@click.option(
    "--csv",
    "csv_folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the two CSV files of the official tool into DIR.",
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Threads; one per core unless given.")
@verbosity
def evaluate(
    results: Path,
    root: Path,
    subset: str,
    task: str,
    resolution: str,
    sequences: str | None,
    metrics: tuple[str, ...],
    json_path: Path | None,
    csv_folder: Path | None,
    jobs: int | None,
    quiet: bool,
) -> None:
    """Score the masks RESULTS/<sequence>/<frame>.png as the DAVIS benchmark does.

    Masks are index PNGs whose values are object ids; for a 2016 set every nonzero value is the object.
    Prints J (region) and F (contour) by sequence and object: mean, recall and decay.
    """
    from vos.evaluation.davis import evaluate_davis

    report = evaluate_davis(
        results,
        root,
        subset,
        task,
        resolution=resolution,
        sequences=split_names(sequences),
        metrics=metrics,
        jobs=jobs,
    )
    if csv_folder is not None:
        report.write_csv(csv_folder)
    print_scores(report, json_path, quiet)
