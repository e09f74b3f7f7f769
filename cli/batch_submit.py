"""``vos batch submit``: many workers, on Slurm or on Ray."""

from __future__ import annotations

from typing import Any

import click

from .batch_options import (
    manifest_argument,
    place_option,
    take_options,
    take_settings,
    track_options,
    worker_options,
)
from .batch_progress import observer, show_outcome
from .options import verbosity


@click.command(context_settings={"ignore_unknown_options": True})
@manifest_argument
@place_option
@click.option("--slurm", is_flag=True, help="Submit an array to Slurm with sbatch.")
@click.option("--ray", metavar="ADDRESS", help='Run on the Ray cluster at ADDRESS; "local" starts one here.')
@click.option("--print", "only_print", is_flag=True, help="Print the Slurm script, and submit nothing.")
@click.option(
    "--array",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar="N",
    help="Tasks of the array.",
)
@click.option(
    "--at-once", type=click.IntRange(min=1), metavar="N", help="Tasks of the array that run at a time."
)
@click.option("--time", "time_limit", default="04:00:00", show_default=True, metavar="HH:MM:SS")
@click.option(
    "--gpus", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="GPUs per worker."
)
@click.option(
    "--cpus", type=click.IntRange(min=1), default=2, show_default=True, metavar="N", help="Cores per worker."
)
@click.option("--mem", default="8G", show_default=True, metavar="SIZE", help="Memory per worker.")
@click.option("--partition", metavar="NAME", help="Partition of the cluster.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, metavar="N", help="Ray actors."
)
@click.option(
    "--gpus-per-worker",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="X",
    help="GPUs per Ray actor; 0.5 puts two actors on one.",
)
@click.argument("track", nargs=-1, type=click.UNPROCESSED)
@verbosity
def submit(
    manifest: str,
    output: str,
    slurm: bool,
    ray: str | None,
    only_print: bool,
    workers: int,
    gpus_per_worker: float,
    track: tuple[str, ...],
    quiet: bool,
    **flags: Any,
) -> None:
    """Start many workers: a Slurm array, or actors of a Ray cluster.

    Options after -- are those of vos batch run:

    \b
    vos batch submit videos.jsonl -o out --slurm --array 64 --gpus 1 -- --model sam-vit-b --device cuda
    vos batch submit videos.jsonl -o out --ray auto --workers 8 --gpus-per-worker 1
    """
    from vos.errors import SettingsError
    from vos.runs.batch.slurm import SlurmJob, render, submit_array

    if ray is not None and (slurm or only_print):
        raise SettingsError("--ray runs at once: leave out --slurm and --print")
    if ray is not None:
        submit_ray(manifest, output, ray, workers, flags["cpus"], gpus_per_worker, track, quiet=quiet)
        return
    if not (slurm or only_print):
        raise SettingsError(
            "choose how to submit: --slurm, --print (the Slurm script only), or --ray ADDRESS"
        )
    job = SlurmJob(manifest=manifest, output=output, track=track, **flags)
    if only_print:
        click.echo(render(job), nl=False)
        return
    array, report_job = submit_array(job)
    if not quiet:
        click.echo(f"submitted array {array}, and job {report_job} to report when it has ended")


@click.command()
@worker_options
@track_options
def ray_flags(**flags: Any) -> dict[str, Any]:
    """The options of ``vos batch run`` that a driver on Ray takes."""
    return flags


def submit_ray(
    manifest: str,
    output: str,
    address: str,
    workers: int,
    cpus: int,
    gpus: float,
    track: tuple[str, ...],
    *,
    quiet: bool,
) -> None:
    """Drive a batch on Ray from here."""
    from vos.runs.batch import raise_for, run_batch
    from vos.runs.batch.ray_pool import ray_pool

    flags = ray_flags.main(list(track), standalone_mode=False)
    settings = take_settings(flags)
    options = take_options(flags, {})
    pool = ray_pool(address, workers, cpus=cpus, gpus=gpus)
    with observer("auto", None, quiet=quiet) as observe:
        outcome = run_batch(manifest, output, settings, options, pool=pool, observe=observe)
    show_outcome(outcome, as_json=False, quiet=quiet)
    raise_for(outcome)
