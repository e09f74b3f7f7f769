"""What a batch costs beside its videos: checking, claiming, status and report, overhead per task, two jobs.

::

    python benchmarks/batch.py --json benchmarks/results/batch.json

Tasks are simulated but for the parts ``track`` and ``jobs``, which track small synthetic clips with the
built-in engine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from common import write_json

from vos.pool import Report
from vos.runs import TrackSettings, track_video
from vos.runs.batch import BatchOptions, process_pool, read_manifest, run_batch
from vos.runs.batch.attempt import Attempt, Record
from vos.runs.batch.layout import task_folder
from vos.runs.batch.leases import Leases
from vos.runs.batch.manifest import check_manifest
from vos.runs.batch.report import report_of, status_of
from vos.runs.batch.store import open_store
from vos.runs.batch.task import targets_of
from vos.runs.batch.tracking import loaded_tracker
from vos.testing import scene, write_images, write_labels
from vos.video import open_video

SIZES = (100, 1_000, 10_000)
LINES = 100_000
CLIPS = 6
FRAMES = 10
SETTINGS = TrackSettings(outputs=("masks",))
LIGHT = {"appearance": {"iterations": 5, "samples": 100, "views": 1, "hidden": [4, 4]}}
"""The built-in engine with next to nothing to learn: what is left is reading, writing and the batch."""


def simulated(attempt: Attempt, report: Report) -> Record:
    """A task that takes no time."""
    task_id = attempt.task.id
    seconds = {"total": 0.001}
    return Record(task_id, {"video": {}}, task_folder(task_id), 1, [1], seconds, [], {}, 1, "1")


def write_lines(path: Path, count: int) -> Path:
    """A manifest of videos that are not there."""
    with path.open("w") as file:
        for k in range(count):
            file.write(
                json.dumps({"id": f"v{k:06d}", "video": f"clips/{k}.mp4", "points": ["1:30,40"]}) + "\n"
            )
    return path


def write_clips(root: Path) -> Path:
    """A manifest of small clips."""
    with (root / "clips.jsonl").open("w") as file:
        for k in range(CLIPS):
            clip = scene("moving", num_frames=FRAMES, size=(120, 160), seed=k)
            write_images(clip, root / f"clip{k}")
            write_labels(clip, root / f"truth{k}")
            file.write(json.dumps({"video": f"clip{k}", "mask": f"truth{k}/00000.png"}) + "\n")
    return root / "clips.jsonl"


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the function returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def cpu_timed(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds, processor seconds of this process, and what the function returns."""
    cpu = time.process_time()
    seconds, result = timed(function)
    return seconds, time.process_time() - cpu, result


def measure_check(root: Path) -> Iterator[dict[str, Any]]:
    """Check a long manifest in a process of its own, for its peak memory."""
    path = write_lines(root / "long.jsonl", LINES)
    done = subprocess.run(
        [sys.executable, __file__, "--check", str(path)], capture_output=True, text=True, check=True
    )
    yield {"part": "check", "lines": LINES, **json.loads(done.stdout)}


def check_here(path: str) -> None:
    """The part of :func:`measure_check` that runs in the other process."""
    seconds, cpu, (manifest, problems) = cpu_timed(lambda: check_manifest(path, SETTINGS, probe=False))
    assert len(manifest) == LINES
    assert not problems
    # Not ru_maxrss, which begins at what the parent process had.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak}))


def measure_sizes(root: Path) -> Iterator[dict[str, Any]]:
    """Cost per task of working, claiming, status and report, for batches of growing size."""
    for count in SIZES:
        path, output = write_lines(root / f"{count}.jsonl", count), root / f"out{count}"
        manifest = read_manifest(path)
        work = partial(run_batch, path, output, SETTINGS, BatchOptions(dynamic=True), run=simulated)
        worked, cpu, outcome = cpu_timed(work)
        assert outcome.done == count
        store = open_store(output)
        claiming = Leases(open_store(root / f"claims{count}"), "w")
        claimed, _ = timed(lambda m=manifest, c=claiming: [c.take(task_id) for task_id in m.ids])
        status, _ = timed(lambda s=store, m=manifest: status_of(s, m))
        report, _ = timed(lambda s=store, m=manifest: report_of(s, m))
        yield {
            "part": "size",
            "tasks": count,
            "run_ms_per_task": 1e3 * worked / count,
            "run_cpu_ms_per_task": 1e3 * cpu / count,
            "claim_ms_per_task": 1e3 * claimed / count,
            "status_seconds": status,
            "report_seconds": report,
        }


