"""Where the pixels of a frame were in the reference frame, and what follows for objects."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vos.backbones.classical.descriptors import to_lab
from vos.evaluation import region_similarity
from vos.frame import Frame
from vos.ops.crop import Crop
from vos.prompts import Prompt, Target
from vos.results import VOID
from vos.scenes.texture import texture, window
from vos.trackers.classical.appearance import ReferenceFrame
from vos.trackers.classical.long_term_flow import (
    UNKNOWN,
    LongTermFlow,
    LongTermFlowSettings,
    followed,
    long_term_unary,
    of_reference,
    unknown,
)
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker
from vos.trackers.flow_warping import Correspondence

SIZE = (60, 90)
WHOLE = Crop(0, 0, *SIZE, *SIZE)
SETTINGS = LongTermFlowSettings(step=0.1)


def moved(dx: float, dy: float, size: tuple[int, int] = SIZE, consistency: float = 1.0) -> Correspondence:
    """Every pixel comes from (x - dx, y - dy)."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    return Correspondence(x - np.float32(dx), y - np.float32(dy), np.full(size, consistency, np.float32))


def test_each_pixel_of_the_reference_frame_is_its_own() -> None:
    """Up to its borders, and nothing beyond them is known."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    found = of_reference(SIZE).at(x, y, SIZE)
    np.testing.assert_allclose(found[0], x, atol=1e-3)
    np.testing.assert_allclose(found[1], y, atol=1e-3)
    assert not found[2].any()
    beyond = of_reference(SIZE).at(x + SIZE[1], y, SIZE)[2]
    assert (beyond == UNKNOWN).all()


def test_positions_are_chained_and_doubt_adds_up() -> None:
    """Two steps to the right lead back by both; what came in over the border is not known."""
    first = followed([(of_reference(SIZE), moved(7, 0))], WHOLE, SIZE, SETTINGS)
    second = followed([(first, moved(5, 3))], WHOLE, SIZE, SETTINGS)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    known = (x >= 12) & (y >= 3)
    np.testing.assert_allclose(second.x[known], (x - 12)[known], atol=1e-2)
    np.testing.assert_allclose(second.y[known], (y - 3)[known], atol=1e-2)
    np.testing.assert_allclose(second.doubt[known], 0.2, atol=1e-5)
    assert (second.doubt[(x < 11) | (y < 2)] >= UNKNOWN - 0.5).all()


def test_crops_of_other_places_and_resolutions() -> None:
    """Correspondences are in pixels of the crop, positions in pixels of the frame."""
    half = Crop(8, 16, 56, 80, 24, 32)
    first = followed([(of_reference(SIZE), moved(2, 1, (24, 32)))], half, SIZE, SETTINGS)
    np.testing.assert_allclose(first.x[5, 6], 16 + 2 * 6.5 - 0.5 - 4, atol=1e-2)
    np.testing.assert_allclose(first.y[5, 6], 8 + 2 * 5.5 - 0.5 - 2, atol=1e-2)
    second = followed([(first, moved(0, 0))], WHOLE, SIZE, SETTINGS)
    np.testing.assert_allclose(second.x[20, 40], 36, atol=1e-2)
    np.testing.assert_allclose(second.y[20, 40], 18, atol=1e-2)
    assert second.doubt[20, 40] == pytest.approx(0.2, abs=1e-4)
    assert second.doubt[4, 40] >= UNKNOWN, "outside of the first crop"


def test_the_more_certain_chain_is_followed() -> None:
    """At every pixel."""
    consistent = moved(0, 0)
    consistent.consistency[:, 45:] = 0.2
    found = followed(
        [(of_reference(SIZE), consistent), (of_reference(SIZE), moved(9, 0, consistency=0.7))],
        WHOLE, SIZE, SETTINGS,
    )  # fmt: skip
    np.testing.assert_allclose(found.x[30, [20, 60]], [20, 51], atol=1e-2)
    np.testing.assert_allclose(found.doubt[30, [20, 60]], [0.1, 0.4], atol=1e-4)


def test_what_was_no_part_of_an_object_is_none() -> None:
    """Background, other objects: not void, not what looks different now, not next to the object itself."""
    image = np.full((*SIZE, 3), 120, np.uint8)
    labels = np.zeros(SIZE, np.uint16)
    labels[10:30, 10:30], labels[10:30, 50:70], labels[40:50, 40:50] = 7, 300, VOID
    flow = followed([(of_reference(SIZE), moved(0, 0))], WHOLE, SIZE, LongTermFlowSettings(step=0))
    reference = ReferenceFrame(image, labels, 1.0)
    now = image.copy()
    now[:, 80:] = 250
    scores = long_term_unary(flow, reference, {7: 1.0, 300: 1.0}, to_lab(now), SETTINGS)
    assert not scores[0].any()
    against = -SETTINGS.weight
    for (row, column), expected in {
        (20, 20): (0, against), (20, 60): (against, 0), (55, 20): (against, against), (45, 45): (0, 0),
        (20, 88): (0, 0), (20, 30): (0, against),
    }.items():  # fmt: skip
        np.testing.assert_allclose(scores[1:, row, column], expected, atol=1e-3, err_msg=f"{row}, {column}")
    off = long_term_unary(flow, reference, {7: 1.0, 300: 1.0}, to_lab(now), LongTermFlowSettings(weight=0))
    assert not off.any()
    doubtful = long_term_unary(flow, reference, {7: 0.5, 300: 1.0}, to_lab(now), SETTINGS)
    np.testing.assert_allclose(doubtful[1], scores[1] / 16, atol=1e-5)
    np.testing.assert_array_equal(doubtful[2], scores[2])
    lost = LongTermFlow(WHOLE, flow.x, flow.y, np.full(SIZE, 2.0, np.float32))
    assert not long_term_unary(lost, reference, {7: 1.0, 300: 1.0}, to_lab(now), SETTINGS).any()


def test_nothing_is_known_of_a_state_of_an_earlier_version() -> None:
    """Saved without long-term flow, it is read, and the steps after it know nothing either."""
    found = followed([(unknown(SIZE), moved(0, 0))], WHOLE, SIZE, SETTINGS)
    assert (found.doubt >= UNKNOWN).all()
    frames, masks = _half_of_a_bar(3)
    first, second = ClassicalTracker(), ClassicalTracker()
    first.start(frames[0], [Target(1, Prompt(mask=masks[0]))])
    first.step(frames[1])
    saved = dict(first.save())
    assert saved.pop("long_term")
    second.load(saved)
    assert region_similarity(masks[2], second.step(frames[2]).mask(1)) > 0.8


@pytest.mark.parametrize("wrong", [{"least": 1.0}, {"least": -0.1}, {"colour": 0.0}])
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    """They are named."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LongTermFlowSettings(**wrong)


