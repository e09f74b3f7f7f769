"""What every video engine promises, whichever it is: an engine added to the table is tested here too.

Engines with weights run on a small checkpoint that nobody trained, so what they find is left open; that they
keep their books is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_families import of_each_family

from vos.errors import InputError
from vos.evaluation import region_similarity
from vos.frame import Frame
from vos.prompts import mask_targets
from vos.results import FrameResult, Source
from vos.runs.state import dump_state, load_state
from vos.runs.stream import with_all_prompts
from vos.testing import Scene, scene
from vos.trackers.base import Tracker
from vos.trackers.registry import MODELS, build_tracker

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = (61, 85)
KNOWING = {"classical", "persam"}
"""Engines that see without weights, so that what they find can be held against the truth."""
LEARNING = {"appearance": {"views": 4, "samples": 2000, "iterations": 200, "batch": 1024}}
QUICK = {"classical": LEARNING, "nano": {"classical": LEARNING}}
"""Settings of engines that learn from the first frame: the scenes are easy, less learning does."""

Build = Callable[[str], Tracker]


@pytest.fixture(scope="module")
def build(tiny_weights: Callable[[str], dict[str, Path]]) -> Build:
    """Name -> a new engine of that name."""

    def one(name: str) -> Tracker:
        options = {key: str(value) for key, value in tiny_weights(name).items()}
        return build_tracker(name, settings=QUICK.get(name), **options)

    return one


@pytest.fixture(scope="module")
def clip() -> Scene:
    """An object that moves, six frames, odd sizes."""
    return scene("moving", num_frames=6, size=SIZE, seed=2)


# The command line tests add an engine of their own, "drift", where they share a process with these.
every_engine = pytest.mark.parametrize("name", of_each_family(MODELS))


def same(a: FrameResult, b: FrameResult) -> bool:
    """Whether two results are equal to the bit."""
    equal = np.array_equal(a.labels, b.labels) and dict(a.confidence) == dict(b.confidence)
    return equal and a.frame_index == b.frame_index


@every_engine
def test_a_video_from_first_frame_to_last(name: str, build: Build, clip: Scene) -> None:
    """``start`` gives the masks back with score 1; every frame gets labels, and a score for every object."""
    tracker, given = build(name), clip.result(0)
    first = tracker.start(clip.frames[0], clip.targets(0))
    assert np.array_equal(first.labels, given.labels)
    assert dict(first.confidence) == dict.fromkeys(given.ids, 1.0)
    for frame in clip.frames[1:]:
        found = tracker.step(frame)
        assert found.frame_index == frame.index
        assert found.labels.shape == SIZE
        assert found.labels.dtype == np.uint8
        assert found.ids == given.ids
        assert set(np.unique(found.labels)) <= {0, *given.ids}
        assert all(0 <= score <= 1 for score in found.confidence.values())
        assert set(found.source.values()) == {Source.TRACKED}
        soft = found.probabilities
        assert soft.shape == (len(given.ids), *SIZE)
        assert soft.min() >= 0
        assert soft.max() <= 1


@every_engine
def test_a_step_that_is_not_committed_changes_nothing(name: str, build: Build, clip: Scene) -> None:
    """A preview shows what the step then gives, and the state is as it was."""
    tracker, other = build(name), build(name)
    for one in (tracker, other):
        one.start(clip.frames[0], clip.targets(0))
    before = dump_state(tracker.save())
    shown = tracker.step(clip.frames[1], commit=False)
    assert dump_state(tracker.save()) == before
    assert same(shown, tracker.step(clip.frames[1]))
    other.step(clip.frames[1])
    preview = tracker.step(clip.frames[2], clip.targets(2), commit=False)
    assert np.array_equal(preview.labels, clip.labels[2])
    assert same(tracker.step(clip.frames[2]), other.step(clip.frames[2]))


@every_engine
def test_the_caller_may_write_to_its_arrays(name: str, build: Build, clip: Scene) -> None:
    """A loop that reads every image into one array, and draws on what it gave and got, changes nothing."""

    def followed(*, careless: bool) -> list[np.ndarray]:
        tracker, buffer, found = with_all_prompts(build(name)), np.empty((*SIZE, 3), np.uint8), []
        for frame in clip.frames:
            np.copyto(buffer, frame.image)
            shown = Frame(frame.index, buffer if careless else frame.image)
            result = tracker.step(shown) if found else tracker.start(shown, clip.targets(0))
            found += [result.labels.copy(), result.probabilities.copy()]
            if careless:
                for array in (buffer, result.labels, result.probabilities):
                    array[...] = 1
        return found

    for one, other in zip(followed(careless=True), followed(careless=False), strict=True):
        assert np.array_equal(one, other)


@every_engine
def test_natural_mistakes(name: str, build: Build, clip: Scene) -> None:
    """An image in place of a frame, a label map in place of prompts: said, and the state is as it was."""
    tracker = with_all_prompts(build(name))
    frame, image, labels = clip.frames[1], clip.frames[1].image, clip.labels[1]
    with pytest.raises(InputError, match=r"need a vos\.Frame, got ndarray"):
        tracker.start(image, clip.targets(0))
    with pytest.raises(InputError, match="no object to track"):
        tracker.start(frame, [])
    tracker.start(clip.frames[0], clip.targets(0))
    before = dump_state(tracker.save())
    with pytest.raises(InputError, match=r"need a vos\.Frame, got ndarray"):
        tracker.step(image)
    with pytest.raises(InputError, match=r"got an array .* vos\.mask_targets"):
        tracker.step(frame, labels)
    with pytest.raises(InputError, match=r"must be a list of vos\.Target, got None"):
        tracker.step(frame, None)
    assert dump_state(tracker.save()) == before
    assert tracker.step(frame, clip.targets(1)[0]).frame_index == 1


@every_engine
def test_a_high_id_comes_back_after_another_object_was_corrected(name: str, build: Build) -> None:
    """While it is out of sight the visible ids fit 8 bits; it keeps its own all the same."""
    rng = np.random.default_rng(0)
    ground = rng.integers(90, 130, (64, 85, 3)).astype(np.uint8)
    one, other = np.zeros((2, 64, 85), bool)
    one[10:34, 8:30], other[26:56, 50:78] = True, True

    def frame(index: int, hidden: bool = False) -> Frame:
        image = ground.copy()
        image[one] = (220, 30, 30)
        if not hidden:
            image[other] = (30, 40, 220)
        return Frame(index, image, f"{index:05d}")

    labels = np.where(one, 1, np.where(other, 300, 0)).astype(np.uint16)
    tracker = build(name)
    tracker.start(frame(0), mask_targets(labels))
    found = [tracker.step(frame(index, hidden=True)) for index in (1, 2)]
    found.append(tracker.step(frame(3, hidden=True), mask_targets(one)))
    found += [tracker.step(frame(index)) for index in (4, 5)]
    for result in found:
        assert set(np.unique(result.labels)) <= {0, 1, 300}
    if name in KNOWING:
        assert not (found[2].labels == 300).any()
        assert region_similarity(found[-1].labels == 300, other) > 0.8


@every_engine
def test_a_removed_object_is_gone(name: str, build: Build) -> None:
    """The other objects keep their ids; the removed one has no pixel and is not known any more."""
    clip = scene("crossing", num_frames=4, size=SIZE, seed=2)
    tracker = build(name)
    tracker.start(clip.frames[0], clip.targets(0))
    tracker.step(clip.frames[1])
    tracker.remove(1)
    tracker.remove(9)
    found = tracker.step(clip.frames[2])
    assert found.ids == (2,)
    assert not found.mask(1).any()


@every_engine
def test_large_ids_are_ids_like_others(name: str, build: Build) -> None:
    """44 and 300, which are one number in 8 bits, give the masks that 1 and 2 give."""
    clip = scene("crossing", num_frames=3, size=SIZE, seed=2)
    tracker, other = build(name), build(name)
    large = [replace(target, object_id={1: 44, 2: 300}[target.object_id]) for target in clip.targets(0)]
    tracker.start(clip.frames[0], large)
    other.start(clip.frames[0], clip.targets(0))
    for frame in clip.frames[1:]:
        found, wanted = tracker.step(frame), other.step(frame)
        assert found.ids == (44, 300)
        assert np.array_equal(found.mask(44), wanted.mask(1))
        assert np.array_equal(found.mask(300), wanted.mask(2))


@every_engine
def test_a_state_goes_on_in_another_engine_to_the_bit(name: str, build: Build, clip: Scene) -> None:
    """A state survives being written as bytes, and taking it changes nothing of what follows."""
    one, other = build(name), build(name)
    one.start(clip.frames[0], clip.targets(0))
    one.step(clip.frames[1])
    saved = dump_state(one.save())
    wanted = [one.step(frame) for frame in clip.frames[2:]]
    other.load(load_state(saved))
    assert all(same(other.step(f), w) for f, w in zip(clip.frames[2:], wanted, strict=True))
    one.load(load_state(saved))
    assert all(same(one.step(f), w) for f, w in zip(clip.frames[2:], wanted, strict=True))


def overwrite(state: Any) -> None:
    """Change all arrays of a state."""
    if isinstance(state, np.ndarray):
        if state.flags.writeable:
            state[...] = 1
    elif isinstance(state, dict | list | tuple):
        for part in state.values() if isinstance(state, dict) else state:
            overwrite(part)


@every_engine
def test_a_loaded_state_is_the_tracker_s_own(name: str, build: Build, clip: Scene) -> None:
    """What becomes of the one that was given does not matter."""
    one = build(name)
    one.start(clip.frames[0], clip.targets(0))
    state = load_state(dump_state(one.save()))
    one.load(state)
    overwrite(state)
    found = one.step(clip.frames[1])
    one.start(clip.frames[0], clip.targets(0))
    assert same(found, one.step(clip.frames[1]))


@every_engine
def test_begin_forgets_what_went_before(name: str, build: Build, clip: Scene) -> None:
    """A second video, of another size and with other objects, is as in a new engine."""
    used, new = build(name), build(name)
    before = scene("crossing", num_frames=3, size=(45, 51), seed=1)
    used.start(before.frames[0], before.targets(0))
    used.step(before.frames[1])
    for tracker in (used, new):
        tracker.start(clip.frames[0], clip.targets(0))
    assert all(same(used.step(frame), new.step(frame)) for frame in clip.frames[1:4])


@every_engine
def test_what_the_user_says_is_what_the_frame_gets(name: str, build: Build, clip: Scene) -> None:
    """A correction replaces the object, a new one joins with its id, and both stay known."""
    tracker = build(name)
    tracker.start(clip.frames[0], mask_targets(np.roll(clip.labels[0], 9, axis=1), (1,), 0))
    tracker.step(clip.frames[1])
    told = clip.labels[2].copy()
    corner = np.zeros(SIZE, bool)
    corner[:9, :9] = True
    told[corner & (told == 0)] = 7
    found = tracker.step(clip.frames[2], mask_targets(told, (1, 7), 2))
    assert np.array_equal(found.labels, told)
    assert found.ids == (1, 7)
    assert tracker.step(clip.frames[3]).ids == (1, 7)


@every_engine
@pytest.mark.parametrize("size", [(33, 47), (9, 70)], ids=lambda s: f"{s[1]}x{s[0]}")
def test_sizes_that_no_network_likes(name: str, build: Build, size: tuple[int, int]) -> None:
    """Odd and very flat pictures are followed like any other: the object keeps its id, and where nothing
    moves, those that see without weights keep its place."""
    video, tracker = scene("still", num_frames=3, size=size, seed=1), build(name)
    labels = np.zeros(size, np.uint8)
    labels[3:7, 10:21] = 1
    tracker.start(video.frames[0], mask_targets(labels, (1,), 0))
    for frame in video.frames[1:]:
        found = tracker.step(frame)
        assert found.labels.shape == size
        assert found.ids == (1,)
        assert set(np.unique(found.labels)) <= {0, 1}
        assert 0 <= found.confidence[1] <= 1
        if name in KNOWING:
            assert region_similarity(found.mask(1), labels == 1) > 0.3


@every_engine
def test_errors_say_what_is_wrong(name: str, build: Build, clip: Scene) -> None:
    """A step before the first frame, or a frame of another size, is the user's mistake, not a crash."""
    tracker = build(name)
    with pytest.raises(InputError):
        tracker.step(clip.frames[0])
    tracker.start(clip.frames[0], clip.targets(0))
    smaller = Frame(1, clip.frames[1].image[:-2, :-3], "00001")
    with pytest.raises(InputError):
        tracker.step(smaller)


