"""Confidence of tracked masks: monotone, in 0..1, and low where the mask is wrong."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import cv2
import numpy as np
import pytest

from vos.backbones.classical.descriptors import to_lab
from vos.evaluation import region_similarity
from vos.prompts import Prompt, Target
from vos.results import FrameResult
from vos.testing import Scene, Shape, line, scene
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.confidence import (
    Signals,
    fitted_confidence,
    grown_reference,
    measure,
    reference_statistics,
)
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ClassicalSettings(appearance=AppearanceSettings(views=4, samples=2000, iterations=200, batch=1024))
SIZE = (100, 120)
GREEN = (40, 160, 60)


def disc(centre: tuple[int, int], radius: int) -> np.ndarray:
    """(100, 120) bool."""
    canvas = np.zeros(SIZE, np.uint8)
    cv2.circle(canvas, centre, radius, 1, -1)
    return canvas > 0


def measured(mask: np.ndarray, looks_like_it: np.ndarray, confidence: float = 1.0) -> Signals:
    """Signals of a mask in a picture where pixels that look like the object are red and the rest green.

    The object was a disc at (40, 50), and flow brought it along unchanged.
    """
    true = disc((40, 50), 20)
    image = np.where(looks_like_it[..., None], (200, 40, 40), GREEN).astype(np.uint8)
    first = np.where(true[..., None], (200, 40, 40), GREEN).astype(np.uint8)
    appearance = np.where(looks_like_it, 0.95, 0.05).astype(np.float32)
    probability = np.where(mask, 0.95, 0.05).astype(np.float32)
    reference = reference_statistics(true, to_lab(first), confidence, 1.0)
    trust = np.ones(SIZE, np.float32)
    signals = measure(
        probability,
        mask,
        true.astype(np.float32),
        1.0,
        trust,
        appearance,
        appearance,
        to_lab(image),
        1.0,
        3,
        reference,
    )
    assert signals is not None
    return signals


def follow(clip: Scene, object_id: int, confidence: float = 1.0) -> list[FrameResult]:
    """All frames, one object tracked from its true mask."""
    tracker = ClassicalTracker(QUICK)
    target = Target(1, Prompt(mask=clip.labels[0] == object_id), confidence=confidence)
    return [tracker.start(clip.frames[0], [target]), *(tracker.step(frame) for frame in clip.frames[1:])]


def confidences(results: list[FrameResult]) -> np.ndarray:
    """(T,) of object 1."""
    return np.array([result.confidence[1] for result in results])


@pytest.mark.parametrize("tracker", ["classical", "nano"])
def test_better_signals_never_lower_confidence(tracker: str) -> None:
    """Raising any one signal raises confidence or leaves it, in 0..1."""
    confidence = fitted_confidence(tracker)
    middle = measured(disc((40, 50), 20), disc((40, 50), 20))
    for field in fields(Signals):
        value = getattr(middle, field.name)
        values = [confidence(replace(middle, **{field.name: value + d})) for d in (-3, -0.3, 0, 0.3, 3)]
        assert values == sorted(values)
        assert 0 <= values[0] < values[-1] <= 1, f"{field.name} counts for nothing"


@pytest.mark.parametrize("tracker", ["classical", "nano"])
@pytest.mark.parametrize(
    ("mask", "looks_like_it"),
    [
        pytest.param(disc((40, 50), 20) | disc((75, 50), 20), disc((40, 50), 20), id="leak"),
        pytest.param(
            disc((40, 50), 20) | disc((75, 50), 20), disc((40, 50), 20) | disc((75, 50), 20), id="look-alike"
        ),
        pytest.param(disc((40, 50), 20) & ~disc((25, 50), 18), disc((40, 50), 20), id="part lost"),
        pytest.param(disc((85, 50), 20), disc((40, 50), 20), id="elsewhere"),
    ],
)
def test_wrong_masks_are_less_certain(tracker: str, mask: np.ndarray, looks_like_it: np.ndarray) -> None:
    """A mask that leaks, takes a look-alike, loses a part or lies elsewhere is less certain than the true."""
    confidence = fitted_confidence(tracker)
    true = disc((40, 50), 20)
    assert confidence(measured(mask, looks_like_it)) < confidence(measured(true, true)) - 0.04


def test_signals_of_a_right_mask() -> None:
    """What speaks against a mask is absent from one that is where and as it was."""
    true = disc((40, 50), 20)
    signals = asdict(measured(true, true))
    assert signals["extent"] == pytest.approx(0, abs=1e-6)
    assert signals["no_lookalikes"] == pytest.approx(0)
    assert signals["wholeness"] == pytest.approx(1)
    assert signals["colours"] == pytest.approx(1, abs=1e-5)
    assert signals["margin"] == pytest.approx(0)
    assert signals["interior"] == pytest.approx(signals["reference_interior"])


@pytest.mark.parametrize("mask", [np.ones(SIZE, bool), disc((40, 50), 0)], ids=["whole image", "pixel"])
def test_extreme_masks_have_a_confidence(mask: np.ndarray) -> None:
    """A mask without a contour, and one of a pixel, have one in 0..1."""
    signals = measured(mask, mask)
    assert all(np.isfinite(value) for value in asdict(signals).values())
    assert 0 <= fitted_confidence("classical")(signals) <= 1


def test_falls_when_the_object_is_lost() -> None:
    """Confidence is 0 while the object is out of the picture, and in 0..1 in every frame."""
    clip = scene("leaves", num_frames=12, size=(96, 128))
    found = confidences(follow(clip, 1))
    visible = np.array([(labels == 1).any() for labels in clip.labels])
    assert not visible.all()
    assert found[~visible].max() < found[1:4].min() - 0.2
    assert ((found >= 0) & (found <= 1)).all()


def test_falls_when_the_mask_takes_a_lookalike() -> None:
    """Two discs of one look meet; only one is tracked, and while the mask takes both, confidence falls.

    Afterwards the mask is on the other disc alone, which nothing tells from the first.
    """
    shapes = [
        Shape(1, line((50, 60)), 18, colour=(60, 90, 200), texture_seed=5),
        Shape(2, line((140, 60), (-9, 0)), 18, colour=(60, 90, 200), texture_seed=5),
    ]
    clip = scene(shapes, num_frames=11, size=(120, 160))
    results = follow(clip, 1)
    j = np.array(
        [region_similarity(r.mask(1), truth == 1) for r, truth in zip(results, clip.labels, strict=True)]
    )
    found = confidences(results)
    assert j[1:4].min() > 0.9 > 0.75 > j[-3:].max()
    assert found[6:9].max() < found[1:4].min() - 0.03


def test_an_uncertain_first_mask_makes_later_ones_uncertain() -> None:
    """The reference's own confidence is inherited, and comes back as given for its own frame."""
    clip = scene("moving", num_frames=3, size=(96, 128))
    sure, unsure = confidences(follow(clip, 1)), confidences(follow(clip, 1, confidence=0.4))
    assert (sure[0], unsure[0]) == (1.0, 0.4)
    assert (unsure[1:] < sure[1:] - 0.1).all()


