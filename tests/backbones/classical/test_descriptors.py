"""Hand-made descriptors: what they see, and where."""

from __future__ import annotations

import numpy as np
import pytest

from vos.backbones.classical.descriptors import (
    DIRECTIONS,
    LAB_UNIT,
    RINGS,
    SIZE,
    blur,
    describe,
    describe_alone,
    describe_at,
    to_lab,
)
from vos.testing import scene

IMAGE = scene("still", num_frames=1, size=(60, 80)).frames[0].image


def test_descriptors_are_local() -> None:
    """A change of one corner leaves the descriptors of the other corner as they were."""
    changed = IMAGE.copy()
    changed[:4, :4] = 255
    everywhere = np.arange(60 * 80)
    before, after = (describe(i).at(everywhere).reshape(60, 80, SIZE) for i in (IMAGE, changed))
    assert before.dtype == np.float32
    assert np.array_equal(before[-8:, -8:], after[-8:, -8:])
    assert not np.array_equal(before[:4, :4], after[:4, :4])


def test_descriptors_of_rows_and_of_pixels_agree() -> None:
    """Both ways of asking give the same numbers, in the order of the pixels."""
    descriptors = describe(IMAGE)
    width = 80
    rows = descriptors.rows(5, 9)
    assert rows.shape == (SIZE, 4 * width)
    assert np.array_equal(rows.T, descriptors.at(np.arange(5 * width, 9 * width)))


def test_descriptors_in_boxes_are_those_of_the_image() -> None:
    """Up to the grids of the widest blurs; the box's place does not matter, at a border either."""
    image = np.random.default_rng(0).integers(0, 256, (160, 240, 3), np.uint8)
    positions = np.array([0, 5 * 240 + 7, 90 * 240 + 100, 99 * 240 + 130, 159 * 240 + 239])
    boxes = [(0, 0, 20, 20), (100, 80, 131, 99), (230, 150, 239, 159)]
    whole, part = describe(image).at(positions), describe_at(image, positions, boxes)
    assert np.abs(whole - part).max() < 0.05
    assert np.abs(whole - whole[::-1]).max() > 0.5


def test_descriptors_outside_all_boxes_are_refused() -> None:
    """Nothing is made up for them."""
    with pytest.raises(ValueError, match="1 of 2 positions"):
        describe_at(IMAGE, np.array([0, 30 * 80 + 40]), [(0, 0, 10, 10)])


def test_rings_look_the_right_way() -> None:
    """The first colour of a ring is the one to the right, the third the one below; borders repeat."""
    image = np.zeros((60, 60, 3), np.uint8)
    image[30:, 40:] = 255
    white = to_lab(image)[-1, -1, 0] / LAB_UNIT
    radius, first = RINGS[1][0], SIZE - 3 * len(DIRECTIONS)
    right, below = describe(image).at(np.array([50 * 60 + 40 - radius, (30 - radius) * 60 + 50]))
    assert right[first] == pytest.approx(white / 2, abs=0.4)
    assert right[first + 6] < right[first] / 2
    assert below[first + 6] == pytest.approx(white / 2, abs=0.4)
    assert below[first] < below[first + 6] / 2
    corner = describe(image).at(np.array([3599]))[0]
    assert corner[first] == pytest.approx(white, abs=0.01)


def test_wide_blur_is_a_blur() -> None:
    """The cheap wide blur keeps a constant, and the mass of a spot."""
    assert np.allclose(blur(np.full((40, 50), 3, np.float32), 8.0), 3)
    spot = np.zeros((81, 81), np.float32)
    spot[40, 40] = 1
    assert blur(spot, 6.0).sum() == pytest.approx(1, abs=0.02)


def test_what_is_described_alone_leaves_out_the_rings() -> None:
    """A change beyond the blurs, yet within a ring, is seen by the whole descriptor only."""
    changed = IMAGE.copy()
    changed[:, :4] = 255
    place = 30 * 80 + RINGS[1][0] + 3  # the ring's left neighbour is column 3
    alone = describe_alone(IMAGE)
    assert alone.shape == (60, 80, SIZE - 3 * len(DIRECTIONS) * len(RINGS))
    np.testing.assert_array_equal(alone[30, 19], describe(IMAGE).at(np.array([place]))[0, : alone.shape[2]])
    before, after = (describe(image).at(np.array([place]))[0, alone.shape[2] :] for image in (IMAGE, changed))
    assert np.abs(before - after).max() > 1


def test_edges_are_seen_by_their_direction() -> None:
    """Strength across and along the image, each in its own number; flat places have none."""
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, 30:] = 200
    upright, lying = (describe_alone(i)[30, 30, 15:19] for i in (image, image.transpose(1, 0, 2).copy()))
    assert upright[0] > 10 * upright[1:].max()
    assert lying[1] > 10 * np.delete(lying, 1).max()
    assert upright[0] == pytest.approx(lying[1], rel=1e-3)
    assert describe_alone(image)[30, 5, 15:19].max() < 0.1 * upright[0]