@pytest.mark.parametrize("name", sorted(KNOWING))
def test_a_correction_is_followed_from_there(name: str, build: Build) -> None:
    """After a wrong start, what was corrected stays right."""
    clip = scene("moving", num_frames=6, size=(121, 164), seed=2)
    tracker = build(name)
    tracker.start(clip.frames[0], mask_targets(np.roll(clip.labels[0], 60, axis=1), (1,), 0))
    tracker.step(clip.frames[1])
    tracker.step(clip.frames[2], clip.targets(2))
    for frame in clip.frames[3:]:
        found = tracker.step(frame)
        assert region_similarity(found.mask(1), clip.labels[frame.index] == 1) > 0.8


@pytest.mark.parametrize("name", sorted(KNOWING))
def test_the_score_falls_when_an_object_is_gone(name: str, build: Build) -> None:
    """An object out of the picture scores less than half of what it did while it was there."""
    clip = scene("leaves", num_frames=24, size=(121, 164), seed=2)
    tracker = build(name)
    tracker.start(clip.frames[0], clip.targets(0))
    seen, gone = [], []
    for frame in clip.frames[1:14]:
        visible = int((clip.labels[frame.index] == 1).sum())
        score = tracker.step(frame).confidence[1]
        if visible > 0.8 * int((clip.labels[0] == 1).sum()):
            seen.append(score)
        elif not visible:
            gone.append(score)
    assert seen, "the scene is to show the object"
    assert gone, "the scene is to hide the object"
    assert gone[-1] < 0.5 * np.mean(seen)
