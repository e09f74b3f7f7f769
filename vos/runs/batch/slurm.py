"""A batch as a Slurm array: the script, and its submission with ``sbatch``."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass

from ...errors import SettingsError

WARNING_SECONDS = 120
"""How long before its end Slurm warns a job."""


@dataclass(frozen=True)
class SlurmJob:
    """What a script is made of; ``track`` are more options of ``vos batch run``."""

    manifest: str
    output: str
    array: int = 8
    at_once: int | None = None
    time_limit: str = "04:00:00"
    gpus: int = 0
    cpus: int = 2
    mem: str = "8G"
    partition: str | None = None
    track: tuple[str, ...] = ()
    program: str = "vos"


def render(job: SlurmJob) -> str:
    """The script of the array.

    Slurm warns the batch shell two minutes before the time limit; the shell passes this on, the worker stops
    its task at a checkpoint, and the requeued job continues from there.
    """
    limit = "" if job.at_once is None else f"%{job.at_once}"
    directives = [
        "--job-name=vos-batch",
        f"--array=0-{job.array - 1}{limit}",
        f"--time={job.time_limit}",
        f"--cpus-per-task={job.cpus}",
        f"--mem={job.mem}",
        *([f"--gres=gpu:{job.gpus}"] if job.gpus else []),
        *([f"--partition={job.partition}"] if job.partition else []),
        f"--signal=B:USR1@{WARNING_SECONDS}",
        "--requeue",
        "--open-mode=append",
        "--output=vos-batch-%A_%a.log",
    ]
    command = shlex.join(
        [*shlex.split(job.program), "batch", "run", job.manifest, "-o", job.output, *job.track]
    )
    head = "\n".join(f"#SBATCH {directive}" for directive in directives)
    return f"""\
#!/bin/bash
{head}
set -u
export OMP_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-{job.cpus}}}"
export OPENCV_FOR_THREADS_NUM="$OMP_NUM_THREADS"
warned=0
worker=
# Before the worker starts: a signal that comes at once would else end this shell without it.
trap 'warned=1; [ -z "$worker" ] || kill -USR1 "$worker"' USR1
trap '[ -z "$worker" ] && exit 143; kill -TERM "$worker"' TERM
{command} &
worker=$!
[ "$warned" = 0 ] || kill -USR1 "$worker"  # warned before the shell knew its worker
# A trap ends the first wait; the second one waits for the worker to stop.
wait "$worker"
code=$?
if kill -0 "$worker" 2>/dev/null; then
    wait "$worker"
    code=$?
fi
if [ "$warned" = 1 ] && [ "$code" = 0 ] && [ -n "${{SLURM_JOB_ID:-}}" ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def render_report(job: SlurmJob) -> str:
    """The script of the job that reports when the array has ended."""
    command = shlex.join([*shlex.split(job.program), "batch", "report", job.output])
    partition = f"#SBATCH --partition={job.partition}\n" if job.partition else ""
    return f"#!/bin/bash\n#SBATCH --job-name=vos-batch-report\n{partition}{command} -o report.json\n"


def submit_array(job: SlurmJob) -> tuple[str, str]:
    """Submit the array, and a job that reports when it has ended; the ids of both.

    Raises:
        SettingsError: there is no ``sbatch``, or it refuses.
    """
    array = _sbatch(render(job))
    return array, _sbatch(render_report(job), f"--dependency=afterany:{array}")


def _sbatch(script: str, *options: str) -> str:
    command = ["sbatch", "--parsable", *options]
    try:
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise SettingsError(
            "there is no sbatch here: run this on a login node of the cluster, or use --print"
        ) from error
    except subprocess.CalledProcessError as error:
        raise SettingsError(f"sbatch refused the job: {error.stderr.strip()}") from error
    return done.stdout.strip().split(";")[0]  # "id;cluster" where there are several clusters
