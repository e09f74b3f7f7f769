"""Batches small enough to do many times: clips, manifests, and ways to do a task without a model."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from run_fakes import DriftingTracker

from vos.errors import MediaError
from vos.files import make_folder, write_text_atomic
from vos.pool import Report
from vos.runs.batch.attempt import Attempt, Record
from vos.runs.batch.layout import task_folder
from vos.runs.batch.tracking import track_task
from vos.runs.summary import Progress
from vos.testing import scene, write_images, write_labels
from vos.trackers.registry import TRACKERS, TrackerEntry

FRAMES = 10


def build_drifting(**options: Any) -> DriftingTracker:
    """The tracker, which has no options."""
    return DriftingTracker()


def write_clips(root: Path, count: int, frames: int = FRAMES) -> Path:
    """Folders of images with a mask each, and the manifest of them."""
    for k in range(count):
        clip = scene("crossing", num_frames=frames, size=(24, 32), seed=k)
        write_images(clip, root / f"clip{k}")
        write_labels(clip, root / f"truth{k}")
    lines = [{"video": f"clip{k}", "mask": f"truth{k}/00000.png"} for k in range(count)]
    return write_manifest(root / "videos.jsonl", lines)


def write_manifest(path: Path, lines: Sequence[Mapping[str, Any]]) -> Path:
    """The lines as JSON lines."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def many(count: int) -> list[dict[str, Any]]:
    """Lines whose videos are never looked at."""
    return [{"id": f"v{k:05d}", "video": f"v{k}.mp4", "points": ["1:3,4"]} for k in range(count)]


def drift_task(attempt: Attempt, report: Report) -> Record:
    """A task tracked for real, with an engine that takes no time."""
    TRACKERS["drift"] = TrackerEntry(
        f"{__name__}:build_drifting", "run_fakes:no_settings", "of the tests", "included"
    )
    return track_task(attempt, report)


def simulated(attempt: Attempt, report: Report) -> Record:
    """A task that reads nothing and writes one small file; a video named ``bad`` cannot be read."""
    task = attempt.task
    if "bad" in task.video:
        raise MediaError(f"cannot read {task.video}: it is damaged")
    report(Progress("forward", 1, 1))
    folder = make_folder(Path(attempt.output, task_folder(task.id)))
    write_text_atomic(folder / "result.txt", task.id)
    return record_of(task.id, key=simulated_identity(attempt)["key"])


def simulated_identity(attempt: Attempt) -> dict[str, Any]:
    """Key and identity of a simulated task."""
    return {"key": hashlib.sha256(repr(attempt.task).encode()).hexdigest(), "video": {}}


def record_of(task_id: str, *, key: str = "key", frames: int = 1) -> Record:
    """A record of a task without files."""
    seconds = {"read": 0.0, "track": 0.5, "write": 0.0, "total": 0.5}
    return Record(
        key=key,
        identity={"video": {}},
        place=task_folder(task_id),
        frames=frames,
        objects=[1],
        seconds=seconds,
        warnings=[],
        files={},
        peak_memory=1,
        version="1",
    )


def results(output: Path) -> dict[str, bytes]:
    """The results of a batch; the records without their times."""
    found = {}
    for path in sorted((output / "tasks").rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(output / "tasks").parts)
        if path.is_file() and not hidden:
            data = path.read_bytes()
            if path.name == "run.json":
                record = json.loads(data)
                del record["timings"]
                data = json.dumps(record).encode()
            found[path.relative_to(output).as_posix()] = data
    return found


class FakeClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now
