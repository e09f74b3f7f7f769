"""A restart: a start at another frame that keeps what was learned of the objects."""

from __future__ import annotations

import numpy as np
import pytest

from vos.prompts import Prompt, Target
from vos.results import FrameResult, Source
from vos.testing import Scene, ScriptedTracker, scene
from vos.trackers.classical import tracker as classical
from vos.trackers.classical.tracker import ClassicalTracker
from vos.trackers.intervals import Restartable


@pytest.fixture(scope="module")
def clip() -> Scene:
    """Two objects."""
    return scene("crossing", num_frames=24, size=(60, 80))


def given(clip: Scene, index: int, ids: tuple[int, ...] = (1, 2)) -> list[Target]:
    """True masks."""
    return [Target(k, Prompt(mask=clip.labels[index] == k), index) for k in ids]


def same(a: FrameResult, b: FrameResult) -> bool:
    """Labels and confidence."""
    return np.array_equal(a.labels, b.labels) and a.confidence == b.confidence


def test_without_a_model_to_keep_it_is_a_start(clip: Scene) -> None:
    """Also before the first start."""
    tracker = ScriptedTracker(clip)
    assert isinstance(tracker, Restartable)
    tracker.restart(clip.frames[0], given(clip, 0))
    tracker.step(clip.frames[1])
    restarted = tracker.restart(clip.frames[6], given(clip, 6))
    assert set(restarted.source.values()) == {Source.USER}
    fresh = ScriptedTracker(clip)
    fresh.start(clip.frames[6], given(clip, 6))
    assert same(tracker.step(clip.frames[5]), fresh.step(clip.frames[5]))


def test_classical_adjusts_its_model(clip: Scene, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """For the same objects it fits none from nothing; the result is good, and the same every time."""
    results = []
    for _ in range(2):
        tracker = ClassicalTracker()
        tracker.start(clip.frames[0], given(clip, 0))
        tracker.step(clip.frames[1])
        with monkeypatch.context() as patch:
            patch.setattr(classical, "fit", None)
            tracker.restart(clip.frames[6], given(clip, 6))
            results.append(tracker.step(clip.frames[5]))
        tracker.load(tracker.save())
    assert same(*results)
    for k in (1, 2):
        truth, mask = clip.labels[5] == k, results[0].mask(k)
        assert (truth & mask).sum() / (truth | mask).sum() > 0.8


def test_other_objects_are_a_start(clip: Scene, one_thread: None) -> None:
    """What was learned is of other objects."""
    tracker, fresh = ClassicalTracker(), ClassicalTracker()
    tracker.start(clip.frames[0], given(clip, 0, (1,)))
    assert tracker.restart(clip.frames[3], given(clip, 3)).ids == (1, 2)
    fresh.start(clip.frames[3], given(clip, 3))
    assert same(tracker.step(clip.frames[4]), fresh.step(clip.frames[4]))
