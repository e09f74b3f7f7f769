"""``vos batch``: what the commands print, write and refuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from vos_cli.main import cli

import vos.runs.batch.run as batch_run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runs" / "batch"))

from batch_fakes import many, simulated, write_clips, write_manifest

from vos.runs.batch import Shard
from vos.runs.batch.worker import BatchOutcome


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips."""
    return write_clips(tmp_path_factory.mktemp("clips"), 3)


@pytest.fixture(autouse=True)
def _simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that cost nothing."""
    original = batch_run.run_attempt

    def run_attempt(attempt: Any, report: Any, *, run: Any) -> Any:
        return original(attempt, report, run=simulated)

    monkeypatch.setattr(batch_run, "run_attempt", run_attempt)


def vos(*arguments: Any) -> Result:
    """The command."""
    return CliRunner().invoke(cli, ["batch", *map(str, arguments)])


def test_from_run_to_report(tmp_path: Path) -> None:
    """One failed: exit code 5; status, report and retry say and do what they should."""
    lines = [*many(4), {"id": "x", "video": "bad.mp4", "points": "1:3,4"}]
    manifest = write_manifest(tmp_path / "m.jsonl", lines)
    out = tmp_path / "out"
    done = vos("run", manifest, "-o", out, "--metrics", tmp_path / "m.prom", "--progress", "none")
    assert done.exit_code == 5
    assert done.stdout == "4 tasks done (4 here), 1 failed, 0 with other workers, 0 waiting\n"
    assert "1 task failed (x)" in done.stderr
    assert 'vos_batch_tasks{state="done"} 4' in (tmp_path / "m.prom").read_text()

    status = vos("status", out, "--json")
    assert json.loads(status.stdout)["tasks"] == {
        "done": 4,
        "running": 0,
        "stale": 0,
        "failed": 1,
        "waiting": 0,
    }
    assert "4 done" in vos("status", out).stdout

    files = {name: tmp_path / name for name in ("report.json", "table.csv", "coco.json")}
    options = ["-o", files["report.json"], "--csv", files["table.csv"], "--coco", files["coco.json"]]
    report = vos("report", out, *options, "--webdataset", tmp_path / "shards")
    assert report.exit_code == 0, report.stderr
    assert "1 failed (media): cannot read bad.mp4: it is damaged (x)" in report.stdout
    assert json.loads(files["report.json"].read_text())["totals"]["tasks"]["done"] == 4
    assert len(files["table.csv"].read_text().splitlines()) == 6
    assert json.loads(files["coco.json"].read_text())["videos"] == []

    assert vos("retry", out, "--kind", "oom").stdout == "0 tasks cleared\n"
    assert vos("retry", out, "--kind", "media").stdout == "1 task cleared\n"
    assert vos("retry", out, "--kind", "mdia").exit_code == 2


def test_progress_is_json_where_there_is_no_terminal(tmp_path: Path) -> None:
    """Lines on stderr, and the outcome on stdout; -q leaves both out."""
    manifest = write_manifest(tmp_path / "m.jsonl", many(2))
    done = vos("run", manifest, "-o", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["done"] == 2
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events if event["event"] != "progress"] == ["started", "done"] * 2
    quiet = vos("run", write_manifest(tmp_path / "n.jsonl", many(1)), "-o", tmp_path / "quiet", "-q")
    assert (quiet.exit_code, quiet.output) == (0, "")


@pytest.mark.parametrize(
    ("environment", "options", "shard"),
    [
        ({"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3"}, [], Shard(1, 3)),
        ({"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3"}, ["--dynamic"], Shard(0, 1)),
        ({"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3"}, ["--shard", "2/4"], Shard(2, 4)),
        ({"RANK": "1", "WORLD_SIZE": "2"}, ["--shard", "auto"], Shard(1, 2)),
        ({}, [], Shard(0, 1)),
    ],
)
def test_the_share(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    options: list[str],
    shard: Shard,
) -> None:
    """From the environment unless a flag says otherwise."""
    for name in ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    seen = []

    def run_batch(
        manifest: Any, output: Any, settings: Any, batch_options: Any, **others: Any
    ) -> BatchOutcome:
        seen.append(batch_options.shard)
        return BatchOutcome(0, 0, (), 0, 0)

    monkeypatch.setattr("vos.runs.batch.run_batch", run_batch)
    done = vos("run", tmp_path / "m.jsonl", "-o", tmp_path / "out", *options)
    assert done.exit_code == 0
    assert seen == [shard]
    is_detected = bool(environment) and options in ([], ["--shard", "auto"])
    assert (f"only shard {shard} of the tasks is done here" in done.stderr) == is_detected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "4/4"], "0 <= I < N"),
        (["--dynamic", "--shard", "0/2"], "leave out --shard"),
        (["--max-failures", "many"], "--max-failures many"),
        (["--jobs", "0"], "--jobs 0"),
        (["--devices", "gpu0"], "cuda:0"),
        (["--isolate", "none", "--jobs", "2"], "--isolate none"),
        (["--outputs", "mask"], "unknown output 'mask'"),
        (["--size", "big"], "size 'big'"),
        (["--config", "none"], "no recipe 'none'"),
        (["--endpoint-url", "http://localhost"], ""),
    ],
)
def test_refused(tmp_path: Path, options: list[str], message: str) -> None:
    """Exit code 2 and nothing written; an endpoint without a URL is of no use, and of no harm."""
    manifest = write_manifest(tmp_path / "m.jsonl", many(1))
    done = vos("run", manifest, "-o", tmp_path / "out", *options, "-q")
    assert done.exit_code == (2 if message else 0), done.output
    assert message in done.stderr
    assert (tmp_path / "out").exists() == (not message)


def test_check(clips: Path, tmp_path: Path) -> None:
    """Problems with their lines and exit code 2; or weights."""
    path = clips.with_name("weighted.jsonl")
    good = vos("check", clips, "--write-weights", path)
    assert (good.exit_code, good.stdout) == (0, "3 tasks, no problems\n")
    weighted = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["weight"] for line in weighted] == [20.0] * 3
    bad = write_manifest(tmp_path / "bad.jsonl", [*many(1), {"vdieo": "x"}])
    found = vos("check", bad, "--json")
    assert found.exit_code == 2
    assert [problem["line"] for problem in json.loads(found.stdout)["problems"]] == [1, 2]
    assert vos("check", bad, "--no-probe").stderr.count("bad.jsonl, line") == 1
    assert vos("check", clips, "--no-probe", "--write-weights", path).exit_code == 2
    elsewhere = vos("check", clips, "--write-weights", tmp_path / "weighted.jsonl")
    assert (elsewhere.exit_code, "relative to the folder of" in elsewhere.stderr) == (2, True)
    assert "name the file .jsonl" in vos("check", clips, "--write-weights", clips.with_name("w.csv")).stderr


def test_estimate(clips: Path, tmp_path: Path) -> None:
    """Frames times seconds per frame, given or measured."""
    found = json.loads(vos("estimate", clips, "--seconds-per-frame", 60, "--workers", 2, "--json").stdout)
    assert found["frames"] == 30
    assert (found["hours"], found["hours_per_worker"]) == (0.5, 0.25)
    assert vos("estimate", clips).exit_code == 2
    vos("run", clips, "-o", tmp_path / "out", "-q")
    assert "0.500 s per frame" in vos("estimate", clips, "--batch", tmp_path / "out").stdout


def test_submit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script on stdout, with the options after --; without a way to submit it is refused."""
    printed = vos("submit", "m.jsonl", "-o", "out", "--print", "--array", 4, "--", "--model", "nano")
    assert "vos batch run m.jsonl -o out --model nano &" in printed.stdout
    assert "--array=0-3\n" in printed.stdout
    assert vos("submit", "m.jsonl", "-o", "out").exit_code == 2
    assert vos("submit", "m.jsonl", "-o", "out", "--ray", "local", "--slurm").exit_code == 2
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no sbatch" in vos("submit", "m.jsonl", "-o", "out", "--slurm").stderr