@pytest.mark.usefixtures("one_thread")
def test_frames_that_are_larger_than_what_opencv_remaps() -> None:
    """A panorama of 33,000 columns is tracked like any other."""
    size = (40, 33_000)
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    mask = np.zeros(size, bool)
    mask[8:32, 32_700:32_740] = True
    image[mask] = (200, 50, 50)
    tracker = ClassicalTracker()
    tracker.start(Frame(0, image), [Target(1, Prompt(mask=mask))])
    for index in (1, 2):
        result = tracker.step(Frame(index, np.roll(image, 2 * index, axis=1)))
    assert region_similarity(np.roll(mask, 4, axis=1), result.mask(1)) > 0.9


def _half_of_a_bar(count: int) -> tuple[list[Frame], list[NDArray[np.bool_]]]:
    """A camera moves along a bar, half of which is the object: nothing but its place tells it apart."""
    ground = window(texture(1, (90, 100, 110), 25), 0, 0, (140, 420)).astype(np.uint8)
    ground[50:90, 150:270] = window(texture(2, (180, 90, 60), 25), 0, 0, (40, 120)).astype(np.uint8)
    rng = np.random.default_rng(0)
    frames, masks = [], []
    for index in range(count):
        view = slice(3 * index, 3 * index + 240)
        image = np.clip(ground[:, view] + rng.normal(0, 6, (140, 240, 3)), 0, 255).astype(np.uint8)
        mask = np.zeros(ground.shape[:2], bool)
        mask[50:90, 150:205] = True
        frames.append(Frame(index, image))
        masks.append(np.ascontiguousarray(mask[:, view]))
    return frames, masks


@pytest.mark.usefixtures("one_thread")
def test_a_part_of_a_thing_stays_a_part_of_it() -> None:
    """The rest was background in the first frame: without that the mask grows over it."""
    frames, masks = _half_of_a_bar(14)

    def overlap(settings: LongTermFlowSettings) -> float:
        tracker = ClassicalTracker(ClassicalSettings(long_term_flow=settings))
        tracker.start(frames[0], [Target(1, Prompt(mask=masks[0]))])
        for frame in frames[1:]:
            result = tracker.step(frame)
        return region_similarity(masks[-1], result.mask(1))

    assert overlap(LongTermFlowSettings(weight=0)) < 0.9
    assert overlap(LongTermFlowSettings()) > 0.95


@pytest.mark.usefixtures("one_thread")
def test_what_is_known_stays_known_when_another_object_is_removed() -> None:
    """The model is fitted anew without it, but not in a reference frame."""
    frames, masks = _half_of_a_bar(14)
    other = np.zeros_like(masks[0])
    other[100:120, 100:130] = True
    tracker = ClassicalTracker()
    tracker.start(frames[0], [Target(1, Prompt(mask=masks[0])), Target(2, Prompt(mask=other))])
    for frame in frames[1:5]:
        tracker.step(frame)
    tracker.remove(2)
    for frame in frames[5:]:
        result = tracker.step(frame)
    assert region_similarity(masks[-1], result.mask(1)) > 0.93
