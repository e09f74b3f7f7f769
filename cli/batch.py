"""``vos batch``: thousands of videos, on one machine or many."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import click

from .batch_options import (
    endpoint_option,
    manifest_argument,
    manifest_option,
    open_batch,
    place_option,
    process_options,
    take_options,
    take_pool,
    take_settings,
    track_options,
    worker_options,
)
from .batch_progress import observer, show_outcome
from .batch_submit import submit
from .options import counted, json_flag, print_json, verbosity


@click.group()
def batch() -> None:
    """Track thousands of videos, on one machine or many."""


batch.add_command(submit)


@batch.command()
@manifest_argument
@place_option
@worker_options
@process_options
@track_options
@click.option(
    "--metrics", type=click.Path(path_type=Path), metavar="FILE", help="Metrics for Prometheus, every 15 s."
)
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "json", "none"]),
    default="auto",
    show_default=True,
    help="A bar, or lines of JSON on stderr; auto: a bar on a terminal, else JSON.",
)
@json_flag
@verbosity
def run(
    manifest: str,
    output: str,
    metrics: Path | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Track the videos of MANIFEST, or this worker's share of them, into OUT.

    Start as many workers as you like with the same MANIFEST and OUT, on any machines that see both; the
    share comes from --shard, from a scheduler's environment (Slurm, Kubernetes, PBS, SGE, LSF, AWS Batch,
    torchrun), or from --dynamic. The same command again resumes the batch.

    \b
    vos batch run videos.jsonl -o out --jobs 2
    vos batch run videos.jsonl -o out --devices cuda:0,cuda:1
    vos batch run videos.jsonl -o out --shard 3/64
    """
    from vos.runs.batch import raise_for, run_batch

    settings = take_settings(flags)
    options = take_options(flags, os.environ)
    pool = take_pool(flags)
    with observer(progress, metrics, quiet=quiet) as observe:
        outcome = run_batch(manifest, output, settings, options, pool=pool, observe=observe)
    show_outcome(outcome, as_json=as_json, quiet=quiet)
    raise_for(outcome)


@batch.command()
@manifest_argument
@track_options
@click.option(
    "--probe/--no-probe", default=True, help="Open every video and prompt (default), or check the lines only."
)
@click.option(
    "--write-weights",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the manifest with a weight per task: its frames times its objects.",
)
@json_flag
@verbosity
def check(
    manifest: str, probe: bool, write_weights: Path | None, as_json: bool, quiet: bool, **flags: Any
) -> None:
    """Check every line of MANIFEST, its videos and prompts, without any model or GPU."""
    from vos.errors import SettingsError
    from vos.files import replacing
    from vos.runs.batch import check_manifest
    from vos.runs.batch.manifest import SHOWN, with_weight

    settings = take_settings(flags)
    if write_weights is not None and not probe:
        raise SettingsError("--write-weights counts frames, which --no-probe does not: leave one out")
    if write_weights is not None:
        refuse_place(write_weights, manifest)
    lines: list[str] = []
    found, problems = check_manifest(
        manifest, settings, probe=probe, weigh=lambda task, weight: lines.append(with_weight(task, weight))
    )
    if as_json:
        print_json({"tasks": len(found), "problems": [vars(problem) for problem in problems]})
    if problems:
        shown = [problem.message for problem in problems[:SHOWN]]
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise SettingsError("\n".join([*shown, *more, f"{count} in {manifest}"]))
    if write_weights is not None:
        with replacing(write_weights) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
    if not (quiet or as_json):
        click.echo(f"{len(found)} tasks, no problems")


def refuse_place(path: Path, manifest: str) -> None:
    """SettingsError where the lines of a manifest cannot be written to ``path`` as JSON lines."""
    from vos.errors import SettingsError

    if path.suffix.lower() in (".csv", ".gz"):
        raise SettingsError(f"--write-weights {path}: the lines are JSON; name the file .jsonl")
    if path.parent.resolve() != Path(manifest).parent.resolve():
        raise SettingsError(
            f"--write-weights {path}: paths in the lines are relative to the folder of {manifest}; give a "
            "file in that folder"
        )


