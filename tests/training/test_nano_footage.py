"""Real clips with a teacher's labels: what is taken for truth, what for unknown, and when a clip ends."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.nano.clips import Clip
from training.nano.footage import FootageSettings, asked_twice, clips_of, follow, labels_of, objects
from training.nano.recordings import UNKNOWN, record
from vos.testing import scene
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.tracker import ClassicalSettings

DOG, CAR = 12, 7
ENGINE = ClassicalSettings(
    pixels=6000, appearance=AppearanceSettings(views=2, samples=400, iterations=30, batch=128)
)


def _square(x: int, y: int, side: int, size: tuple[int, int] = (40, 60)) -> NDArray[np.bool_]:
    mask = np.zeros(size, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_a_teacher_who_contradicts_himself_knows_nothing() -> None:
    """Where the mirror image gets another class, the answer is unknown; else it is the class."""
    image = np.zeros((4, 6, 3), np.uint8)
    image[1, 1] = 200

    def teacher(shown: NDArray[np.uint8]) -> NDArray[np.uint8]:
        classes = np.where(shown[..., 0] > 100, DOG, 0).astype(np.uint8)
        classes[0, 0] = CAR  # whatever is shown
        return classes

    answer = asked_twice(teacher, image)
    assert answer[1, 1] == DOG
    assert answer[0, 0] == answer[0, 5] == UNKNOWN
    assert (answer == 0).sum() == answer.size - 3


def test_objects_are_regions_of_fitting_size() -> None:
    """Two dogs are two objects; specks, what is nearly the whole image, and the unknown are none."""
    classes = np.zeros((40, 60), np.uint8)
    classes[_square(2, 2, 10)] = DOG
    classes[_square(20, 2, 10)] = DOG
    classes[_square(50, 30, 2)] = CAR
    classes[_square(40, 2, 8)] = UNKNOWN
    found = objects(classes, (0.01, 0.3))
    assert [number for number, _ in found] == [DOG, DOG]
    assert sorted(int(mask.argmax() % 60) for _, mask in found) == [2, 20]
    assert objects(classes, (0.1, 0.3)) == []


@pytest.mark.parametrize(
    ("third", "length"),
    [(_square(14, 10, 12), 2), (_square(40, 10, 12), 1), (_square(8, 6, 22), 1)],
    ids=["goes on", "elsewhere", "grown"],
)
def test_an_object_is_followed_while_it_is_certain_which(third: NDArray[np.bool_], length: int) -> None:
    """The region that overlaps most goes on; a jump or a sudden growth ends the clip."""
    maps = [np.where(_square(12, 10, 12), DOG, 0).astype(np.uint8), np.where(third, DOG, 0).astype(np.uint8)]
    shown = follow(_square(10, 10, 12), DOG, maps, FootageSettings())
    assert len(shown) == length
    np.testing.assert_array_equal(shown[0][0], _square(12, 10, 12))


def test_contours_and_uncertain_pixels_are_unknown() -> None:
    """The core is the object's, far off is background; between, and where the teacher wavers, neither."""
    mask = _square(20, 10, 20)
    classes = np.where(mask, DOG, 0).astype(np.uint8)
    classes[38, 55] = UNKNOWN
    labels = labels_of(mask, classes, 0.1)
    assert (labels[20, 30], labels[2, 2], labels[38, 55]) == (1, 0, UNKNOWN)
    np.testing.assert_array_equal(labels[20, 15:26], [0, 0, 0, 255, 255, 255, 255, 1, 1, 1, 1])


def test_a_clip_of_a_video() -> None:
    """With a teacher who is right, clips begin with a mask like his, and go on with his labels."""
    video = scene("moving", num_frames=8, size=(90, 120))
    images = [frame.image for frame in video.frames]
    maps = [np.where(labels > 0, DOG, 0).astype(np.uint8) for labels in video.labels]
    settings = FootageSettings(strides=(1, 1), frames=6)
    clips = list(clips_of(images, maps, 4, np.random.default_rng(0), settings))
    assert clips
    for clip in clips:
        assert settings.least <= len(clip.images) == len(clip.labels) <= settings.frames
        assert set(np.unique(clip.labels[0])) == {0, 1}
        start = next(t for t, image in enumerate(images) if image is clip.images[0])
        for t, labels in enumerate(clip.labels[1:], start=start + 1):
            assert (video.labels[t][labels == 1] > 0).all()
            assert (video.labels[t][labels == 0] == 0).all()


def test_where_nothing_is_known_the_engine_is_right() -> None:
    """A recording's truth is the engine's result wherever the clip's is unknown, and only there."""
    video = scene("moving", num_frames=3, size=(64, 80))
    first = (video.labels[0] == 1).astype(np.uint8)
    later = [np.full_like(first, UNKNOWN), np.zeros_like(first)]
    clip = Clip(tuple(frame.image for frame in video.frames), (first, *later))
    unknown, known = record(clip, np.random.default_rng(0), ENGINE).frames
    assert (unknown.truth == 1).any()
    np.testing.assert_array_equal(unknown.truth == 1, unknown.cues[0, 0] > 0)
    assert not known.truth.any()
