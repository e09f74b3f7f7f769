"""A run on key frames: which frames the tracker sees, and that a stopped one ends with the same files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from run_fakes import DriftingTracker, SceneReader, files, target

from vos.errors import InterruptedRunError
from vos.results import FrameResult
from vos.runs import TrackSettings, track_video
from vos.testing import Scene
from vos.video.selection import Video


class Counting(DriftingTracker):
    """Notes the frames that it sees, and stops before one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.stop_at = stop_at

    def step(self, frame: Any, *rest: Any, **options: Any) -> FrameResult:
        """See :class:`DriftingTracker`."""
        if len(self.seen) == self.stop_at:
            raise KeyboardInterrupt
        self.seen.append(frame.index)
        return super().step(frame, *rest, **options)


@pytest.fixture
def every_third(settings: TrackSettings) -> TrackSettings:
    """Key frames and many checkpoints."""
    return dataclasses.replace(settings, key_every=3, checkpoint_every=2)


@pytest.mark.parametrize("stop_at", [1, 3, 6])
def test_stopped_and_resumed(
    reader: SceneReader, clip: Scene, tmp_path: Path, every_third: TrackSettings, stop_at: int
) -> None:
    """Forward and backward stage, stopped anywhere: the same files, and all frames in the record."""
    targets = [target(clip, 1, 4), target(clip, 2, 9)]
    whole = Counting()
    track_video(Video(reader), targets, tmp_path / "whole", every_third, tracker=whole)
    assert len(whole.seen) < len(clip.frames)
    with pytest.raises(InterruptedRunError):
        track_video(Video(reader), targets, tmp_path / "out", every_third, tracker=Counting(stop_at))
    track_video(Video(reader), targets, tmp_path / "out", every_third, tracker=Counting(), resume=True)
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [frame["index"] for frame in record["frames"]] == list(range(len(clip.frames)))
