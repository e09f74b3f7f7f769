"""A video, targets and a tracker small enough to follow by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos.frame import Frame, VideoInfo
from vos.job import TrackSettings
from vos.masks import Segmentation, labels_to_masks
from vos.prompt import Prompt, Target
from vos.testing import Scene, scene
from vos.video.selection import Video


class SceneReader:
    """A :class:`vos.video.base.Reader` over a scene; ``path`` stands for the file it comes from.

    ``fail_at`` raises ``error`` in place of a frame. The number of frames is unknown, as for a file, unless
    ``counted``.
    """

    def __init__(self, clip: Scene, path: Path, *, counted: bool = False) -> None:
        self.clip = clip
        self.paths = (path,)
        self.fail_at: int | None = None
        self.error: BaseException = RuntimeError("scripted failure")
        self.reads: list[int] = []
        height, width = clip.labels.shape[1:]
        self.info = VideoInfo(width, height, 25.0, len(clip.frames) if counted else None)

    def read(self, wanted: range) -> Iterator[Frame]:
        """Frames of the scene."""
        count = len(self.clip.frames)
        for index in wanted if wanted.step < 0 else range(wanted.start, min(wanted.stop, count), wanted.step):
            if index >= count:
                continue
            if index == self.fail_at:
                raise self.error
            self.reads.append(index)
            yield self.clip.frames[index]

    def count_frames(self) -> int:
        """All of them."""
        return len(self.clip.frames)

    def estimate_frames(self) -> int:
        """All of them."""
        return len(self.clip.frames)

    def close(self) -> None:
        """Nothing to close."""


class DriftingTracker:
    """Labels that depend on every step since ``begin``: a state that is not carried over shows.

    Every object moves one pixel right a step, and its score is a running sum; corrections and new objects
    are taken as they are told.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, tuple[int, ...]]] = []
        self.labels = np.zeros((0, 0), np.uint8)
        self.scores: dict[int, float] = {}

    def begin(self, frame: Frame, given: Segmentation) -> Segmentation:
        self.calls.append(("begin", frame.index, given.ids))
        self.labels, self.scores = given.labels, dict.fromkeys(given.ids, 1.0)
        return Segmentation(frame.index, self.labels, dict(self.scores))

    def step(self, frame: Frame, given: Segmentation | None = None) -> Segmentation:
        self.calls.append(("step", frame.index, () if given is None else given.ids))
        self.labels = np.roll(self.labels, 1, axis=1)
        mean = float(frame.image.mean()) / 255
        self.scores = {k: 0.9 * score + 0.1 * mean for k, score in self.scores.items()}
        if given is not None:
            keep = ~np.isin(self.labels, given.ids) & (given.labels == 0)
            self.labels = np.where(keep, self.labels, given.labels)
            self.scores |= dict.fromkeys(given.ids, 1.0)
        return Segmentation(frame.index, self.labels, dict(self.scores))

    def get_state(self) -> dict[str, Any]:
        return {"labels": self.labels, "scores": self.scores}

    def set_state(self, state: dict[str, Any]) -> None:
        self.labels, self.scores = state["labels"], dict(state["scores"])


@pytest.fixture(scope="session")
def clip() -> Scene:
    """Two objects, 23 frames."""
    return scene("crossing", num_frames=23, size=(48, 65), seed=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The file that the video is said to come from."""
    path = tmp_path / "clip.mkv"
    path.write_bytes(b"not really a video")
    return path


@pytest.fixture
def reader(clip: Scene, source: Path) -> SceneReader:
    """The clip behind the reader's seam."""
    return SceneReader(clip, source)


@pytest.fixture
def video(reader: SceneReader) -> Video:
    """All frames of the clip."""
    return Video(reader)


def target(clip: Scene, object_id: int, index: int = 0) -> Target:
    """The true mask of one object in one frame."""
    return Target(object_id, Prompt(mask=labels_to_masks(clip.labels[index], [object_id])[0]), index)


@pytest.fixture
def settings() -> TrackSettings:
    """A checkpoint every 5 frames."""
    return TrackSettings(checkpoint_every=5)


def files(folder: Path) -> dict[str, bytes]:
    """Every file under ``folder`` by its path in it, hidden ones too; timings taken out of ``run.json``."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".json":
                data = data.split(b'"timings"')[0]
            found[str(path.relative_to(folder))] = data
    return found
