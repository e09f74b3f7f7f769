"""Workers as processes: whatever stops them, a batch ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import batch_driver
import pytest
from batch_fakes import FRAMES, drift_task, results, write_clips, write_manifest
from forks import Child
from small_disk import grow, small_disk
from vos_cli.main import cli

from vos.runs import TrackSettings
from vos.runs.batch import BatchOptions, Shard, run_batch

CHECKPOINT_EVERY = 3
SETTINGS = TrackSettings(model="slow-drift", outputs=("masks", "coco"), checkpoint_every=CHECKPOINT_EVERY)
RECIPE = f"model: slow-drift\noutputs: [masks, coco]\ncheckpoint_every: {CHECKPOINT_EVERY}\n"
KILLS, TERMINATIONS = 100, 50
ROUNDS = 10
"""Parts that the kills are done in, side by side with ``pytest -n``."""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")


@pytest.fixture(scope="module")
def whole(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one worker leaves."""
    output = tmp_path_factory.mktemp("whole")
    outcome = run_batch(clips, output, SETTINGS, run=drift_task)
    assert outcome.done_here == 6
    return results(output)


def command(manifest: Path, output: Path, *options: str) -> list[str]:
    """Arguments of ``vos`` for a worker."""
    recipe = manifest.parent / "recipe.yaml"
    if not recipe.exists():
        recipe.write_text(RECIPE)
    return ["batch", "run", str(manifest), "-o", str(output), "--config", str(recipe), *options]


def fork(manifest: Path, output: Path, *options: str, seconds: float = 0.01) -> Child:
    """A worker as a forked process; a frame takes this many seconds."""
    arguments = command(manifest, output, *options)

    def work() -> None:
        os.environ["DRIFT_SECONDS"] = str(seconds)
        cli.main(arguments, prog_name="vos")

    return Child(work, manifest.parent / f"{uuid.uuid4().hex}.log")


def spawn(manifest: Path, output: Path, *options: str, seconds: float = 0.01) -> subprocess.Popen[str]:
    """A worker as a program of its own, whose children are programs as well."""
    arguments = [sys.executable, batch_driver.__file__, *command(manifest, output, *options)]
    environment = {**os.environ, "DRIFT_SECONDS": str(seconds)}
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True, env=environment)


def wait_for(worker: Child, event: str = "progress") -> None:
    """Until a worker says ``started`` or, once the first frame of a task is done, ``progress``."""
    until = time.monotonic() + 60
    while f'"{event}"' not in worker.errors:
        assert time.monotonic() < until, worker.errors
        time.sleep(0.005)


def first_frame(worker: Child) -> tuple[str, int]:
    """The first frame that a worker said it has done: task and number, from 1."""
    line = next(json.loads(line) for line in worker.errors.splitlines() if '"progress"' in line)
    return line["task"], line["frame"]


def written(output: Path) -> dict[str, int]:
    """Frames that were written of tasks that were stopped; some of them again after an earlier stop."""
    files = output.glob("tasks/*/*/.work/written")
    return {path.parents[1].name: len(set(path.read_text().splitlines())) for path in files}


def test_the_results_have_all_frames(whole: dict[str, bytes]) -> None:
    """Masks of all frames, annotations and record of six clips."""
    assert len(whole) == 6 * (FRAMES + 2)


