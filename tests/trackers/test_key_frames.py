"""A strong tracker on key frames, another one between them: which frames each sees, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vos.frame import Frame
from vos.prompts import Prompt, Target
from vos.results import FrameResult
from vos.testing import Scene, ScriptedTracker, scene
from vos.trackers.key_frames import KeyFrames


@pytest.fixture(scope="module")
def clip() -> Scene:
    """Twelve frames with two objects."""
    return scene("crossing", num_frames=12, size=(40, 60), seed=1)


def target(clip: Scene, object_id: int, index: int) -> Target:
    """The true mask of an object."""
    return Target(object_id, Prompt(mask=clip.labels[index] == object_id), index)


def run(
    keys: KeyFrames, frames: Sequence[Frame], given: Sequence[Target], started: bool = False
) -> dict[int, FrameResult]:
    """Results by frame index, in the order that they came in."""

    def prompts(frame: Frame) -> list[Target]:
        return [t for t in given if t.frame_index == frame.index]

    return {frame.index: result for frame, result in keys.propagate(frames, prompts, started=started)}


def seen(tracker: ScriptedTracker) -> list[int]:
    """Frames that a tracker was given."""
    return [index for _, index, _ in tracker.calls]


def test_who_sees_which_frame(clip: Scene) -> None:
    """Every fourth frame, those with prompts and the last are key frames; all results are in order."""
    strong = ScriptedTracker(clip)
    keys = KeyFrames(strong, 4)
    found = run(keys, clip.frames, [target(clip, 1, 1), target(clip, 2, 7)])
    assert list(found) == list(range(12))
    assert seen(strong) == [1, 5, 7, 11]
    assert found[0].ids == ()
    assert found[5].confidence == {1: 0.99}
    for index in range(1, 12):
        ids = (1,) if index < 7 else (1, 2)
        assert found[index].ids == ids, "an object is there from its prompt on, not before"
        truth = np.where(np.isin(clip.labels[index], ids), clip.labels[index], 0)
        assert (found[index].labels == truth).mean() > 0.97
        assert index not in (1, 5, 7, 11) or np.array_equal(found[index].labels, truth)


def test_backward_and_with_gaps(clip: Scene) -> None:
    """Frames may come in the other direction, and every second one only."""
    keys = KeyFrames(ScriptedTracker(clip), 3)
    frames = clip.frames[::-1]
    found = run(keys, frames, [target(clip, 1, 11), target(clip, 2, 9)])
    assert list(found) == list(range(11, -1, -1))
    assert [found[index].ids for index in (10, 9, 8, 0)] == [(1,), (1, 2), (1, 2), (1, 2)]
    assert (found[4].labels == clip.labels[4]).mean() > 0.97
    every_second = KeyFrames(ScriptedTracker(clip), 2)
    assert list(run(every_second, clip.frames[::2], [target(clip, 1, 0)])) == [0, 2, 4, 6, 8, 10]


def test_frames_in_memory(clip: Scene) -> None:
    """No frame is read before it is needed: at most those up to the next key frame are held."""
    read: list[int] = []

    def frames():  # type: ignore[no-untyped-def]
        for frame in clip.frames:
            read.append(frame.index)
            yield frame

    keys = KeyFrames(ScriptedTracker(clip), 3)
    results = keys.propagate(frames(), lambda f: [target(clip, 1, 0)] if f.index == 0 else [])
    assert [len(read) for _ in results] == [1, 4, 4, 4, 7, 7, 7, 10, 10, 10, 12, 12]


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_resumed_at_a_key_frame(clip: Scene, stop: int) -> None:
    """State saved at a key frame goes on to the same results; the key frame itself is given once more."""
    given = [target(clip, 1, 0), target(clip, 2, 6)]
    whole = run(KeyFrames(ScriptedTracker(clip), 3), clip.frames, given)
    first = KeyFrames(ScriptedTracker(clip), 3)
    done = 0
    results = first.propagate(clip.frames, lambda f: [t for t in given if t.frame_index == f.index])
    for frame, _ in results:
        done += 1
        if first.at_key and frame.index >= stop:
            break
    saved = first.tracker.save(), first.save()
    second = KeyFrames(ScriptedTracker(clip), 3)
    second.tracker.load(saved[0])
    second.load(saved[1])
    assert second.resumes
    rest = run(second, clip.frames[done - 1 :], given, started=True)
    assert list(rest) == list(range(done, 12))
    for index, result in rest.items():
        assert np.array_equal(result.labels, whole[index].labels)
        assert result.confidence == whole[index].confidence


def test_one_frame(clip: Scene) -> None:
    """A video of one frame, and one whose last frame is a key frame anyway."""
    for count in (1, 4):
        keys = KeyFrames(ScriptedTracker(clip), 3)
        assert list(run(keys, clip.frames[:count], [target(clip, 1, 0)])) == list(range(count))