def test_no_batch(tmp_path: Path) -> None:
    """Said so, with the command that begins one."""
    for command in ("status", "report", "retry"):
        done = vos(command, tmp_path)
        assert done.exit_code == 2
        assert "holds no batch" in done.stderr


def test_a_batch_without_its_manifest(tmp_path: Path) -> None:
    """It still has a status, and says what is missing."""
    manifest = write_manifest(tmp_path / "m.jsonl", many(2))
    vos("run", manifest, "-o", tmp_path / "out", "-q")
    manifest.unlink()
    status = vos("status", tmp_path / "out")
    assert "2 done" in status.stdout
    assert "only tasks that were begun" in status.stderr


def test_the_manifest_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found from any folder and where both were moved, not another one of its name; that it changed
    is told.
    """
    manifest = write_manifest(tmp_path / "m.jsonl", many(2))
    monkeypatch.chdir(tmp_path)
    vos("run", "m.jsonl", "-o", "out", "-q")
    (tmp_path / "other").mkdir()
    write_manifest(tmp_path / "other" / "m.jsonl", many(5))
    monkeypatch.chdir(tmp_path / "other")
    status = vos("status", tmp_path / "out")
    assert status.stdout.startswith("2 done, 0 running, 0 stale, 0 failed, 0 waiting")
    assert "left" not in status.stdout
    assert not status.stderr
    write_manifest(manifest, many(3))
    moved = tmp_path.rename(tmp_path.with_name(tmp_path.name + " moved"))
    (moved / "link").symlink_to(moved / "out")
    status = vos("status", moved / "link")
    moved.rename(tmp_path)
    assert "1 waiting" in status.stdout
    assert status.stdout.endswith(", about 1 minute left\n")
    assert "has changed since" in status.stderr
