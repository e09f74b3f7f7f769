"""The tables of scores are those of the benchmark, and the benchmark scores what a tracker does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vos.testing import scene

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def test_the_tables_are_those_of_the_benchmark() -> None:
    """README.md, docs/engine.md and docs/nano.md have the numbers of benchmarks/results."""
    from benchmarks.davis import FILE, pages

    for page, text in pages(json.loads(FILE.read_text())["rows"]).items():
        assert page.read_text(encoding="utf-8") == text, "run `python -m benchmarks.davis --tables`"


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A video of six frames, ``still.mp4``, with its masks."""
    clip = scene("still", num_frames=6, size=(48, 64))
    folder = tmp_path / "still"
    folder.mkdir()
    writer = cv2.VideoWriter(str(tmp_path / "still.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (64, 48))
    for index, (frame, labels) in enumerate(zip(clip.frames, clip.labels, strict=True)):
        writer.write(np.ascontiguousarray(frame.image[..., ::-1]))
        cv2.imwrite(str(folder / f"{index:05d}.png"), (labels > 0).astype(np.uint8))
    writer.release()
    return tmp_path


def test_scores_of_a_video_and_going_on(videos: Path, tmp_path: Path) -> None:
    """J and F of the classical tracker; what is in the file is not scored again."""
    from benchmarks.davis import means, run
    from training.confidence.record import Annotated

    target = tmp_path / "scores.json"
    sequences = [Annotated("still", videos / "still.mp4", videos / "still")]
    rows = run(sequences, ["classical"], target, 1, frames=4)
    assert [row["sequence"] for row in rows] == ["still"]
    assert 80 < means(rows)["classical"] <= 100
    before = target.stat().st_mtime_ns
    assert run(sequences, ["classical"], target, 1, frames=4) == rows
    assert target.stat().st_mtime_ns == before