def measure_overhead(root: Path, manifest: Path) -> Iterator[dict[str, Any]]:
    """A batch of short clips against the same calls of ``track_video`` with an engine that is loaded."""
    tasks = read_manifest(manifest)
    settings = TrackSettings(outputs=("masks",), tracker=LIGHT)
    tracker = loaded_tracker(settings)

    def direct(name: str) -> None:
        for task in tasks:
            with open_video(f"{tasks.folder}/{task.video}") as video:
                targets = targets_of(task, tasks.folder, video)
                track_video(video, targets, root / name / task.id, settings, tracker=tracker)  # type: ignore[arg-type]

    direct("warm")
    rounds = []
    for k in range(5):  # in turns: another process on the machine slows both
        *alone, _ = cpu_timed(partial(direct, f"direct{k}"))
        *batch, outcome = cpu_timed(partial(run_batch, manifest, root / f"batch{k}", settings))
        assert outcome.done_here == CLIPS
        rounds.append((*alone, *batch))
    least = [min(times) for times in zip(*rounds, strict=True)]
    yield {
        "part": "track",
        "clips": CLIPS,
        "frames": FRAMES,
        "direct_seconds": least[0],
        "batch_seconds": least[2],
        "overhead_ms_per_task": 1e3 * (least[2] - least[0]) / CLIPS,
        "direct_cpu_seconds": least[1],
        "batch_cpu_seconds": least[3],
        "overhead_cpu_ms_per_task": 1e3 * (least[3] - least[1]) / CLIPS,
    }


def measure_jobs(root: Path, manifest: Path) -> Iterator[dict[str, Any]]:
    """One and two processes with one thread each, in turns; the start of the processes is not counted."""
    times: dict[int, list[float]] = {1: [], 2: []}
    for k in range(2):
        for jobs, found in times.items():
            pool = process_pool(jobs, cores=jobs)
            for j in range(jobs):  # load the engine in every process
                task = next(iter(read_manifest(manifest)))
                attempt = Attempt(task, str(root), str(root / f"load{k}-{jobs}-{j}"), SETTINGS)
                pool.submit(str(j), attempt)
            ended = 0
            while ended < jobs:
                ended += sum(event.kind != "progress" for event in pool.wait(1.0))
            seconds, outcome = timed(
                partial(run_batch, manifest, root / f"jobs{k}-{jobs}", SETTINGS, pool=pool)
            )
            assert outcome.done_here == CLIPS
            found.append(seconds)
    one, two = min(times[1]), min(times[2])
    yield {"part": "jobs", "one_seconds": one, "two_seconds": two, "speedup": one / two}


def main() -> None:
    """All parts, or those named; rows of the others are kept from an earlier file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--parts", default="check,size,track,jobs")
    parser.add_argument("--check", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.check:
        check_here(arguments.check)
        return
    parts = arguments.parts.split(",")
    rows: list[dict[str, Any]] = []
    if arguments.json is not None and arguments.json.is_file():
        earlier = json.loads(arguments.json.read_text())["rows"]
        rows = [row for row in earlier if row["part"] not in parts]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        clips = write_clips(root)
        measures = {
            "check": lambda: measure_check(root),
            "size": lambda: measure_sizes(root),
            "track": lambda: measure_overhead(root, clips),
            "jobs": lambda: measure_jobs(root, clips),
        }
        for part in parts:
            for row in measures[part]():
                print(json.dumps(row), flush=True)
                rows.append(row)
    if arguments.json is not None:
        settings = {"sizes": SIZES, "lines": LINES, "clips": CLIPS, "frames": FRAMES}
        write_json(arguments.json, "batch", settings, rows)


if __name__ == "__main__":
    main()
