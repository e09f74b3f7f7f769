"""Energies over regions made by hand: a row of five squares, three red and two blue."""

from __future__ import annotations

import numpy as np
import pytest

from vos.backbones.classical.energy import (
    CERTAIN,
    CLIP,
    border_costs,
    colour_unary,
    connected_to,
    density_unary,
    geodesic,
    local_unary,
    minimum_cut,
    palette_log_ratio,
)
from vos.backbones.classical.regions import Regions

SIDE = 10
RED, BLUE = np.array([1, 0]), np.array([0, 1])


@pytest.fixture
def row() -> Regions:
    """Regions 0, 1, 2 are red, 3 and 4 blue; the one strong border is between 2 and 3."""
    return Regions(
        labels=np.repeat(np.arange(5, dtype=np.int32), SIDE)[None].repeat(SIDE, axis=0),
        area=np.full(5, SIDE**2, np.float32),
        centre=np.array([[4.5 + SIDE * k, 4.5] for k in range(5)], np.float32),
        features=np.array([[0, 0, 0, 0]] * 3 + [[60, 0, 0, 0]] * 2, np.float32),
        palette=np.array([[0, 0, 0, 0], [60, 0, 0, 0]], np.float32),
        share=np.array([RED, RED, RED, BLUE, BLUE], np.float32),
        first=np.arange(4, dtype=np.int32),
        second=np.arange(1, 5, dtype=np.int32),
        length=np.full(4, SIDE, np.float32),
        contrast=np.array([0.1, 0.1, 3.0, 0.1], np.float32),
        rim=np.array([30, 20, 20, 20, 30], np.float32),
    )


def flags(*chosen: int) -> np.ndarray:
    """(5,) bool, True for the chosen regions."""
    return np.isin(np.arange(5), chosen)


def test_strong_borders_are_cheap_and_long_ones_dear(row: Regions) -> None:
    costs = border_costs(row, 2.0)
    np.testing.assert_allclose(costs[[0, 2]], 20 * (np.exp([-0.1 / 1.5, -3.0 / 1.5]) + 0.02), rtol=1e-5)
    np.testing.assert_allclose(border_costs(row, 4.0), 2 * costs)


def test_the_cut_is_where_it_costs_least(row: Regions) -> None:
    """One region that is certain takes those along that look alike, up to the strong border."""
    unary = np.array([CERTAIN, 0.01, 0.01, -0.01, -CERTAIN], np.float32)
    assert minimum_cut(row, unary, border_costs(row, 2.0)).tolist() == [True, True, True, False, False]
    # By area: what a pixel says counts as often as there are pixels.
    row.area[3] = 1e4
    unary[3] = 0.05
    assert minimum_cut(row, unary, border_costs(row, 2.0)).tolist() == [True, True, True, True, False]


def test_colours_speak_for_their_own(row: Regions) -> None:
    """The ratio is the object's over the background's, symmetric, and clipped."""
    found = colour_unary(row, flags(0).astype(np.float32), flags(4).astype(np.float32))
    assert found[:3] == pytest.approx([CLIP] * 3)
    assert found[3:] == pytest.approx([-CLIP] * 2)
    same = np.ones(5, np.float32)
    assert colour_unary(row, same, same) == pytest.approx(np.zeros(5), abs=1e-6)


def test_the_ratio_of_palette_colours(row: Regions) -> None:
    """Shares of the object's pixels, mixed with 5 % of the whole image's."""
    on, off = np.array([1, 0, 0, 1, 0], np.float32), flags(1).astype(np.float32)
    red, blue = palette_log_ratio(row, on, off)
    assert red == pytest.approx(np.log((0.95 * 0.5 + 0.05 * 0.6) / (0.95 + 0.05 * 0.6)), abs=1e-4)
    assert blue == pytest.approx(np.log((0.95 * 0.5 + 0.05 * 0.4) / (0.05 * 0.4)), abs=1e-3)


def test_a_region_does_not_speak_for_itself(row: Regions) -> None:
    """The only blue region in the object is judged by the others: as background."""
    on, off = flags(0, 1, 3).astype(np.float32), flags(2, 4).astype(np.float32)
    found = density_unary(row, on, off)
    assert found[3] < -1
    assert found[2] > 1
    assert np.abs(found).max() <= CLIP


def test_only_regions_nearby_speak_in_the_local_term(row: Regions) -> None:
    affinity = np.zeros((5, 5), np.float32)
    affinity[1, 0] = affinity[3, 4] = 1
    found = local_unary(row, flags(0).astype(np.float32), flags(4).astype(np.float32), affinity)
    assert found.tolist() == pytest.approx([0, np.log(180 / 80), 0, -np.log(180 / 80), 0], rel=1e-5)


def test_the_way_costs_contrast_and_pixels(row: Regions) -> None:
    """Contrast counts above the threshold alone; without a source everything is infinitely far."""
    found = geodesic(row, flags(0, 4), threshold=0.5, per_pixel=0.01)
    assert found.tolist() == pytest.approx([0, 0.1, 0.2, 0.1, 0], abs=1e-4)
    found = geodesic(row, flags(0), threshold=0.5, per_pixel=0.01)
    assert found.tolist() == pytest.approx([0, 0.1, 0.2, 0.3 + 2.5, 0.4 + 2.5], abs=1e-4)
    assert np.isinf(geodesic(row, flags(), threshold=0.5, per_pixel=0.01)).all()


def test_what_hangs_together_with_a_seed(row: Regions) -> None:
    assert connected_to(row, flags(0, 1, 3, 4), flags(1)).tolist() == flags(0, 1).tolist()
    assert connected_to(row, flags(0, 1, 3, 4), flags(0, 4)).tolist() == flags(0, 1, 3, 4).tolist()
    assert not connected_to(row, flags(0, 1), flags(3)).any()
