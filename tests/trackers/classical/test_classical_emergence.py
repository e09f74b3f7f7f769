"""An object that is almost hidden where it is given comes out as a whole."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vos.results import VOID
from vos.runs.state import dump_state, load_state
from vos.testing import Scene, Shape, line, scene
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.confidence import reference_statistics
from vos.trackers.classical.emergence import EmergenceSettings, Emerging, emerging, with_emerging
from vos.trackers.classical.state import ObjectState
from vos.trackers.classical.step import _with_grown_references
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ClassicalSettings(appearance=AppearanceSettings(views=4, samples=2000, iterations=200, batch=1024))
SETTINGS = EmergenceSettings()
RED, GREEN, BLUE = (np.array(colour, np.float32) for colour in ((50, 60, 40), (60, -50, 40), (40, 20, -60)))


def strip() -> Scene:
    """Some pixels of object 2 are seen beside object 1, which goes the other way."""
    shapes = [
        Shape(2, line((88, 62), (-3, 0)), 18, "disc", colour=(220, 220, 214), texture_seed=9),
        Shape(1, line((100, 60), (3, 0)), 26, "box", colour=(140, 70, 168), texture_seed=3),
    ]
    return scene(shapes, num_frames=14, noise=3)


@pytest.mark.parametrize(("max_area", "found"), [(150.0, True), (0.0, False)])
def test_grows_into_view(max_area: float, found: bool) -> None:
    """All of it is found in the end, and known to be; without this it is lost."""
    clip = strip()
    given = int((clip.labels[0] == 2).sum())
    assert 0 < given < 150 < 6 * given < (clip.labels[-1] == 2).sum()
    tracker = ClassicalTracker(replace(QUICK, emergence=EmergenceSettings(max_area=max_area)))
    tracker.start(clip.frames[0], clip.targets(0))
    for frame in clip.frames[1:]:
        result = tracker.step(frame)
    here, there = result.labels == 2, clip.labels[-1] == 2
    overlap = (here & there).sum() / (here | there).sum()
    assert overlap > 0.9 if found else overlap < 0.5
    assert result.confidence[2] > 0.9 if found else result.confidence[2] < 0.5


def test_a_saved_state_knows_its_colours() -> None:
    """A run that is resumed while an object comes out goes on with the same labels."""
    clip = strip()
    tracker, other = ClassicalTracker(QUICK), ClassicalTracker(QUICK)
    tracker.start(clip.frames[0], clip.targets(0))
    tracker.step(clip.frames[1])
    saved = load_state(dump_state(tracker.save()))
    assert len(saved["objects"][1]["emerging"]["own"]) > 0
    other.load(saved)
    expected = tracker.step(clip.frames[2]).labels
    assert (expected == 2).any()
    assert np.array_equal(other.step(clip.frames[2]).labels, expected)
    for one in saved["objects"]:
        del one["emerging"]  # as versions before saved it
    other.load(saved)
    other.step(clip.frames[2])


@pytest.mark.parametrize(
    ("size", "beside", "known"),
    [
        ((6, 8), True, True),
        ((6, 8), False, False),  # it touches nothing
        ((20, 20), True, False),  # enough of it is seen
    ],
)
def test_which_objects_are_almost_hidden(size: tuple[int, int], beside: bool, known: bool) -> None:
    """Small ones beside a large one."""
    image, labels = np.zeros((80, 120, 3), np.uint8), np.zeros((80, 120), np.uint8)
    labels[10:70, 40:100] = 1
    right = 40 if beside else 30
    labels[30 : 30 + size[1], right - size[0] : right] = 2
    labels[:5] = VOID
    assert (emerging(image, labels, 2, 1.0, SETTINGS) is not None) == known
    assert emerging(image, labels, 1, 1.0, SETTINGS) is None
    assert emerging(image, labels, 3, 1.0, SETTINGS) is None


def test_hidden_by_something_not_much_larger() -> None:
    """Nothing of it is: an object of 120 pixels beside one of 400 is what it is."""
    image, labels = np.zeros((80, 120, 3), np.uint8), np.zeros((80, 120), np.uint8)
    labels[20:40, 20:40], labels[20:40, 40:46] = 1, 2
    assert emerging(image, labels, 2, 1.0, SETTINGS) is None
    labels[10:50, 10:40] = 1
    assert emerging(image, labels, 2, 1.0, SETTINGS) is not None


def test_beside_another_one_with_its_end_only() -> None:
    """A pole that leans on a wall is in plain view."""
    image, labels = np.zeros((80, 120, 3), np.uint8), np.zeros((80, 120), np.uint8)
    labels[10:70, 40:100], labels[30:34, 10:40] = 1, 2
    assert emerging(image, labels, 2, 1.0, SETTINGS) is None


def test_what_is_ignored_is_no_object() -> None:
    """It hides nothing, and its colours are nobody's."""
    image, labels = np.full((80, 120, 3), 200, np.uint8), np.zeros((80, 120), np.uint8)
    labels[10:70, 40:100], labels[30:38, 34:40] = VOID, 2
    assert emerging(image, labels, 2, 1.0, SETTINGS) is None
    labels[10:70, 40:100] = 1
    labels[:5] = VOID
    image[10:70, 40:100], image[:5] = (255, 0, 0), (0, 0, 255)
    found = emerging(image, labels, 2, 1.0, SETTINGS)
    assert found is not None
    assert np.ptp(found.others, axis=0).max() < 1
    assert np.ptp(found.background, axis=0).max() < 1
    assert len(found.own) == 48