@batch.command()
@manifest_argument
@track_options
@click.option(
    "--seconds-per-frame",
    type=click.FloatRange(min=0),
    metavar="S",
    help="Seconds per frame; by default the median of --batch.",
)
@click.option("--batch", "output", metavar="OUT", help="Batch whose finished tasks give the time per frame.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Workers that share the tasks.",
)
@json_flag
@verbosity
def estimate(
    manifest: str,
    seconds_per_frame: float | None,
    output: str | None,
    workers: int,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Estimate the time that MANIFEST takes: frames of its videos times seconds per frame."""
    from vos.errors import SettingsError
    from vos.runs.batch import read_manifest
    from vos.runs.batch.manifest import frames_of
    from vos.runs.batch.report import status_of
    from vos.runs.batch.store import open_store
    from vos.runs.batch.task import settings_of

    settings = take_settings(flags)
    if seconds_per_frame is None and output is not None:
        seconds_per_frame = status_of(open_store(output)).seconds_per_frame
    if seconds_per_frame is None:
        raise SettingsError(
            "how long a frame takes is not known: give --seconds-per-frame, or --batch OUT with done tasks"
        )
    if not math.isfinite(seconds_per_frame):
        raise SettingsError(f"--seconds-per-frame {seconds_per_frame}: give a number of seconds")
    tasks = read_manifest(manifest)
    frames = sum(frames_of(task, tasks.folder, settings_of(task, settings)) for task in tasks)
    hours = frames * seconds_per_frame / 3600
    result = {
        "tasks": len(tasks),
        "frames": frames,
        "seconds_per_frame": seconds_per_frame,
        "hours": round(hours, 3),
        "workers": workers,
        "hours_per_worker": round(hours / workers, 3),
    }
    if as_json:
        print_json(result)
    else:
        click.echo(
            f"{len(tasks)} tasks, {frames} frames, {seconds_per_frame:.3f} s per frame: {hours:.2f} hours, "
            f"{hours / workers:.2f} on each of {workers} workers"
        )


@batch.command()
@click.argument("output", metavar="OUT")
@manifest_option
@endpoint_option
@json_flag
@verbosity
def status(output: str, manifest: str | None, endpoint_url: str | None, as_json: bool, quiet: bool) -> None:
    """Show the progress of the batch in OUT."""
    from vos.runs.batch.report import status_of

    found = status_of(*open_batch(output, manifest, endpoint_url))
    if as_json:
        print_json(found.as_dict())
        return
    click.echo(", ".join(f"{count} {state}" for state, count in found.counts.items()))
    speed = "" if found.seconds_per_frame is None else f", {found.seconds_per_frame:.3f} s per frame"
    left = f", about {_shown_time(found.seconds_left)} left" if found.seconds_left else ""
    click.echo(f"{found.frames} frames{speed}{left}")


def _shown_time(seconds: float) -> str:
    """``2.5 hours``, or minutes where it is less than one."""
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} hours"
    return counted(max(round(seconds / 60), 1), "minute")


@batch.command()
@click.argument("output", metavar="OUT")
@manifest_option
@endpoint_option
@click.option(
    "-o", "--report", "path", type=click.Path(path_type=Path), metavar="FILE", help="The report as JSON."
)
@click.option(
    "--csv", "csv_path", type=click.Path(path_type=Path), metavar="FILE", help="One line per task, as CSV."
)
@click.option(
    "--coco",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Annotations of all tasks as one COCO file.",
)
@click.option(
    "--webdataset",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Masks of all tasks as tar shards that the webdataset package reads.",
)
@verbosity
def report(
    output: str,
    manifest: str | None,
    endpoint_url: str | None,
    path: Path | None,
    csv_path: Path | None,
    coco: Path | None,
    webdataset: Path | None,
    quiet: bool,
) -> None:
    """Report on every task of the batch in OUT, and merge the results."""
    from vos.files import replacing, write_text_atomic
    from vos.runs.batch.report import merged_coco, report_of, table_csv
    from vos.runs.batch.webdataset import write_shards

    store, tasks = open_batch(output, manifest, endpoint_url)
    document = report_of(store, tasks)
    if path is not None:
        write_text_atomic(path, json.dumps(document, indent=2) + "\n")
    if csv_path is not None:
        write_text_atomic(csv_path, table_csv(document))
    if coco is not None:
        with replacing(coco) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(merged_coco(store, document))
    if webdataset is not None:
        write_shards(store, document, webdataset)
    if not quiet:
        show_report(document)


def show_report(document: dict[str, Any]) -> None:
    """Totals, and failures by kind and message."""
    totals = document["totals"]
    click.echo(", ".join(f"{count} {state}" for state, count in totals["tasks"].items()))
    median = totals["seconds_per_frame"]["median"]
    click.echo(f"{totals['frames']} frames" + ("" if median is None else f", {median:.3f} s per frame"))
    for group in document["failures"]:
        shown = ", ".join(group["tasks"][:3]) + (", ..." if len(group["tasks"]) > 3 else "")
        click.echo(f"{len(group['tasks'])} failed ({group['kind']}): {group['message']} ({shown})")
    if len(document["versions"]) > 1:
        click.echo(f"warning: done by several versions: {', '.join(document['versions'])}")
    if document["not_in_manifest"]:
        click.echo(f"warning: {len(document['not_in_manifest'])} tasks are not in the manifest")


@batch.command()
@click.argument("output", metavar="OUT")
@endpoint_option
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND", help="Only of this kind: oom, media, ... Repeatable."
)
@verbosity
def retry(output: str, endpoint_url: str | None, kinds: tuple[str, ...], quiet: bool) -> None:
    """Clear the failures in OUT, so that the next run repeats these tasks."""
    from typing import get_args

    from vos.errors import SettingsError
    from vos.runs.batch import report as reports
    from vos.runs.batch.failures import Kind

    unknown = [kind for kind in kinds if kind not in get_args(Kind)]
    if unknown:
        raise SettingsError(f"unknown kind {unknown[0]!r}; choose of {', '.join(get_args(Kind))}")
    store, _ = open_batch(output, None, endpoint_url)
    cleared = reports.retry(store, kinds)
    if not quiet:
        click.echo(f"{counted(len(cleared), 'task')} cleared")
