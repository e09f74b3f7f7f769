"""The working crop: where it lies, and what moves between it and the frame."""

from __future__ import annotations

import numpy as np
import pytest

from vos.ops.crop import Crop, choose_crop


def test_crop_holds_the_objects_with_room() -> None:
    """The crop contains all objects and a margin, small ones at full resolution."""
    labels = np.zeros((480, 854), np.uint8)
    labels[200:220, 300:330] = 1
    crop = choose_crop(labels, 0.6, 40, 100_000)
    assert crop.y0 <= 150
    assert crop.y1 >= 270
    assert crop.x0 <= 245
    assert crop.x1 >= 385
    assert crop.scale == 1
    labels[:] = 1
    crop = choose_crop(labels, 0.6, 40, 100_000)
    assert (crop.y0, crop.x0, crop.y1, crop.x1) == (0, 0, 480, 854)
    assert crop.height * crop.width <= 101_000


def test_crop_without_objects_is_the_frame() -> None:
    """With nothing to be seen, and on demand, the whole frame is looked at."""
    labels = np.zeros((50, 60), np.uint8)
    crop = choose_crop(labels, 0.6, 40, 100_000)
    assert (crop.y0, crop.x0, crop.y1, crop.x1) == (0, 0, 50, 60)
    labels[3, 3] = 1
    crop = choose_crop(labels, 0.1, 0, 100_000, everywhere=True)
    assert (crop.y1, crop.x1) == (50, 60)


def test_crop_transfer_keeps_places() -> None:
    """A value moves to the same place of the frame in another crop of another scale."""
    first = choose_crop(np.pad(np.ones((40, 40), np.uint8), 100), 0.1, 0, 100_000)
    second = choose_crop(np.pad(np.ones((80, 80), np.uint8), 80), 0.1, 8, 2_000)
    columns = np.arange(first.x0, first.x1, dtype=np.float32)
    values = np.tile(columns, (first.height, 1))[None]
    moved = second.transfer(values, second)[0] if first == second else first.transfer(values, second)[0]
    middle = moved[second.height // 2]
    inside = np.flatnonzero(middle > first.x0 + 2)
    frame_x = (inside + 0.5) * (second.x1 - second.x0) / second.width + second.x0 - 0.5
    inner = frame_x < first.x1 - 3
    assert inner.sum() > 5
    assert np.abs(middle[inside][inner] - frame_x[inner]).max() < 0.1


def test_a_crop_lies_on_a_grid_and_does_not_change_with_every_pixel() -> None:
    labels = np.zeros((100, 120), np.uint8)
    labels[41:60, 50:70] = 1
    crop = choose_crop(labels, 0.0, 5, 100_000)
    assert (crop.y0, crop.x0, crop.y1, crop.x1) == (32, 40, 72, 80)
    labels[40, 50] = labels[60, 74] = 1
    assert choose_crop(labels, 0.0, 5, 100_000) == crop


def test_the_margin_is_that_of_the_largest_object() -> None:
    labels = np.zeros((400, 400), np.uint8)
    labels[200:210, 200:280], labels[150:154, 210:214] = 1, 2
    crop = choose_crop(labels, 0.5, 0, 1_000_000)
    assert (crop.y0, crop.x0, crop.y1, crop.x1) == (104, 160, 256, 320)


def test_values_are_averaged() -> None:
    """Also where several halvings and a fraction are needed: the mean stays, and places do."""
    values = np.random.default_rng(0).random((96, 64)).astype(np.float32)
    blocks = Crop(0, 0, 96, 64, 12, 8).cut(values)
    np.testing.assert_allclose(blocks, values.reshape(12, 8, 8, 8).mean(axis=(1, 3)), atol=1e-6)
    cut = Crop(10, 20, 63, 60, 7, 5).cut(values)
    assert cut.shape == (7, 5)
    assert cut.mean() == pytest.approx(values[10:63, 20:60].mean(), abs=1e-3)
    np.testing.assert_array_equal(Crop(10, 20, 12, 23, 2, 3).cut(values), values[10:12, 20:23])


def test_a_pixel_is_covered_in_part() -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[4:8, 6:9], labels[4:8, 9:12] = 3, 7
    covered = Crop(4, 4, 12, 12, 4, 4).cut_mask(labels, 3)
    np.testing.assert_allclose(covered[:2], [[0, 1, 0.5, 0]] * 2, atol=1 / 255)
    assert not covered[2:].any()


@pytest.mark.parametrize("crop", [Crop(8, 16, 72, 96, 16, 20), Crop(8, 16, 24, 36, 16, 20)])
def test_enlarged_labels_are_those_of_enlarged_scores(crop: Crop) -> None:
    """They are computed around the objects only, and come out as if everything had been enlarged."""
    rng = np.random.default_rng(1)
    scores = np.full((4, 16, 20), -3, np.float32)
    scores[0] = 0
    scores[1, 2:7, 3:9] = rng.uniform(0.5, 2, (5, 6))
    scores[3, 5:12, 7:20] = rng.uniform(0.5, 2, (7, 13))  # the second object is nowhere
    whole = np.array([0, 5, 9, 300], np.uint16)[crop.enlarge(scores).argmax(axis=0)]
    labels = crop.enlarge_labels(scores, (5, 9, 300))
    assert set(np.unique(labels)) == {0, 5, 300}
    assert (labels != whole).mean() < 0.002
    assert not crop.enlarge_labels(scores[[0, 2]], (9,)).any()
