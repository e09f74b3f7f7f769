"""``vos benchmark``: track and score a whole data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .evaluate_vos import LAYOUTS, read_categories, seen_option
from .memory_options import check_memory, memory_options, take_memory_settings
from .options import (
    engine_options,
    existing_result,
    json_file,
    load_config,
    output_folder,
    print_scores,
    split_names,
    subset_option,
    verbosity,
)
from .persam import persam_options, persam_settings
from .progress import progress_bar
from .reference_options import feature_options, place_features, take_feature_settings


@click.group()
def benchmark() -> None:
    """Track and score a whole data set."""


def tracking_settings(config: str | None, flags: dict[str, Any]) -> Any:
    """The settings of every sequence: those of benchmarks, then the file, then the flags."""
    from vos.runs.benchmark import BENCHMARK_SETTINGS
    from vos.settings import override

    memory, features = take_memory_settings(flags), take_feature_settings(flags)
    settings = override(BENCHMARK_SETTINGS, load_config(config), flags)
    check_memory(settings.model, memory)
    settings = override(settings, {"tracker": settings.tracker | memory})
    return place_features(settings, features, references=False)


def jobs_option(what: str) -> Callable[[Any], Any]:
    """``--jobs``: how many of ``what`` are tracked at a time. The command gets ``jobs: int``."""
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help=f"{what} tracked at a time.",
    )


@benchmark.command()
@click.argument("root", type=click.Path(path_type=Path))
@subset_option
@output_folder
@engine_options(default="classical")
@memory_options
@feature_options
@click.option(
    "--task",
    type=click.Choice(["semi-supervised", "unsupervised"]),
    default="semi-supervised",
    show_default=True,
    help="Evaluation protocol.",
)
@click.option(
    "--resolution",
    default="480p",
    show_default=True,
    metavar="NAME",
    help="Folder below JPEGImages and Annotations.",
)
@click.option("--sequences", metavar="A,B", help="Track and score only these.")
@existing_result
@json_file("Write all numbers, settings and times as JSON")
@jobs_option("Sequences")
@verbosity
def davis(
    root: Path,
    subset: str,
    output: Path,
    task: str,
    resolution: str,
    sequences: str | None,
    resume: bool,
    overwrite: bool,
    json_path: Path | None,
    jobs: int,
    config: str | None,
    quiet: bool,
    **flags: Any,
) -> None:
    """Track every sequence of a DAVIS set in ROOT from its first annotation, and score the masks.

    OUT/<sequence>/<frame>.png is the layout of a DAVIS submission. An interrupted run continues
    with --resume, which skips sequences that are done.
    """
    from vos.runs.benchmark import benchmark_davis

    settings = tracking_settings(config, flags)
    with progress_bar(quiet=quiet) as advance:
        result = benchmark_davis(
            root,
            subset,
            output,
            settings,
            task=task,
            resolution=resolution,
            sequences=split_names(sequences),
            resume=resume,
            overwrite=overwrite,
            jobs=jobs,
            progress=lambda name, p: advance(name, p.done, p.total) if p else advance(name, 1, 1),
        )
    print_scores(result, json_path, quiet)


@benchmark.command("vos")
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    required=True,
    help="Data set whose layout and protocol to use.",
)
@seen_option
@output_folder
@engine_options(default="classical")
@memory_options
@feature_options
@click.option("--videos", metavar="A,B", help="Track and score only these.")
@existing_result
@json_file("Write all numbers, settings and times as JSON")
@jobs_option("Videos")
@verbosity
def vos_sets(
    root: Path,
    layout: str,
    seen: Path | None,
    output: Path,
    videos: str | None,
    resume: bool,
    overwrite: bool,
    json_path: Path | None,
    jobs: int,
    config: str | None,
    quiet: bool,
    **flags: Any,
) -> None:
    """Track every video of YouTube-VOS, LVOS, MOSE or SA-V in ROOT, and score the masks.

    ROOT has JPEGImages/<video>/ and Annotations/<video>/; of sa-v JPEGImages_24fps/<video>/ and
    Annotations_6fps/<video>/<object>/. Every object is initialised in the first frame that annotates it, and
    scored in the frames after. OUT/<video>/<frame>.png, of sa-v OUT/<video>/<object>/<frame>.png, is what vos
    evaluate-vos reads.
    """
    from vos.runs.benchmark import benchmark_vos

    settings = tracking_settings(config, flags)
    with progress_bar(quiet=quiet) as advance:
        result = benchmark_vos(
            root,
            layout,
            output,
            settings,
            seen=read_categories(seen),
            videos=split_names(videos),
            resume=resume,
            overwrite=overwrite,
            jobs=jobs,
            progress=lambda name, p: advance(name, p.done, p.total) if p else advance(name, 1, 1),
        )
    print_scores(result, json_path, quiet)


@benchmark.command()
@click.argument("root", type=click.Path(path_type=Path))
@output_folder
@persam_options
@feature_options
@click.option(
    "--reference",
    default="00",
    show_default=True,
    metavar="STEM",
    help="Reference image of every object.",
)
@click.option("--objects", metavar="A,B", help="Only these.")
@existing_result
@json_file("Write all numbers, settings and times as JSON")
@verbosity
def perseg(
    root: Path,
    output: Path,
    reference: str,
    objects: str | None,
    resume: bool,
    overwrite: bool,
    json_path: Path | None,
    config: str | None,
    recipe: str | None,
    quiet: bool,
    **flags: Any,
) -> None:
    """Find every object of the PerSeg data set in ROOT by PerSAM, and score the masks.

    ROOT has Images/<object>/ and Annotations/<object>/. The image 00 of an object is the reference, and the
    object is segmented in the others. OUT/<object>/<image>.png is what vos evaluate-perseg reads.
    """
    from vos.runs.perseg import benchmark_perseg
    from vos.settings import override

    settings = override(persam_settings(config, recipe, flags), {"outputs": ["masks"]})
    with progress_bar(quiet=quiet) as advance:
        result = benchmark_perseg(
            root,
            output,
            settings,
            reference=reference,
            objects=split_names(objects),
            resume=resume,
            overwrite=overwrite,
            progress=advance,
        )
    print_scores(result, json_path, quiet)
