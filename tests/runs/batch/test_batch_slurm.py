"""The script for Slurm, run by a stand-in, and the job for Kubernetes."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import batch_driver
import click
import pytest
import yaml
from batch_fakes import results

from vos.errors import SettingsError
from vos.runs.batch import Shard, detect_shard
from vos.runs.batch.slurm import SlurmJob, render, submit_array

ROOT = Path(__file__).resolve().parents[3]

SBATCH = """\
#!/usr/bin/env python3
# Runs the array of a script on this machine, one task after the other; says its id.
import os, re, subprocess, sys
script = sys.stdin.read()
folder = os.environ["FAKE_SLURM"]
with open(os.path.join(folder, "calls"), "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
number = 100 + sum(1 for _ in open(os.path.join(folder, "calls")))
found = re.search(r"--array=(\\d+)-(\\d+)", script)
for index in range(int(found[1]), int(found[2]) + 1) if found else [None]:
    environment = dict(os.environ, SLURM_JOB_ID=str(number), SLURM_CPUS_PER_TASK="1")
    if index is not None:
        environment |= {
            "SLURM_ARRAY_TASK_ID": str(index),
            "SLURM_ARRAY_TASK_COUNT": str(int(found[2]) - int(found[1]) + 1),
            "SLURM_ARRAY_TASK_MIN": found[1],
            "SLURM_ARRAY_TASK_STEP": "1",
        }
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, cwd=folder)
    with open(os.path.join(folder, "codes"), "a") as file:
        file.write(f"{done.returncode} {done.stderr}\\n")
print(number)
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an ``sbatch`` that is first in PATH."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    (folder / "sbatch").write_text(SBATCH)
    (folder / "sbatch").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(folder))
    return folder


def job(manifest: Path, output: Path) -> SlurmJob:
    """Two workers with the engine of the tests."""
    program = f"{sys.executable} {batch_driver.__file__}"
    return SlurmJob(str(manifest), str(output), array=2, track=("--model", "slow-drift"), program=program)


def test_the_script() -> None:
    """It has the directives, quotes what needs it, and is a script that bash accepts."""
    script = render(
        SlurmJob(
            "my videos.jsonl", "out", array=64, at_once=32, gpus=1, partition="gpu", track=("--size", "480")
        )
    )
    for line in (
        "#SBATCH --array=0-63%32",
        "#SBATCH --signal=B:USR1@120",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --gres=gpu:1",
        "#SBATCH --partition=gpu",
        "vos batch run 'my videos.jsonl' -o out --size 480 &",
    ):
        assert line in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_an_array_and_its_report(tmp_path: Path, slurm: Path) -> None:
    """Every task of the array is the same command with its place in the environment; a report follows."""
    program = tmp_path / "vos"
    program.write_text(
        "#!/bin/bash\necho ${SLURM_ARRAY_TASK_ID:-none}/${SLURM_ARRAY_TASK_COUNT:-none} $@"
        f" >> {tmp_path}/log\n"
    )
    program.chmod(stat.S_IRWXU)
    submit_array(SlurmJob("m.jsonl", "out", array=2, track=("--size", "480"), program=str(program)))
    assert (tmp_path / "log").read_text().splitlines() == [
        "0/2 batch run m.jsonl -o out --size 480",
        "1/2 batch run m.jsonl -o out --size 480",
        "none/none batch report out -o report.json",
    ]


@pytest.mark.slow
def test_an_array_does_the_batch(clips: Path, tmp_path: Path, slurm: Path) -> None:
    """Each task its shard; a job that depends on the array reports."""
    assert submit_array(job(clips, tmp_path / "out")) == ("101", "102")
    calls = (slurm / "calls").read_text().splitlines()
    assert calls == ["--parsable", "--parsable --dependency=afterany:101"]
    codes = re.findall(r"^\d+", (slurm / "codes").read_text(), flags=re.MULTILINE)
    assert codes == ["0", "0", "0"], (slurm / "codes").read_text()
    assert sum(name.endswith("run.json") for name in results(tmp_path / "out")) == 6
    assert '"done": 6' in (slurm / "report.json").read_text()


@pytest.mark.parametrize("knows", ["worker=$!", "sleep 0.5; worker=$!"], ids=["soon", "late"])
def test_the_warning_is_passed_on(tmp_path: Path, knows: str) -> None:
    """USR1 to the batch shell reaches the worker, even if the shell does not know it yet; the shell waits for
    it and asks to be requeued.
    """
    program = tmp_path / "vos"
    log = tmp_path / "log"
    program.write_text(
        f"#!/bin/bash\nexec >> {log}\ntrap 'echo warned; sleep 0.2; echo ended; exit 0' USR1\n"
        "echo started\nwhile true; do sleep 0.02; done\n"
    )
    requeue = tmp_path / "scontrol"
    requeue.write_text(f"#!/bin/bash\necho scontrol $@ >> {log}\n")
    for path in (program, requeue):
        path.chmod(stat.S_IRWXU)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    script = render(SlurmJob("m", "o")).replace("worker=$!", knows)
    shell = subprocess.Popen(["bash", "-c", script], env=environment)
    while not log.exists() or "started" not in log.read_text():
        time.sleep(0.02)
    shell.send_signal(signal.SIGUSR1)
    assert shell.wait(timeout=60) == 0
    assert log.read_text().split("\n")[:4] == ["started", "warned", "ended", "scontrol requeue 7"]


def test_traps_are_set_before_the_worker_starts() -> None:
    """A warning that comes at once would else end the shell, and leave its worker behind."""
    script = render(SlurmJob("m", "o"))
    assert script.rindex("\ntrap ") < script.index("batch run m -o o")


def test_without_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Said so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="no sbatch here"):
        submit_array(SlurmJob("m", "o"))


def test_the_job_for_kubernetes() -> None:
    """Its environment is what a worker reads, and it is indexed, retried per index and non-root."""
    document = yaml.safe_load((ROOT / "docs/scale-out/kubernetes.yaml").read_text())
    spec = document["spec"]
    assert (document["kind"], spec["completionMode"]) == ("Job", "Indexed")
    assert spec["backoffLimitPerIndex"] > 0
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert int(environment["VOS_SHARDS"]) == spec["completions"]
    shards = [
        detect_shard({**environment, "JOB_COMPLETION_INDEX": str(k)}) for k in range(spec["completions"])
    ]
    assert shards == [Shard(k, spec["completions"]) for k in range(spec["completions"])]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["terminationGracePeriodSeconds"] > 25
    codes = [
        rule["onExitCodes"]["values"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule
    ]
    assert codes == [[130], [2]]


def test_the_arguments_for_kubernetes_are_those_of_the_command() -> None:
    """``vos`` takes them."""
    from vos_cli.main import cli

    document = yaml.safe_load((ROOT / "docs/scale-out/kubernetes.yaml").read_text())
    (container,) = document["spec"]["template"]["spec"]["containers"]
    parent = click.Context(cli, **cli.context_settings)
    group = cli.get_command(parent, "batch")
    assert isinstance(group, click.Group)
    assert container["args"][:2] == ["batch", "run"]
    group.commands["run"].make_context("run", container["args"][2:], parent=parent)
