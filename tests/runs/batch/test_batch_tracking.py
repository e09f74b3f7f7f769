"""A task tracked for real: its record, a smaller second attempt, and results that are replaced."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batch_fakes import FRAMES, drift_task, results, write_manifest
from PIL import Image

from vos.errors import InterruptedRunError, OutputError
from vos.pool import StopTask
from vos.runs import TrackSettings, track_video
from vos.runs.batch import BatchOptions, BatchOutcome, read_manifest, run_batch, worker
from vos.runs.batch.attempt import Attempt
from vos.runs.batch.layout import done_name
from vos.runs.batch.task import key_of, targets_of
from vos.runs.batch.tracking import track_task
from vos.runs.summary import Progress
from vos.testing import scene, write_images, write_labels
from vos.video import open_video

DRIFT = TrackSettings(model="drift", outputs=("masks",), checkpoint_every=2)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A manifest of one clip."""
    found = scene("crossing", num_frames=FRAMES, size=(24, 32))
    write_images(found, tmp_path / "clip")
    write_labels(found, tmp_path / "truth")
    return write_manifest(tmp_path / "m.jsonl", [{"video": "clip", "mask": "truth/00000.png"}])


def ignore(progress: Progress) -> None:
    """Nobody looks."""


def attempt_at(manifest: Path, output: Path, **fields: Any) -> Attempt:
    """An attempt at the only task."""
    tasks = read_manifest(manifest)
    return Attempt(
        **{
            "task": tasks.task("clip"),
            "folder": tasks.folder,
            "output": str(output),
            "settings": DRIFT,
            **fields,
        }
    )


def test_the_record_is_that_of_a_run_alone(clip: Path, tmp_path: Path) -> None:
    """A tracker that is kept from task to task is the packaged one: its confidence is as calibrated."""
    settings = TrackSettings(model="classical", outputs=("masks",), end=2)
    attempt = attempt_at(clip, tmp_path / "out", settings=settings)
    record = track_task(attempt, ignore)
    with open_video(tmp_path / "clip", **settings.reading()) as video:
        targets = targets_of(attempt.task, attempt.folder, video)
        track_video(video, targets, tmp_path / "alone", settings)  # type: ignore[arg-type]
    ours, alone = (
        json.loads((folder / "run.json").read_text())
        for folder in (tmp_path / "out" / record.place, tmp_path / "alone")
    )
    assert alone["calibrated"]
    del ours["timings"], alone["timings"]
    assert ours == alone


@pytest.mark.parametrize(
    "prompts",
    [
        {"mask": "square.png"},
        {"boxes": ["1:64,32,191,127"]},
        {"points": ["1:128,80"], "size": "192"},
    ],
)
def test_a_smaller_second_attempt(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prompts: dict[str, Any]
) -> None:
    """Prompts are in pixels of the size that the line has; the next run finds the same task done."""
    monkeypatch.setattr(worker, "delay", lambda attempt, generator: 0.0)
    square = np.zeros((192, 256), np.uint8)
    square[32:128, 64:192] = 1
    Image.fromarray(square * 255).save(tmp_path / "square.png")
    for path in (tmp_path / "clip").iterdir():
        Image.fromarray(np.dstack([square * 200] * 3)).save(path)
    write_manifest(clip, [{"video": "clip", **prompts}])

    def run(attempt: Attempt, report: Any) -> Any:
        if attempt.size is None:
            raise MemoryError
        return drift_task(attempt, report)

    def batch() -> BatchOutcome:
        settings = replace(DRIFT, end=1)
        return run_batch(clip, tmp_path / "out", settings, BatchOptions(size_on_oom="96"), run=run)

    assert batch() == BatchOutcome(1, 1, (), 0, 0)
    (path,) = (tmp_path / "out").glob("tasks/*/clip/masks/*.png")
    found = np.asarray(Image.open(path)) == 1
    smaller = square[::2, ::2] == 1
    assert found.shape == smaller.shape
    assert (found & smaller).sum() / (found | smaller).sum() > 0.9
    assert batch() == BatchOutcome(1, 0, (), 0, 0)


def stopping_at(frame: int) -> Callable[[Progress], None]:
    """A report that stops the task at a frame."""

    def report(progress: Progress) -> None:
        if progress.done == frame:
            raise StopTask

    return report


def test_a_replacement_is_resumed(clip: Path, tmp_path: Path) -> None:
    """Until it is complete the old results stay; then all are as those of a run from scratch."""
    out = tmp_path / "out"
    drift_task(attempt_at(clip, out), ignore)
    before = results(out)
    other = replace(DRIFT, stride=2)
    with pytest.raises(OutputError, match="stride was 1, is 2"):
        drift_task(attempt_at(clip, out, settings=other), ignore)
    change = attempt_at(clip, out, settings=other, overwrite=True)
    with pytest.raises(InterruptedRunError):
        drift_task(change, stopping_at(4))
    assert results(out) == before
    done: list[int] = []
    drift_task(change, lambda progress: done.append(progress.done))
    assert min(done) > 2
    drift_task(attempt_at(clip, tmp_path / "scratch", settings=other), ignore)
    assert results(out) == results(tmp_path / "scratch")


def test_a_stopped_run_of_other_settings_is_replaced(clip: Path, tmp_path: Path) -> None:
    """With overwrite; without, it is refused."""
    out = tmp_path / "out"
    with pytest.raises(InterruptedRunError):
        drift_task(attempt_at(clip, out), stopping_at(4))
    other = replace(DRIFT, stride=2)
    with pytest.raises(OutputError, match="stride was 1, is 2"):
        drift_task(attempt_at(clip, out, settings=other), ignore)
    assert drift_task(attempt_at(clip, out, settings=other, overwrite=True), ignore).frames == FRAMES // 2


def test_a_damaged_video_is_not_tried_again(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames that can be read are there; another attempt would find the same damage."""
    monkeypatch.setattr("vos.video.selection.Video.losses", lambda video: ("2 frames are missing",))
    assert run_batch(clip, tmp_path / "out", DRIFT, run=drift_task).failed == ("clip",)
    (fail,) = (tmp_path / "out").glob("state/*/*.fail.*")
    assert json.loads(fail.read_text())["kind"] == "media"
    assert len(results(tmp_path / "out")) == FRAMES + 1


def test_what_an_earlier_release_did_stays_done(clip: Path, tmp_path: Path) -> None:
    """It named the files of prompts in the identity of a task."""

    def batch() -> BatchOutcome:
        return run_batch(clip, tmp_path / "out", DRIFT, run=drift_task)

    assert batch() == BatchOutcome(1, 1, (), 0, 0)
    marker = tmp_path / "out" / done_name("clip")
    content = json.loads(marker.read_text())
    (digest,) = content["identity"]["prompts"]["files"]
    content["identity"]["prompts"]["files"] = {"truth/00000.png": digest}
    marker.write_text(json.dumps({**content, "key": key_of(content["identity"])}))
    assert batch() == BatchOutcome(1, 0, (), 0, 0)
    shutil.copy(tmp_path / "truth" / "00002.png", tmp_path / "truth" / "00000.png")
    with pytest.raises(OutputError, match=r"prompts.files was"):
        batch()
