"""Superpixels and their graph, on an image of two flat halves."""

from __future__ import annotations

import numpy as np
import pytest

from vos.backbones.classical.regions import SPACING, Regions, find_regions

HEIGHT, WIDTH, EDGE = 42, 63, 30


def two_halves() -> Regions:
    """Regions of an image that is green left of column EDGE and red from there on."""
    image = np.full((HEIGHT, WIDTH, 3), (40, 160, 60), np.uint8)
    image[:, EDGE:] = (200, 40, 40)
    return find_regions(image)


@pytest.fixture(scope="module")
def regions() -> Regions:
    return two_halves()


def test_every_pixel_is_in_a_region_and_none_crosses_the_edge(regions: Regions) -> None:
    """There is about one region per cell of the grid of seeds."""
    count = len(regions)
    assert regions.size == (HEIGHT, WIDTH)
    assert set(np.unique(regions.labels)) == set(range(count))
    assert count == (HEIGHT // SPACING) * (WIDTH // SPACING)
    left = set(np.unique(regions.labels[:, : EDGE - 1]))
    right = set(np.unique(regions.labels[:, EDGE + 1 :]))
    assert not left & right


def test_sizes_and_places(regions: Regions) -> None:
    """Area, centre (x, y) and pixels on the border of the image are those of the labels."""
    for region in (0, 7, len(regions) - 1):
        rows, columns = np.nonzero(regions.labels == region)
        assert regions.area[region] == len(rows)
        np.testing.assert_allclose(regions.centre[region], [columns.mean(), rows.mean()], rtol=1e-5)
        on_rim = (rows % (HEIGHT - 1) == 0).sum() + (columns % (WIDTH - 1) == 0).sum()
        corners = ((rows % (HEIGHT - 1) == 0) & (columns % (WIDTH - 1) == 0)).sum()
        assert on_rim - corners <= regions.rim[region] <= on_rim
    assert regions.area.sum() == HEIGHT * WIDTH


def test_neighbours_share_the_border_they_are_said_to(regions: Regions) -> None:
    labels = regions.labels
    for k in (0, len(regions.first) // 2, len(regions.first) - 1):
        one, other = regions.first[k], regions.second[k]
        assert one < other
        pair = {(one, other), (other, one)}
        steps = [(labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])]
        touching = sum((a, b) in pair for x, y in steps for a, b in zip(x.ravel(), y.ravel(), strict=True))
        assert regions.length[k] == touching


def test_contrast_is_at_the_edge(regions: Regions) -> None:
    """Its mean over all borders, by length, is 1; within either half there is next to none."""
    across = (regions.centre[regions.first, 0] < EDGE) != (regions.centre[regions.second, 0] < EDGE)
    assert across.any()
    assert np.average(regions.contrast, weights=regions.length) == pytest.approx(1, rel=1e-4)
    assert regions.contrast[across].min() > 10 * np.median(regions.contrast[~across])


def test_regions_of_one_colour_share_a_palette_colour(regions: Regions) -> None:
    """Shares of the palette sum to 1, and two halves have next to nothing in common."""
    np.testing.assert_allclose(regions.share.sum(axis=1), 1, rtol=1e-4)
    left = regions.centre[:, 0] < EDGE - SPACING
    right = regions.centre[:, 0] > EDGE + SPACING
    shared = np.sqrt(regions.share[left].mean(axis=0) * regions.share[right].mean(axis=0)).sum()
    assert shared < 0.05


def test_alike_and_near(regions: Regions) -> None:
    """Similarity is high within a half and none of a region with itself; proximity falls with distance."""
    left = np.flatnonzero(regions.centre[:, 0] < EDGE - 2 * SPACING)
    right = np.flatnonzero(regions.centre[:, 0] > EDGE + 2 * SPACING)
    similarity = regions.similarity
    assert not similarity.diagonal().any()
    assert similarity[left[0], left[1:]].min() > 0.9
    assert similarity[np.ix_(left, right)].max() < 0.01
    distance = np.linalg.norm(regions.centre[left[0]] - regions.centre[right[0]])
    assert regions.proximity(10.0)[left[0], right[0]] == pytest.approx(np.exp(-(distance**2) / 200), rel=1e-3)


def test_values_and_points_are_found_by_region(regions: Regions) -> None:
    """Points are (x, y); those outside the image count as on its border."""
    columns = np.tile(np.arange(WIDTH), (HEIGHT, 1))
    np.testing.assert_allclose(regions.mean(columns), regions.centre[:, 0], rtol=1e-5)
    points = np.array([[50.4, 3.6], [-9, 100], [WIDTH, 0]], np.float32)
    expected = [regions.labels[4, 50], regions.labels[-1, 0], regions.labels[0, -1]]
    assert regions.at(points).tolist() == expected


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (9, 2)])
def test_small_images_have_regions_too(size: tuple[int, int]) -> None:
    found = find_regions(np.full((*size, 3), 90, np.uint8))
    assert found.area.sum() == size[0] * size[1]
    assert len(found) == -(-size[0] // SPACING) * -(-size[1] // SPACING)


def test_the_same_image_gives_the_same_regions(regions: Regions) -> None:
    np.testing.assert_array_equal(two_halves().labels, regions.labels)