def test_area_counts_in_the_working_crop() -> None:
    """The same strip of a frame that is worked on at a third of its size is small."""
    image, labels = np.zeros((80, 120, 3), np.uint8), np.zeros((80, 120), np.uint8)
    labels[10:70, 40:100], labels[30:50, 30:40] = 1, 2
    assert emerging(image, labels, 2, 1.0, SETTINGS) is None
    assert emerging(image, labels, 2, 1 / 3, SETTINGS) is not None


def test_colours_decide_near_the_object_only() -> None:
    """There its colours are its own and the background's are not; the classifier keeps the rest."""
    lab = np.tile(GREEN, (60, 80, 1))
    lab[20:40, 20:40] = RED
    lab[20:40, 40:60] = BLUE
    mask = np.zeros((1, 60, 80), np.float32)
    mask[0, 25:35, 34:40] = 1
    one = Emerging(*(np.tile(colour, (5, 1)) for colour in (RED, GREEN, BLUE)))
    sure = np.stack([np.zeros((60, 80), np.float32), np.full((60, 80), -9, np.float32)])
    found = with_emerging(sure, [one], SimpleNamespace(masks=mask), lab, SETTINGS)
    assert np.array_equal(sure[1], np.full((60, 80), -9))
    assert found[:, 30, 32] == pytest.approx([-SETTINGS.limit, 0])
    assert found[:, 30, 42] == pytest.approx([-SETTINGS.limit, -SETTINGS.limit])  # another object's
    assert found[:, 30, 22] == pytest.approx([0, -9])  # the same colour, far away
    assert found[:, 19, 36] == pytest.approx([0, -SETTINGS.limit])
    nowhere = Emerging(one.own, one.background[:0], one.others)
    found = with_emerging(sure, [nowhere], SimpleNamespace(masks=mask), lab, SETTINGS)
    assert found[:, 30, 32] == pytest.approx([-SETTINGS.limit, 0]), "a frame without background"
    assert with_emerging(sure, [None], SimpleNamespace(masks=mask), lab, SETTINGS) is sure
    assert with_emerging(sure, [one], SimpleNamespace(masks=0 * mask), lab, SETTINGS) is sure


def test_the_reference_grows_with_what_comes_out_only() -> None:
    """Beside another object more of it comes out; alone it has come out, and what it grows by is a leak."""
    lab = np.zeros((60, 80, 3), np.float32)
    strip, whole, leak = np.zeros((3, 60, 80), bool)
    strip[20:40, 36:40], whole[20:40, 20:40], leak[5:55, 5:40] = True, True, True
    given = reference_statistics(strip, lab, 1.0, 1.0)
    colours = Emerging(*(np.zeros((1, 3), np.float32) for _ in range(3)))
    one = ObjectState(2, 1.0, 0, 80.0, given, emerging=colours)

    def grown(mask: np.ndarray, others: slice) -> float:
        classes = np.zeros((60, 80), np.int64)
        classes[20:40, others] = 2
        classes[mask] = 1
        (found,) = _with_grown_references([one], classes, lab, 1.0)
        return found.reference.area

    assert grown(whole, slice(40, 60)) == whole.sum()
    assert grown(leak, slice(50, 60)) == strip.sum()
