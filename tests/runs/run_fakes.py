"""A video, targets and a tracker small enough to follow by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos.frame import Frame, VideoInfo
from vos.prompts import Prompt, Target
from vos.results import FrameResult, labels_to_masks
from vos.runs import TrackSettings
from vos.settings import override
from vos.testing import Scene, scene
from vos.trackers.base import TrackerInfo
from vos.trackers.mask_tracker import MaskPrompts, MaskTracker
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

    def losses(self) -> tuple[str, ...]:
        """Nothing is lost."""
        return ()

    def close(self) -> None:
        """Nothing to close."""


class DriftingTracker(MaskTracker[dict[str, Any]]):
    """Labels that depend on every step since ``start``: a state that is not carried over shows.

    Every object moves one pixel right per step, and its confidence is a running mean; corrections and new
    objects are taken as they are prompted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, int, tuple[int, ...]]] = []

    @property
    def info(self) -> TrackerInfo:
        return TrackerInfo(None)

    def start(self, frame: Frame, prompts: Sequence[Target]) -> FrameResult:
        self.calls.append(("start", frame.index, tuple(t.object_id for t in prompts)))
        return super().start(frame, prompts)

    def step(self, frame: Frame, prompts: Sequence[Target] = (), *, commit: bool = True) -> FrameResult:
        kind = "step" if commit else "preview"
        self.calls.append((kind, frame.index, tuple(t.object_id for t in prompts)))
        return super().step(frame, prompts, commit=commit)

    def _learn(self, state: dict[str, Any] | None, frame: Frame, prompts: MaskPrompts) -> dict[str, Any]:
        if state is None:
            return {"labels": prompts.labels, "scores": dict.fromkeys(prompts.ids, 1.0)}
        scores = state["scores"] | dict.fromkeys(prompts.ids, 1.0)
        return {"labels": prompts.over(state["labels"]), "scores": scores}

    def _advance(self, state: dict[str, Any], frame: Frame) -> dict[str, Any]:
        mean = float(frame.image.mean()) / 255
        scores = {k: 0.9 * score + 0.1 * mean for k, score in state["scores"].items()}
        return {"labels": np.roll(state["labels"], 1, axis=1), "scores": scores}

    def _without(self, state: dict[str, Any], object_id: int) -> dict[str, Any]:
        raise NotImplementedError

    def _known(self, state: dict[str, Any]) -> tuple[int, ...]:
        return tuple(sorted(state["scores"]))

    def _result(self, state: dict[str, Any], frame: Frame) -> FrameResult:
        return FrameResult(frame.index, state["labels"], state["scores"])

    def _to_dict(self, state: dict[str, Any]) -> dict[str, Any]:
        return {"labels": state["labels"], "scores": dict(state["scores"])}

    def _from_dict(self, state: dict[str, Any]) -> dict[str, Any]:
        return dict(state)


@dataclass(frozen=True)
class NoSettings:
    """Of a tracker that has none."""


def no_settings(values: Mapping[str, Any]) -> NoSettings:
    """For the entry of such a tracker in the registry."""
    return override(NoSettings(), values)


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
