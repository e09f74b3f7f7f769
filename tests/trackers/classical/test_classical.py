"""The built-in engine on synthetic scenes: what it must follow, and what it must not be fooled by."""

from __future__ import annotations

import os

import numpy as np
import pytest

from vos.errors import InputError, ModelError
from vos.evaluation import region_similarity
from vos.frame import Frame
from vos.prompts import mask_targets
from vos.results import FrameResult
from vos.runs.state import dump_state, load_state
from vos.testing import Scene, scene
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker
from vos.trackers.registry import build_tracker

pytestmark = pytest.mark.usefixtures("one_thread")


QUICK = ClassicalSettings(appearance=AppearanceSettings(views=4, samples=2000, iterations=200, batch=1024))
"""The scenes are easy: less learning does, and the tests take a fifth of the time."""


def follow(clip: Scene) -> list[FrameResult]:
    """All frames of a scene, from the truth of its first one."""
    tracker = ClassicalTracker(QUICK)
    results = [tracker.start(clip.frames[0], clip.targets(0))]
    return results + [tracker.step(frame) for frame in clip.frames[1:]]


def overlap(clip: Scene, results: list[FrameResult], object_id: int) -> np.ndarray:
    """(T - 1,) J of one object in all frames but the first."""
    pairs = zip(results[1:], clip.labels[1:], strict=True)
    return np.array([region_similarity(r.mask(object_id), truth == object_id) for r, truth in pairs])


@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("moving", 0.97),
        ("still", 0.97),
        ("affine", 0.97),
        ("elastic", 0.97),
        ("touching", 0.97),
        ("fast", 0.85),
    ],
)
def test_follows(name: str, floor: float) -> None:
    """Objects are followed through motion, turning, growth, bending, contact, and jumps."""
    clip = scene(name, num_frames=10, size=(121, 163))
    results = follow(clip)
    for object_id in clip.ids:
        assert overlap(clip, results, object_id).mean() > floor


def test_many_objects_compete() -> None:
    """Seven objects at once each keep their own pixels."""
    clip = scene("crowd", num_frames=6)
    results = follow(clip)
    found = [overlap(clip, results, k).mean() for k in clip.ids]
    assert np.mean(found) > 0.9
    assert min(found) > 0.7


def test_comes_out_from_behind() -> None:
    """An object that passes behind a pillar is there again on the other side, as well cut as before."""
    clip = scene("occlusion", num_frames=20)
    results = follow(clip)
    assert overlap(clip, results, 1)[-4:].min() > 0.9


def test_leaves_and_returns() -> None:
    """An object out of the picture has an empty mask and score 0; when it returns it is found."""
    clip = scene("leaves", num_frames=24)
    results = follow(clip)
    for result, truth in zip(results, clip.labels, strict=True):
        if not (truth == 1).any():
            assert not result.mask(1).any()
            assert result.confidence[1] == 0
    assert not (clip.labels[12] == 1).any()
    assert overlap(clip, results, 1)[-3:].min() > 0.85
    assert overlap(clip, results, 2).min() > 0.95


def test_look_alikes_do_not_swap() -> None:
    """Two objects of one texture side by side keep their names."""
    clip = scene("touching", num_frames=12)
    results = follow(clip)
    for object_id, other in ((1, 2), (2, 1)):
        wrong = [
            np.count_nonzero(r.mask(object_id) & (t == other))
            for r, t in zip(results, clip.labels, strict=True)
        ]
        assert max(wrong) < 0.02 * np.count_nonzero(clip.labels[0] == object_id)


def test_score_falls_when_lost() -> None:
    """The score of an object that is cut out of the video goes from high to 0."""
    clip = scene("moving", num_frames=6)
    tracker = ClassicalTracker(QUICK)
    tracker.start(clip.frames[0], clip.targets(0))
    seen = [tracker.step(frame).confidence[1] for frame in clip.frames[1:5]]
    empty = scene([], num_frames=1).frames[0].image
    gone = [tracker.step(Frame(5 + i, empty, str(i))).confidence[1] for i in range(3)]
    assert min(seen) > 0.7
    assert gone[-1] == 0


def test_correction_sticks() -> None:
    """A mask given later is the result of its frame and is followed from there."""
    clip = scene("still", num_frames=6)
    tracker = ClassicalTracker(QUICK)
    wrong = np.where(clip.labels[0] == 1, 1, 0).astype(np.uint8)
    tracker.start(clip.frames[0], mask_targets(wrong, (1,), 0))
    tracker.step(clip.frames[1])
    # "No, I meant the other one."
    right = np.where(clip.labels[2] == 2, 1, 0).astype(np.uint8)
    result = tracker.step(clip.frames[2], mask_targets(right, (1,), 2))
    assert np.array_equal(result.labels, right)
    assert result.confidence == {1: 1.0}
    for index in (3, 4):
        labels = tracker.step(clip.frames[index]).labels
        assert region_similarity(labels == 1, clip.labels[index] == 2) > 0.9


def test_new_object_later() -> None:
    """An object named in a later frame is followed from there; the one known before goes on."""
    clip = scene("still", num_frames=6)
    tracker = ClassicalTracker(QUICK)
    first = np.where(clip.labels[0] == 1, 1, 0).astype(np.uint8)
    tracker.start(clip.frames[0], mask_targets(first, (1,), 0))
    assert tracker.step(clip.frames[1]).ids == (1,)
    second = np.where(clip.labels[2] == 2, 9, 0).astype(np.uint8)
    assert tracker.step(clip.frames[2], mask_targets(second, (9,), 2)).ids == (1, 9)
    result = tracker.step(clip.frames[3])
    assert region_similarity(result.mask(1), clip.labels[3] == 1) > 0.9
    assert region_similarity(result.mask(9), clip.labels[3] == 2) > 0.9