def test_a_reloaded_tracker_is_as_certain() -> None:
    """Saving and loading changes nothing."""
    clip = scene("moving", num_frames=4, size=(96, 128))
    tracker, other = ClassicalTracker(QUICK), ClassicalTracker(QUICK)
    tracker.start(clip.frames[0], [Target(1, Prompt(mask=clip.labels[0] == 1), confidence=0.7)])
    tracker.step(clip.frames[1])
    other.load(tracker.save())
    for frame in clip.frames[2:]:
        assert other.step(frame).confidence == tracker.step(frame).confidence


def of_size(mask: np.ndarray, scale: float, area: float) -> Signals:
    """Signals of a mask in a crop of this scale, against a reference of ``area`` pixels of the frame."""
    values, grey = mask.astype(np.float32), np.full((*SIZE, 3), 50, np.float32)
    reference = replace(reference_statistics(mask, grey, 1.0, 1.0), area=area)
    ones = np.ones(SIZE, np.float32)
    signals = measure(values, mask, values, 1.0, ones, values, values, grey, scale, 1, reference)
    assert signals is not None
    return signals


def test_extent_is_in_pixels_of_the_frame() -> None:
    """In a crop at half the size an object of the same area covers a quarter of the pixels."""
    mask = np.zeros(SIZE, bool)
    mask[40:50, 40:60] = True
    assert of_size(mask, 1.0, 200.0).extent == 0
    assert of_size(mask, 0.5, 800.0).extent == 0
    assert of_size(mask, 0.5, 400.0).extent == pytest.approx(-np.log(2))
    assert of_size(mask, 1.0, 400.0).extent == pytest.approx(-np.log(2))
    assert reference_statistics(mask, np.zeros((*SIZE, 3), np.float32), 1.0, 0.5).area == 800


@pytest.mark.parametrize("side", range(4))
def test_margin_counts_all_sides_of_the_image(side: int) -> None:
    placed = np.zeros(SIZE, bool)
    top = {0: 0, 1: SIZE[0] - 20}.get(side, 30)
    left = {2: 0, 3: SIZE[1] - 20}.get(side, 30)
    placed[top : top + 20, left : left + 20] = True
    assert of_size(placed, 1.0, 400.0).margin == pytest.approx(-1)
    assert of_size(np.roll(placed, (30, 30), axis=(0, 1)), 1.0, 400.0).margin == 0


def test_what_comes_out_becomes_the_reference() -> None:
    """The largest mask so far, with the confidence of the one that was given; smaller ones change nothing."""
    lab = np.zeros((60, 80, 3), np.float32)
    lab[:, 40:] = (60, 40, 0)
    strip, whole = np.zeros((60, 80), bool), np.zeros((60, 80), bool)
    strip[20:40, 38:40], whole[20:40, 38:60] = True, True
    given = reference_statistics(strip, lab, 0.8, 0.5)
    grown = grown_reference(given, whole, lab, 0.5)
    expected = reference_statistics(whole, lab, 0.8, 0.5)
    assert (grown.confidence, grown.area, grown.interior) == (0.8, 4 * 440, expected.interior)
    assert np.array_equal(grown.colours, expected.colours)
    assert grown_reference(grown, strip, lab, 0.5) is grown
    assert grown_reference(grown, whole, lab, 1.0) is grown  # in pixels of the frame it is smaller
