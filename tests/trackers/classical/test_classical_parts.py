"""The steps of the built-in engine, one by one: window, carrying, strays, smoothing."""

from __future__ import annotations

import numpy as np
import pytest

from vos.backbones.classical.descriptors import to_lab
from vos.testing import Shape, line, scene
from vos.trackers.classical.components import ComponentSettings, filter_components
from vos.trackers.classical.mean_field import CrfSettings, mean_field
from vos.trackers.classical.unary import FusionSettings, motion_unary
from vos.trackers.flow_warping import WarpingSettings, find_displacement, warp_masks

NOWHERE = np.zeros((1, 1, 1), np.float32)


def two_frames(velocity: tuple[float, float], radius: float):  # type: ignore[no-untyped-def]
    """Pictures, Lab pictures, and the masks (1, h, w) of a disc that moves by ``velocity``."""
    clip = scene([Shape(1, line((50, 60), velocity), radius, texture_seed=3)], num_frames=2, size=(120, 200))
    images = [frame.image for frame in clip.frames]
    masks = [(labels == 1).astype(np.float32)[None] for labels in clip.labels]
    return images, tuple(to_lab(image) for image in images), masks


@pytest.mark.parametrize(("velocity", "radius"), [((4, 2), 20), ((70, 0), 9)])
def test_carry_moves_the_mask(velocity: tuple[float, float], radius: float) -> None:
    """Masks move with their object, by a little and by several times its size."""
    images, labs, masks = two_frames(velocity, radius)
    warped = warp_masks(images[0], images[1], labs, masks[0], WarpingSettings())
    found, truth = warped.masks[0] > 0.5, masks[1][0] > 0.5
    assert np.count_nonzero(found & truth) > 0.9 * np.count_nonzero(found | truth)
    assert warped.qualities[0] > 0.7


def test_no_leap_where_flow_is_right() -> None:
    """No other place is proposed for an object that is where flow says."""
    images, _, masks = two_frames((4, 2), 20)
    assert find_displacement(images[0], images[1], masks[0][0], (4.0, 2.0)) is None
    displacement = find_displacement(images[0], images[1], masks[0][0], (60.0, 2.0))
    assert displacement == pytest.approx((4, 2), abs=2)


def test_bad_flow_loosens_an_object() -> None:
    """Far from where it was expected an object costs less when its flow was bad."""
    images, labs, masks = two_frames((4, 2), 20)
    warped = warp_masks(images[0], images[1], labs, masks[0], WarpingSettings())
    good = motion_unary(warped, warped.masks > 0.5, [False], NOWHERE, 0.7, FusionSettings())
    blind = type(warped)(warped.masks, warped.consistencies, (0.0,), warped.correspondence)
    loose = motion_unary(blind, blind.masks > 0.5, [False], NOWHERE, 0.7, FusionSettings())
    assert loose[1][60, 84] > good[1][60, 84] + 1
    assert good[1][62, 54] > good[0][62, 54]


def test_old_labels_do_not_bind_an_object_out_of_sight() -> None:
    """An object in view may not be far from its labels; one that was not may, and they still speak for it."""
    images, labs, masks = two_frames((4, 2), 20)
    warped = warp_masks(images[0], images[1], labs, masks[0], WarpingSettings())
    seen, unseen = (
        motion_unary(warped, warped.masks > 0.5, [lost], NOWHERE, 0.7, FusionSettings())
        for lost in (False, True)
    )
    assert seen[1][60, 190] < seen[1][62, 54] - 30
    assert unseen[1][62, 54] - 10 < unseen[1][60, 190] < unseen[1][62, 54] - 2
    assert np.array_equal(seen[0], unseen[0])


def test_strays_are_dropped_unless_there_is_room() -> None:
    """A new piece apart from the object goes, but stays where the object is hidden in part."""
    belief = np.zeros((2, 40, 80), np.float32)
    belief[1, 10:30, 5:25] = 1
    belief[1, 15:25, 60:70] = 1
    belief[0] = 1 - belief[1]
    warped = np.zeros((1, 40, 80), np.float32)
    warped[0, 10:30, 5:25] = 1
    appearance = belief.copy()
    whole = filter_components(belief, warped, warped > 0.5, appearance, [400.0], ComponentSettings())
    assert not whole[1, :, 60:].any()
    assert whole[1, 10:30, 5:25].all()
    hidden = filter_components(belief, warped, warped > 0.5, appearance, [1000.0], ComponentSettings())
    assert hidden[1, 15:25, 60:70].all()
    assert np.array_equal(
        filter_components(
            belief, warped, warped > 0.5, appearance, [400.0], ComponentSettings(min_overlap=0.0)
        ),
        belief,
    )


def test_smooth_respects_edges() -> None:
    """A lone wrong pixel yields to its neighbours; an edge of the picture holds."""
    lab = np.zeros((20, 20, 3), np.float32)
    lab[:, 10:, 0] = 60
    scores = np.zeros((2, 20, 20), np.float32)
    scores[1, :, 10:] = 1
    scores[0, :, :10] = 1
    scores[:, 5, 5] = (0, 0.5)
    belief = mean_field(scores, lab, CrfSettings())
    assert np.allclose(belief.sum(axis=0), 1, atol=1e-5)
    assert np.array_equal(belief.argmax(axis=0), np.tile(np.arange(20) >= 10, (20, 1)))


def test_a_piece_of_another_object_is_not_taken() -> None:
    """A piece that was another object before goes back to it, even where an area is missing."""
    belief = np.zeros((3, 40, 80), np.float32)
    belief[1, 10:30, 5:25] = 1
    belief[1, 15:25, 60:70] = 0.6
    belief[2, 15:25, 60:70] = 0.4
    belief[2, 5:15, 60:70] = 1
    belief[0] = 1 - belief[1:].sum(axis=0)
    warped = np.zeros((2, 40, 80), np.float32)
    warped[0, 10:30, 5:25] = 1
    warped[1, 5:25, 60:70] = 1
    areas, settings = [1000.0, 200.0], ComponentSettings()
    found = filter_components(belief, warped, warped > 0.5, belief, areas, settings).argmax(axis=0)
    assert (found[15:25, 60:70] == 2).all()
    assert (found[10:30, 5:25] == 1).all()
    warped[1] = 0
    found = filter_components(belief, warped, warped > 0.5, belief, areas, settings).argmax(axis=0)
    assert (found[15:25, 60:70] == 1).all()


@pytest.mark.parametrize(("own", "stays"), [(4, True), (2, False)])
def test_a_component_goes_that_was_mostly_another_object(own: int, stays: bool) -> None:
    """It stays where enough of it was the object before, though more of it was the other."""
    probabilities = np.zeros((3, 20, 40), np.float32)
    probabilities[1, 5:15, 10:20] = 1
    probabilities[0] = 1 - probabilities[1]
    warped = np.zeros((2, 20, 40), np.float32)
    warped[0, 5:15, 10 : 10 + own], warped[1, 5:15, 10 + own : 20] = 1, 1
    found = filter_components(
        probabilities, warped, warped > 0.5, probabilities, [100.0, 100.0], ComponentSettings()
    )
    assert found[1].any() == stays
