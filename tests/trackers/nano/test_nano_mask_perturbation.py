"""Masks made rough on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from vos.trackers.nano.mask_perturbation import PerturbationSettings, perturb_mask


def _mask() -> np.ndarray:
    mask = np.zeros((80, 100), bool)
    mask[20:60, 30:75] = True
    return mask


def test_same_chance_same_mask() -> None:
    """The generator decides everything."""
    one, two, other = (perturb_mask(_mask(), np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_rough_but_recognisable() -> None:
    """Values are probabilities; on average the mask is hurt, and is still mostly there."""
    rng = np.random.default_rng(0)
    overlaps = []
    for _ in range(30):
        rough = perturb_mask(_mask(), rng)
        assert rough.dtype == np.float32
        assert rough.min() >= 0
        assert rough.max() <= 1
        overlaps.append(((rough > 0.5) & _mask()).sum() / ((rough > 0.5) | _mask()).sum())
    assert 0.55 < np.mean(overlaps) < 0.95


def test_nothing_done_gives_the_mask_back() -> None:
    """With all settings at zero only a pixel's blur is left."""
    none = PerturbationSettings(shift=0, bend=0, swell=0, blobs=0, soft=0)
    rough = perturb_mask(_mask(), np.random.default_rng(0), none)
    np.testing.assert_array_equal(rough > 0.5, _mask())


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (40, 40)])
def test_small_and_empty_masks(shape: tuple[int, int]) -> None:
    """An empty mask stays empty, and one of a single pixel is no error."""
    rng = np.random.default_rng(0)
    assert not perturb_mask(np.zeros(shape, bool), rng).any()
    one = np.zeros(shape, bool)
    one[0, 0] = True
    for _ in range(5):
        assert perturb_mask(one, rng).shape == shape


def test_less_rough() -> None:
    """A tenth of the roughness hurts a mask less."""

    def overlap(settings: PerturbationSettings) -> float:
        rng = np.random.default_rng(3)
        masks = [perturb_mask(_mask(), rng, settings) > 0.5 for _ in range(20)]
        return float(np.mean([(m & _mask()).sum() / (m | _mask()).sum() for m in masks]))

    assert overlap(PerturbationSettings().times(0.1)) > overlap(PerturbationSettings()) + 0.1
    assert PerturbationSettings().times(1.0) == PerturbationSettings()
