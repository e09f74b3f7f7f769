"""Workers as processes: whatever stops them, a batch ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import batch_driver
import pytest
from batch_fakes import FRAMES, drift_task, results, write_clips, write_manifest

from vos.runs import TrackSettings
from vos.runs.batch import BatchOptions, Shard, run_batch

SETTINGS = TrackSettings(model="drift", outputs=("masks", "coco"), checkpoint_every=3)
RECIPE = "model: drift\noutputs: [masks, coco]\ncheckpoint_every: 3\n"


@pytest.fixture(scope="module")
def whole(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one worker leaves."""
    output = tmp_path_factory.mktemp("whole")
    outcome = run_batch(clips, output, SETTINGS, run=drift_task)
    assert outcome.done_here == 6
    return results(output)


def start(manifest: Path, output: Path, *options: str, seconds: float = 0.01) -> subprocess.Popen[str]:
    """A worker as a process."""
    recipe = output.parent / "recipe.yaml"
    recipe.write_text(RECIPE)
    command = [sys.executable, batch_driver.__file__, "batch", "run", manifest, "-o", output]
    return subprocess.Popen(
        [*map(str, command), "--config", str(recipe), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DRIFT_SECONDS": str(seconds)},
    )


def finish(worker: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr."""
    _, errors = worker.communicate(timeout=300)
    return worker.returncode, errors


def wait_for_work(worker: subprocess.Popen[str]) -> None:
    """Until the first frame of a task is done: from then on a signal finds a worker at work."""
    assert worker.stderr is not None
    for line in worker.stderr:
        if '"progress"' in line:
            return
    raise AssertionError("the worker ended before it began")


def test_the_results_have_all_frames(whole: dict[str, bytes]) -> None:
    """Masks of all frames, annotations and record of six clips."""
    assert len(whole) == 6 * (FRAMES + 2)


def test_three_shards(clips: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """One after the other, in any order."""
    for index in (2, 0, 1):
        run_batch(clips, tmp_path / "out", SETTINGS, BatchOptions(shard=Shard(index, 3)), run=drift_task)
    assert results(tmp_path / "out") == whole


def test_dynamic_workers(clips: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Two at the same time, one of them with processes: no task is done twice."""
    output = tmp_path / "out"
    workers = [
        start(clips, output, "--dynamic", "--json"),
        start(clips, output, "--dynamic", "--json", "--isolate", "process"),
    ]
    here = 0
    for worker in workers:
        printed, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
        here += json.loads(printed)["done_here"]
    assert results(output) == whole
    assert here == 6


def kill_and_restart(
    clips: Path, output: Path, generator: random.Random, number: int, kills: int, options: tuple[str, ...]
) -> int:
    """Start a worker again and again, each time ended by a signal at a random moment, then let it finish."""
    hits = 0
    for _ in range(kills):
        worker = start(clips, output, *options, seconds=0.02)
        wait_for_work(worker)
        time.sleep(generator.uniform(0, 0.5))
        worker.send_signal(number)
        code, errors = finish(worker)
        if code == 0:  # it was done before
            break
        hits += 1
        assert code == (-number if number == signal.SIGKILL else 130), errors
    code, errors = finish(start(clips, output, *options))
    assert code == 0, errors
    return hits


@pytest.mark.parametrize("options", [("--dynamic",), ("--isolate", "process")])
def test_kills_at_random_moments(
    clips: Path, tmp_path: Path, whole: dict[str, bytes], options: tuple[str, ...]
) -> None:
    """SIGKILL, and again: the next worker goes on, and the bytes are those of a run that was not stopped."""
    assert kill_and_restart(clips, tmp_path / "out", random.Random(1), signal.SIGKILL, 2, options) > 0
    assert results(tmp_path / "out") == whole


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_kills(clips: Path, tmp_path: Path, whole: dict[str, bytes], seed: int) -> None:
    """Ten rounds of ten."""
    left, round_number = 10, 0
    generator = random.Random(seed)
    while left > 0:
        output = tmp_path / f"out{round_number}"
        left -= kill_and_restart(clips, output, generator, signal.SIGKILL, left, ("--dynamic",))
        assert results(output) == whole
        round_number += 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_fifty_terminations(clips: Path, tmp_path: Path, whole: dict[str, bytes], seed: int) -> None:
    """SIGTERM at five moments each: exit code 130, leases released, the same bytes in the end."""
    left, round_number = 5, 0
    generator = random.Random(100 + seed)
    while left > 0:
        output = tmp_path / f"out{round_number}"
        left -= kill_and_restart(clips, output, generator, signal.SIGTERM, left, ())
        assert results(output) == whole
        round_number += 1


def test_a_terminated_worker_leaves_a_checkpoint(tmp_path: Path) -> None:
    """The next worker does only the frames since the last checkpoint again; the lease is free."""
    manifest = write_clips(tmp_path, 1, frames=30)
    output = tmp_path / "out"
    worker = start(manifest, output, seconds=0.05)
    wait_for_work(worker)
    time.sleep(0.5)
    worker.terminate()
    code, errors = finish(worker)
    assert code == 130, errors
    assert "the same command goes on" in errors
    (lease,) = output.glob("state/*/clip0.lease.1")
    assert json.loads(lease.read_text())["expires"] == 0
    (written,) = output.glob("tasks/*/clip0/.work/written")
    done = len(written.read_text().splitlines())
    assert 0 < done < 30
    code, errors = finish(start(manifest, output))
    assert code == 0
    first = next(json.loads(line) for line in errors.splitlines() if '"progress"' in line)
    assert first["frame"] > done - 3


def test_early_warning(tmp_path: Path) -> None:
    """SIGUSR1, as Slurm sends it: exit code 0, and the next worker goes on."""
    manifest = write_clips(tmp_path, 1, frames=30)
    worker = start(manifest, tmp_path / "out", seconds=0.05)
    wait_for_work(worker)
    worker.send_signal(signal.SIGUSR1)
    assert finish(worker)[0] == 0
    assert not list(tmp_path.glob("out/state/*/*.done.json"))
    assert finish(start(manifest, tmp_path / "out"))[0] == 0


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
    code, errors = finish(start(manifest, tmp_path / "out", "--jobs", "1", "--isolate", "process"))
    assert code == 5, errors
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