def test_state_round_trip() -> None:
    """A tracker set to a saved state goes on to the same bytes, after a correction too."""
    clip = scene("leaves", num_frames=10)
    one = ClassicalTracker(QUICK)
    one.start(clip.frames[0], clip.targets(0))
    for frame in clip.frames[1:4]:
        one.step(frame)
    one.step(clip.frames[4], clip.targets(4))
    one.step(clip.frames[5])
    two = ClassicalTracker(QUICK)
    two.load(load_state(dump_state(one.save())))
    for frame in clip.frames[6:]:
        left, right = one.step(frame), two.step(frame)
        assert np.array_equal(left.labels, right.labels)
        assert left.confidence == right.confidence


def test_begin_forgets() -> None:
    """A second video gives what it gives to a fresh tracker; all of it is deterministic."""
    first, second = scene("moving", num_frames=3), scene("affine", num_frames=4)
    used = ClassicalTracker(QUICK)
    used.start(first.frames[0], first.targets(0))
    used.step(first.frames[1])
    used.start(second.frames[0], second.targets(0))
    again = [used.step(frame) for frame in second.frames[1:]]
    for left, right in zip(again, follow(second)[1:], strict=True):
        assert np.array_equal(left.labels, right.labels)
        assert left.confidence == right.confidence


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (61, 40)])
def test_strange_input(size: tuple[int, int]) -> None:
    """Tiny, odd and grey frames; an object of one pixel, of none, one that fills the frame, and no object."""
    grey = np.repeat(np.random.default_rng(0).integers(0, 255, (*size, 1), dtype=np.uint8), 3, axis=2)
    frames = [Frame(i, grey, str(i)) for i in range(3)]
    dot = np.zeros(size, dtype=np.uint8)
    dot[3, 4] = 7
    tracker = ClassicalTracker(QUICK)
    cases = [
        (dot, {7: 1.0, 9: 1.0}),
        (np.zeros_like(dot), {3: 1.0}),
        (np.full_like(dot, 254), {254: 1.0}),
        (dot * 0, {}),
    ]
    for labels, scores in cases:
        begun = tracker.start(frames[0], mask_targets(labels, scores))
        assert np.array_equal(begun.labels, labels)
        result = tracker.step(frames[1])
        assert result.labels.shape == size
        assert result.confidence.keys() == scores.keys()
        assert set(np.unique(result.labels)) <= {0, *scores}
    assert tracker.step(frames[2]).frame_index == 2


def test_an_empty_object_stays_empty() -> None:
    """Nothing is found of an object of which nothing was shown."""
    clip = scene("moving", num_frames=3)
    tracker = ClassicalTracker(QUICK)
    tracker.start(clip.frames[0], mask_targets(clip.labels[0], (1, 2), 0))
    result = tracker.step(clip.frames[1])
    assert not result.mask(2).any()
    assert result.confidence[2] == 0
    assert region_similarity(result.mask(1), clip.labels[1] == 1) > 0.9


def test_misuse_is_explained() -> None:
    """Steps before a beginning, other sizes and other devices are refused with a reason."""
    clip = scene("moving", num_frames=2)
    tracker = ClassicalTracker(QUICK)
    with pytest.raises(InputError, match="start"):
        tracker.step(clip.frames[0])
    with pytest.raises(InputError, match="one size"):
        tracker.start(clip.frames[0], mask_targets(np.zeros((5, 5), np.uint8), (1,), 0))
    tracker.start(clip.frames[0], clip.targets(0))
    with pytest.raises(InputError, match="one size"):
        tracker.step(scene("moving", num_frames=1, size=(64, 64)).frames[0])
    with pytest.raises(ModelError, match="CPU"):
        build_tracker("classical", device="cuda")
    with pytest.raises(ModelError, match="float32"):
        build_tracker("classical", dtype="float16")


def test_memory_is_bounded() -> None:
    """What the tracker keeps does not grow with the video."""
    clip = scene("moving", num_frames=18, size=(64, 80))
    tracker = ClassicalTracker(QUICK)
    tracker.start(clip.frames[0], clip.targets(0))
    sizes = []
    for frame in clip.frames[1:]:
        tracker.step(frame)
        sizes.append(len(dump_state(tracker.save())))
    assert abs(sizes[-1] - sizes[11]) < 0.02 * sizes[11]


@pytest.mark.parametrize(("sequence", "floor"), [("blackswan", 0.9), ("dog", 0.75)])
def test_real_video(davis_root, sequence: str, floor: float) -> None:
    """The first frames of a real video are cut as well as they were when this test was written."""
    from PIL import Image

    def image(index: int) -> np.ndarray:
        return np.asarray(
            Image.open(davis_root / "JPEGImages" / "480p" / sequence / f"{index:05d}.jpg").convert("RGB")
        )

    def truth(index: int) -> np.ndarray:
        path = davis_root / "Annotations" / "480p" / sequence / f"{index:05d}.png"
        return np.asarray(Image.open(path).convert("L")) > 127

    tracker = ClassicalTracker()
    tracker.start(Frame(0, image(0), "0"), mask_targets(truth(0).astype(np.uint8), (1,), 0))
    found = []
    for step, index in enumerate(range(2, 13, 2), start=1):
        result = tracker.step(Frame(step, image(index), str(step)))
        found.append(region_similarity(result.mask(1), truth(index)))
    assert np.mean(found) > floor, os.fspath(davis_root)
