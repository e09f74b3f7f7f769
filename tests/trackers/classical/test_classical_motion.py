from __future__ import annotations

import numpy as np
import pytest

from vos.trackers.classical.motion import MotionSettings, fit_motion, motion_scores, object_motions

HEIGHT, WIDTH = 96, 128


def panning(dx: float = 2.0, dy: float = 0.0) -> np.ndarray:
    flow = np.empty((HEIGHT, WIDTH, 2), np.float32)
    flow[..., 0], flow[..., 1] = dx, dy
    return flow


def box(y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_a_motion_is_found_in_spite_of_something_that_moves_otherwise() -> None:
    """An affine field comes back to a tenth of a pixel, and its noise is not that of the outliers."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    truth = np.stack([1 + 0.02 * x, 0.5 - 0.01 * y], axis=-1)
    flow = truth.copy()
    flow[30:70, 40:90] += 8
    found = fit_motion(flow, np.ones((HEIGHT, WIDTH), bool), quadratic=False)
    assert found is not None
    assert np.abs(found[0] - truth).max() < 0.1
    assert found[1] == pytest.approx(0.5)


def scored(flow: np.ndarray, masks: np.ndarray, settings: MotionSettings) -> np.ndarray:
    """(K, h, w) scores with the motions that the objects have in ``flow``."""
    return motion_scores(flow, masks, object_motions(flow, masks), settings)


def test_what_stands_still_is_spoken_against_and_what_moves_along_is_spoken_for() -> None:
    """A blob that was taken for part of the object stands still; a part of the object was missed."""
    flow = panning()
    flow[30:60, 40:100] = -6  # the object
    expected = box(30, 60, 40, 70) | box(5, 20, 40, 60)  # misses the right end, includes a still blob
    score = scored(flow, expected[None].astype(np.float32), MotionSettings())[0]
    assert score[30:60, 40:70].mean() > 1
    assert score[8:17, 43:57].max() < -1
    halo = int(MotionSettings().halo)
    assert score[35:55, 70 + halo : 95].min() > 1
    assert score[80:, :].max() < -1


def test_the_score_for_the_object_is_damped_right_outside_of_it() -> None:
    """Flow carries motion over the outline, so there only part of the score is kept."""
    flow = panning()
    flow[24:66, 34:86] = -6  # six pixels more than the object on each side
    score = scored(flow, box(30, 60, 40, 80)[None].astype(np.float32), MotionSettings())[0]
    loud = scored(flow, box(30, 60, 40, 80)[None].astype(np.float32), MotionSettings(halo_share=1.0))[0]
    assert 0 < score[45, 36] < 0.3 * loud[45, 36]
    assert np.array_equal(score[30:60, 40:80], loud[30:60, 40:80])


@pytest.mark.parametrize("case", ["moves with the rest", "reflection", "tiny", "everything", "off"])
def test_motion_that_does_not_tell_says_nothing(case: str) -> None:
    """No score where object and background move alike, where the surroundings move with the object, where
    there are too few pixels, or where motion is turned off."""
    flow, mask, settings = panning(), box(30, 60, 40, 80), MotionSettings()
    flow[30:60, 40:80] = -6
    if case == "moves with the rest":
        flow = panning()
    elif case == "reflection":
        flow[:80, 20:100] = -6
    elif case == "tiny":
        mask = box(30, 34, 40, 44)
    elif case == "everything":
        mask = box(0, HEIGHT, 0, WIDTH)
    else:
        settings = MotionSettings(weight=0.0)
    score = scored(flow, mask[None].astype(np.float32), settings)[0]
    assert np.abs(score).max() < 0.3


def test_every_object_has_a_motion_of_its_own() -> None:
    """Two objects that move apart are each spoken for where they are, and against where the other is."""
    flow = panning()
    flow[10:40, 20:60] = -6
    flow[55:85, 70:110] = 9
    masks = np.stack([box(10, 40, 20, 60), box(55, 85, 70, 110)]).astype(np.float32)
    scores = scored(flow, masks, MotionSettings())
    for k, (mine, other) in enumerate([(box(15, 35, 25, 55), box(60, 80, 75, 105))] * 2):
        here, there = (mine, other) if k == 0 else (other, mine)
        assert scores[k][here].min() > 1
        assert scores[k][there].max() < 1


@pytest.mark.parametrize("weight", [3.0, 0.0])
def test_a_part_that_moves_with_another_object_goes_to_it(weight: float) -> None:
    """Two objects side by side move against each other; the label of one has leaked onto the other."""
    flow = panning()
    flow[20:70, 20:60] = -6
    flow[20:70, 60:110] = 9
    masks = np.stack([box(20, 70, 20, 60) | box(40, 70, 60, 80), box(20, 70, 60, 110) & ~box(40, 70, 60, 80)])
    scores = scored(flow, masks.astype(np.float32), MotionSettings(pairwise_weight=weight))
    leaked = (slice(50, 68), slice(66, 78))
    gain = (scores[1] - scores[0])[leaked].mean()
    alone = scored(flow, masks.astype(np.float32), MotionSettings(pairwise_weight=0.0))
    if weight:
        assert gain > (alone[1] - alone[0])[leaked].mean() + 0.3
    else:
        assert np.array_equal(scores, alone)


def test_motions_that_differ_by_less_weigh_less() -> None:
    """Half way between the two limits the term has half its weight, and below the lower one none."""
    flow = panning()
    flow[30:60, 40:80] = (5, 0)  # three pixels faster than the background
    masks = box(30, 60, 40, 80)[None].astype(np.float32)
    full, half, none = (
        scored(flow, masks, MotionSettings(min_difference=low, full_difference=high))
        for low, high in ((1.0, 2.0), (1.0, 5.0), (3.5, 5.0))
    )
    assert full.max() > 0.5
    np.testing.assert_allclose(half, full / 2, rtol=0.02, atol=1e-3)
    assert not none.any()
