"""Results of ``long`` that come some frames late."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos.errors import InterruptedRunError, SettingsError
from vos.prompting.class_names import ClassNames
from vos.runs import Progress, TrackSettings, track_video
from vos.testing import Scene, scene, write_images
from vos.trackers.memory import session
from vos.trackers.memory.held_back import HeldBackTracker
from vos.trackers.memory.policy import presence
from vos.trackers.propagate import propagate
from vos.trackers.registry import build_tracker
from vos.video import open_video

pytestmark = pytest.mark.usefixtures("one_thread")

COUNT, LATE = 5, 2


@pytest.fixture(scope="module")
def clip() -> Scene:
    """An object that moves."""
    return scene("moving", num_frames=COUNT, size=(61, 85), seed=2)


class Fickle:
    """In place of the competition of hypotheses: every frame believes in another one."""

    def __init__(self) -> None:
        self.seen: list[tuple[Sequence[float], Sequence[Sequence[float]]]] = []
        self.chosen: list[list[tuple[int, int, float]]] = []

    def __call__(
        self, log_scores: Sequence[float], scores: Sequence[float], qualities: Any, limit: int
    ) -> list[tuple[int, int, float]]:
        step = len(self.chosen)
        parents = [(step + k) % len(log_scores) for k in range(limit)]
        chosen = [(parent, (step + k) % 3, float(k)) for k, parent in enumerate(parents)]
        self.seen.append((scores, qualities))
        self.chosen.append(chosen)
        return chosen

    def confidence(self, frame: int, newest: int) -> float:
        """Of the ancestor in ``frame`` of the best hypothesis at ``newest``; the first step is frame 1."""
        row = 0
        for step in range(newest - 1, frame - 1, -1):
            row = self.chosen[step][row][0]
        parent, candidate, _ = self.chosen[frame - 1][row]
        scores, qualities = self.seen[frame - 1]
        return presence(scores[parent]) * qualities[parent][candidate]


def test_the_ancestor_of_the_best(checkpoint: Path, clip: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every frame is yielded once, in order, with what the line of the later best hypothesis said of it."""
    fickle = Fickle()
    monkeypatch.setattr(session, "survivors", fickle)
    tracker = build_tracker(
        "sam2.1-tiny", checkpoint=str(checkpoint), settings={"memory": "long", "hold_back": LATE}
    )
    assert tracker.info.delay == LATE
    prompts = clip.targets(0)
    found = dict(propagate(clip.frames, tracker, lambda frame: prompts if frame.index == 0 else ()))
    results = [found[frame] for frame in clip.frames]
    assert [result.frame_index for result in results] == list(range(COUNT))
    assert np.array_equal(results[0].labels, clip.labels[0])
    expected = [fickle.confidence(frame, min(frame + LATE, COUNT - 1)) for frame in range(1, COUNT)]
    assert [result.confidence[1] for result in results[1:]] == pytest.approx(expected)
    at_once = [fickle.confidence(frame, frame) for frame in range(1, COUNT)]
    assert expected != pytest.approx(at_once)


@pytest.mark.parametrize("stop", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_stopped_run_goes_on(checkpoint: Path, clip: Scene, tmp_path: Path, stop: int) -> None:
    """To the byte, though results lag behind: with the object prompted in frame 2, also before it."""
    write_images(clip, tmp_path / "clip")
    settings = TrackSettings(
        model="sam2.1-tiny",
        checkpoint=str(checkpoint),
        tracker={"memory": "long", "hold_back": LATE},
        outputs=("masks",),
        checkpoint_every=1,
        backward=False,
    )

    def run(out: str, **options: Any) -> None:
        with open_video(str(tmp_path / "clip")) as video:
            track_video(video, clip.targets(2), tmp_path / out, settings, **options)

    def interrupt(progress: Progress) -> None:
        if progress.done == stop:
            raise KeyboardInterrupt

    run("whole")
    with pytest.raises(InterruptedRunError):
        run("stopped", progress=interrupt)
    run("stopped", resume=True)
    for index in range(COUNT):
        name = f"masks/{index:05d}.png"
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_is_known_of_several_frames_is_saved(checkpoint: Path, clip: Scene) -> None:
    """With the first result that is final."""
    tracker = build_tracker(
        "sam2.1-tiny", checkpoint=str(checkpoint), settings={"memory": "long", "hold_back": LATE}
    )
    assert isinstance(tracker, HeldBackTracker)
    tracker.start_from([(clip.frames[k], clip.targets(k)) for k in (4, 0)])
    assert tracker.save() == {}
    assert tracker.settle(0) is not None
    assert sorted(tracker.save()["objects"][1]["conditioning"]) == [0, 4]


def test_where_it_makes_no_sense(checkpoint: Path, clip: Scene, tmp_path: Path) -> None:
    """Without hypotheses, and with detections, which are compared with the result of each frame."""
    with pytest.raises(SettingsError, match="hold_back is for memory long"):
        build_tracker("sam2.1-tiny", checkpoint=str(checkpoint), settings={"hold_back": 2})
    write_images(clip, tmp_path / "clip")
    settings = TrackSettings(
        model="sam2.1-tiny", checkpoint=str(checkpoint), tracker={"memory": "long", "hold_back": LATE}
    )
    with (
        open_video(str(tmp_path / "clip")) as video,
        pytest.raises(SettingsError, match="set hold_back to 0"),
    ):
        track_video(video, ClassNames(("dog",)), tmp_path / "out", settings, detector=object())  # type: ignore[arg-type]