def test_three_shards(clips: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """One after the other, in any order."""
    for index in (2, 0, 1):
        run_batch(clips, tmp_path / "out", SETTINGS, BatchOptions(shard=Shard(index, 3)), run=drift_task)
    assert results(tmp_path / "out") == whole


@forks
def test_dynamic_workers(clips: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Three at the same time: no task is done twice."""
    workers = [fork(clips, tmp_path / "out", "--dynamic") for _ in range(3)]
    for worker in workers:
        assert worker.wait() == 0, worker.errors
    assert results(tmp_path / "out") == whole
    assert sum(worker.errors.count('"event": "done"') for worker in workers) == 6


def kill_and_restart(
    clips: Path,
    folder: Path,
    whole: dict[str, bytes],
    generator: random.Random,
    number: int,
    kills: int,
    crowd: Sequence[Sequence[str]],
) -> int:
    """Batches whose workers are ended by signals at random moments, until that has happened ``kills`` times.

    Args:
        clips: the manifest.
        folder: for the batches.
        whole: what each of them must leave.
        generator: of the moments.
        number: the signal.
        kills: how often.
        crowd: options of the workers that run at the same time; one of them is ended.

    Returns:
        The number of kills.
    """
    hits = batches = 0
    while hits < kills:
        output = folder / f"batch{batches}" / "out"
        output.parent.mkdir()
        batches += 1
        is_over = False
        while not is_over and hits < kills:
            workers = [fork(clips, output, *options, seconds=0.02) for options in crowd]
            victim = generator.choice(workers)
            if number != signal.SIGKILL:
                wait_for(victim, "started")  # there is a handler
            time.sleep(generator.uniform(0, 0.6))
            victim.send(number)
            codes = {worker: worker.wait(60) for worker in workers}
            code = codes.pop(victim)
            assert code in (0, -number if number == signal.SIGKILL else 130), victim.errors
            assert not any(codes.values())
            assert number == signal.SIGKILL or released(output)
            hits += code != 0
            is_over = code == 0 or len(crowd) > 1
        before = written(output)
        last = fork(clips, output)
        assert last.wait() == 0, last.errors
        assert results(output) == whole
        if before and number != signal.SIGKILL:
            task, frame = first_frame(last)
            assert frame > before.get(task, 0) - CHECKPOINT_EVERY
    return hits


def released(output: Path) -> bool:
    """Whether no lease is held."""
    return all(json.loads(path.read_text())["expires"] == 0 for path in output.glob("state/*/*.lease.*"))


CROWDS = {
    "one worker": [[]],
    "dynamic": [["--dynamic"]],
    "three dynamic": [["--dynamic"]] * 3,
    "three shards": [["--shard", f"{k}/3"] for k in range(3)],
}


@forks
def test_kills_at_random_moments(clips: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """SIGKILL, and again: the next worker goes on, and the bytes are those of a run that was not stopped."""
    assert kill_and_restart(clips, tmp_path, whole, random.Random(1), signal.SIGKILL, 3, [["--dynamic"]]) == 3


@pytest.mark.slow
@forks
@pytest.mark.parametrize("part", range(ROUNDS))
@pytest.mark.parametrize("crowd", CROWDS)
def test_many_kills(clips: Path, tmp_path: Path, whole: dict[str, bytes], crowd: str, part: int) -> None:
    """SIGKILL at 100 random moments, for every way to share the tasks."""
    generator = random.Random(f"{crowd} {part}")
    kills = KILLS // ROUNDS
    assert kill_and_restart(clips, tmp_path, whole, generator, signal.SIGKILL, kills, CROWDS[crowd]) == kills


@pytest.mark.slow
@forks
@pytest.mark.parametrize("part", range(ROUNDS))
def test_many_terminations(clips: Path, tmp_path: Path, whole: dict[str, bytes], part: int) -> None:
    """SIGTERM at 50 random moments: exit code 130 within the grace, leases released, the same bytes."""
    stops = TERMINATIONS // ROUNDS
    generator = random.Random(100 + part)
    assert kill_and_restart(clips, tmp_path, whole, generator, signal.SIGTERM, stops, [[]]) == stops


@pytest.mark.slow
def test_isolated_workers(clips: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Two at the same time whose tasks run in processes; one is killed, and its processes end with it."""
    output = tmp_path / "out"
    options = ("--dynamic", "--isolate", "process", "--jobs", "2")
    workers = [spawn(clips, output, *options, seconds=0.2) for _ in range(2)]
    assert workers[0].stderr is not None
    assert any('"progress"' in line for line in workers[0].stderr)
    workers[0].kill()
    assert workers[0].wait() == -signal.SIGKILL
    _, errors = workers[1].communicate(timeout=300)
    assert workers[1].returncode == 0, errors
    assert results(output) == whole


@forks
def test_a_terminated_worker_leaves_a_checkpoint(tmp_path: Path) -> None:
    """The next worker does only the frames since the last checkpoint again; the lease is free."""
    manifest = write_clips(tmp_path, 1, frames=30)
    output = tmp_path / "out"
    worker = fork(manifest, output, seconds=0.5)  # far from its end, however slow we are
    wait_for(worker)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 130, worker.errors
    assert "the same command resumes" in worker.errors
    assert released(output)
    done = written(output)["clip0"]
    assert 0 < done < 30
    again = fork(manifest, output)
    assert again.wait() == 0
    assert first_frame(again)[1] > done - CHECKPOINT_EVERY


@forks
def test_early_warning(tmp_path: Path) -> None:
    """SIGUSR1, as Slurm sends it: exit code 0, and the next worker goes on."""
    manifest = write_clips(tmp_path, 1, frames=30)
    worker = fork(manifest, tmp_path / "out", seconds=0.5)
    wait_for(worker)
    worker.send(signal.SIGUSR1)
    assert worker.wait() == 0, worker.errors
    assert not list(tmp_path.glob("out/state/*/*.done.json"))
    assert fork(manifest, tmp_path / "out").wait() == 0


def test_bad_videos_fail_alone(clips: Path, tmp_path: Path) -> None:
    """Damaged, empty, absent, and a prompt that does not fit: exit code 5, the others are done."""
    (tmp_path / "damaged.mp4").write_bytes(b"\0" * 5000)
    (tmp_path / "empty.mp4").write_bytes(b"")
    root = clips.parent
    lines = [
        {"video": f"{root}/clip0", "mask": f"{root}/truth0/00000.png"},
        {"video": "damaged.mp4", "points": "1:3,4"},
        {"video": "empty.mp4", "points": "1:3,4"},
        {"video": "absent.mp4", "points": "1:3,4"},
        {"id": "outside", "video": f"{root}/clip1", "points": "1:999,4"},
    ]
    manifest = write_manifest(tmp_path / "m.jsonl", lines)
    worker = spawn(manifest, tmp_path / "out", "--jobs", "1", "--isolate", "process")
    _, errors = worker.communicate(timeout=300)
    assert worker.returncode == 5, errors
    assert "4 tasks failed" in errors
    assert "Traceback" not in errors
    kinds = {
        path.name: json.loads(path.read_text())["kind"] for path in tmp_path.glob("out/state/*/*.fail.1.json")
    }
    assert kinds == {
        "damaged.fail.1.json": "media",
        "empty.fail.1.json": "media",
        "absent.fail.1.json": "media",
        "outside.fail.1.json": "prompt",
    }
    assert {path.parent.name for path in tmp_path.glob("out/tasks/*/*/run.json")} == {"clip0"}


@pytest.mark.parametrize(
    "kib", [40, pytest.param(120, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.slow)]
)
@forks
def test_a_full_disk(clips: Path, tmp_path: Path, whole: dict[str, bytes], kib: int) -> None:
    """The worker stops with exit code 5 and nothing half-written, and the next one goes on."""
    with small_disk(tmp_path / "disk", kib) as disk:
        output = disk / "out"
        worker = fork(clips, output)
        assert worker.wait() == 5, worker.errors
        assert "Traceback" not in worker.errors
        for name, data in results(output).items():
            assert ".work" in name or name.endswith(".part") or data == whole[name]
        grow(disk, 4000)
        again = fork(clips, output)
        assert again.wait() == 0, again.errors
        assert results(output) == whole
