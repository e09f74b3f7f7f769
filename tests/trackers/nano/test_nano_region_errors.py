"""Errors of whole image regions."""

from __future__ import annotations

import numpy as np
import pytest

from vos.trackers.nano.region_errors import AGREEING, LEAST_LEFT, patches, region_errors, with_region_errors


def _image() -> tuple[np.ndarray, np.ndarray]:
    """An object half red and half blue on ground half green and half grey, and its mask."""
    image = np.empty((60, 80, 3), np.uint8)
    image[:, :40], image[:, 40:] = (40, 160, 40), (120, 120, 120)
    mask = np.zeros((60, 80), bool)
    mask[15:45, 20:60] = True
    image[15:30, 20:60], image[30:45, 20:60] = (200, 30, 30), (30, 30, 200)
    return image, mask


def test_patches_keep_to_colours() -> None:
    """No patch has pixels of two colours that differ as much as these."""
    image, _ = _image()
    which = patches(image, np.random.default_rng(0))
    assert which.shape == (60, 80)
    colours = image.reshape(-1, 3).astype(int) @ np.array([1, 256, 65536])
    mixed = 0
    for k in np.unique(which):
        _, counts = np.unique(colours[which.ravel() == k], return_counts=True)
        mixed += counts.sum() - counts.max()
    assert mixed < 0.05 * which.size


def test_what_is_missed_is_the_objects_and_what_is_spilt_is_not() -> None:
    """Both by whole patches; enough of the object is left; by chance neither, either, or both."""
    image, mask = _image()
    kinds = set()
    for seed in range(25):
        missed, spill = region_errors(mask, image, np.random.default_rng(seed))
        assert not (missed & ~mask).any()
        assert not (spill & mask).any()
        assert (mask & ~missed).sum() >= LEAST_LEFT * mask.sum()
        kinds.add((bool(missed.any()), bool(spill.any())))
    assert kinds == {(False, False), (True, False), (False, True), (True, True)}


def test_most_cues_agree_on_mistakes() -> None:
    """A cue has all mistakes or none, keeps its certainty, and takes part as often as it should."""
    image, mask = _image()
    right = np.where(mask, 0.7, -0.4).astype(np.float32)
    took_part = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        missed, spill = region_errors(mask, image, np.random.default_rng(seed))
        wrong = np.where(missed, -0.7, np.where(spill, 0.4, right)).astype(np.float32)
        if not (missed | spill).any():
            continue
        for cue in with_region_errors(np.stack([right] * 3), mask, image, rng):
            assert (cue == right).all() or (cue == wrong).all()
            took_part.append((cue == wrong).all())
    assert np.mean(took_part) == pytest.approx(AGREEING, abs=0.1)


def test_same_chance_same_mistakes() -> None:
    """The generator decides everything."""
    image, mask = _image()
    for a, b in zip(*(region_errors(mask, image, np.random.default_rng(4)) for _ in range(2)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(1, 1), (2, 30), (33, 33)])
def test_small_and_empty(shape: tuple[int, int]) -> None:
    """Nothing to miss in an empty mask; images of a few pixels are no error."""
    image = np.zeros((*shape, 3), np.uint8)
    for mask in (np.zeros(shape, bool), np.ones(shape, bool)):
        missed, spill = region_errors(mask, image, np.random.default_rng(0))
        assert not spill.any()
        assert not missed.all() or not mask.any()
