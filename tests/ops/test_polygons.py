"""Outlines: exact with holes and pieces, and one closed path around holes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask
from scipy.sparse.csgraph import minimum_spanning_tree

from vos.ops import polygons
from vos.ops.polygons import at_least_three, closed_path, edges, fill, fill_centres, fill_parity, rings

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))


@given(mask=MASKS)
def test_rings_give_the_mask_back(mask: np.ndarray) -> None:
    """By parity: outer rings and holes alike."""
    everything = [ring for outer, holes in rings(mask) for ring in (outer, *holes)]
    assert np.array_equal(fill_parity(everything, mask.shape), mask)


def blob(seed: int, size: int = 80) -> np.ndarray:
    """One piece with holes inside."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((size, size), np.uint8)
    cv2.ellipse(mask, (size // 2, size // 2), (size // 3, size // 4), int(rng.integers(180)), 0, 360, 1, -1)
    for _ in range(4):
        centre = tuple(int(v) for v in rng.integers(size // 2 - 10, size // 2 + 10, 2))
        cv2.circle(mask, centre, int(rng.integers(1, 4)), 0, -1)
    return mask.astype(bool)


def test_one_path_around_holes_is_exact() -> None:
    """Truncated or rounded, the joined path fills exactly the object, holes spared."""
    clean = [pieces[0] for seed in range(30) if len(pieces := rings(blob(seed))) == 1 and pieces[0][1]]
    assert len(clean) >= 10
    for outer, holes in clean:
        mask = fill_parity([outer, *holes], (80, 80))
        path = closed_path([outer, *holes])
        assert np.array_equal(fill([path], mask.shape), mask)
        assert np.array_equal(fill([np.floor(path + 0.25)], mask.shape), mask)


def test_the_nearest_ring_is_next() -> None:
    """All bridges together are as short as they can be, whatever the order of the rings."""
    rng = np.random.default_rng(5)
    mask = np.zeros((90, 120), bool)
    mask[5:85, 5:115] = True
    mask[rng.integers(7, 83, 60), rng.integers(7, 113, 60)] = False
    pieces = [ring for outer, holes in rings(mask) for ring in (outer, *holes)]
    around = [_length(pieces[0]), *(_length(np.concatenate([p, p[:1]])) for p in pieces[1:])]
    bridges = (_length(closed_path(pieces)) - sum(around)) / 2
    apart = [[np.hypot(*(a[:, None] - b[None]).T).min() for a in pieces] for b in pieces]
    least = minimum_spanning_tree(np.array(apart) + 1).sum() - (len(pieces) - 1)  # an edge of 0 would be none
    assert bridges == pytest.approx(least)


def _length(path: np.ndarray) -> float:
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def test_bridges_between_pieces_are_one_pixel_wide() -> None:
    """Two squares 5 pixels apart: the path adds a line between them."""
    mask = np.zeros((20, 30), bool)
    mask[5:10, 2:8] = mask[5:10, 13:20] = True
    path = closed_path([outer for outer, _ in rings(mask)])
    wrong = fill([path], mask.shape) & ~mask
    assert wrong.sum() == 5
    assert not (mask & ~fill([path], mask.shape)).any()


def test_simplified() -> None:
    """Douglas-Peucker takes points away and stays within the distance."""
    mask = blob(3)
    ((exact, _),), ((rough, _),) = rings(mask), rings(mask, epsilon=2)
    assert len(rough) < len(exact) / 2
    around = np.ones((5, 5), np.uint8)
    whole, drawn = (fill([ring], mask.shape).astype(np.uint8) for ring in (exact, rough))
    assert not (cv2.erode(whole, around) & ~drawn).any()
    assert not (drawn & ~cv2.dilate(whole, around)).any()


def test_small_rings_are_padded() -> None:
    """One pixel is three times the same point."""
    mask = np.zeros((5, 5), bool)
    mask[2, 3] = True
    ((outer, _),) = rings(mask)
    assert at_least_three(outer).tolist() == [[3, 2]] * 3
    assert rings(np.zeros((3, 3), bool)) == []


def test_coordinates_beyond_the_image_are_harmless() -> None:
    """Infinite and absurd coordinates are clipped: what is drawn is the part within the image."""
    far = np.array([[-1e30, -np.inf], [1.0, -1e30], [1.0, np.inf], [-1e30, 1e30]])
    assert fill([far], (3, 4)).tolist() == [[True, True, False, False]] * 3
    assert fill([np.array([[np.nan, 0], [3, 0], [3, 2], [np.nan, 2]])], (3, 4)).all()


@given(mask=MASKS)
def test_edges_give_the_mask_back(mask: np.ndarray) -> None:
    """Filled by centres, and by pycocotools, they are the mask without its holes."""
    whole = fill([outer for outer, _ in rings(mask)], mask.shape)
    found = edges(mask)
    assert np.array_equal(fill_centres(found, mask.shape), whole)
    if found:
        encoded = coco_mask.frPyObjects([path.ravel().tolist() for path in found], *mask.shape)
        assert np.array_equal(coco_mask.decode(coco_mask.merge(encoded)), whole)


def test_centres_of_any_polygon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels whose centres are inside by crossings of a ray, beyond the image too, in pieces of any size."""
    rng = np.random.default_rng(3)
    for number in range(20):
        path = rng.uniform(-10, 40, (rng.integers(3, 9), 2))
        rows, columns = np.mgrid[:20, :30] + 0.5
        inside = np.zeros((20, 30), bool)
        for (x0, y0), (x1, y1) in zip(path, np.roll(path, -1, axis=0), strict=True):
            crosses = (y0 <= rows) != (y1 <= rows)
            inside ^= crosses & (x0 + (rows - y0) * (x1 - x0) / (y1 - y0) < columns)
        monkeypatch.setattr(polygons, "_AT_ONCE", 1 << number)
        assert np.array_equal(fill_centres([path], (20, 30)), inside)
