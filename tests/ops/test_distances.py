"""Distances between points."""

from __future__ import annotations

import numpy as np
import pytest

from vos.ops.distances import squared_distances


def test_squared_distances() -> None:
    """Of each point to each other one, here of 23 numbers, and of none to none."""
    rng = np.random.default_rng(0)
    points, others = rng.normal(size=(7, 23)).astype(np.float32), rng.normal(size=(5, 23)).astype(np.float32)
    expected = ((points[:, None] - others[None]) ** 2).sum(axis=2)
    found = squared_distances(points, others)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, rel=1e-4)
    assert squared_distances(points[:0], others).shape == (0, 5)
    assert squared_distances(points, others[:0]).shape == (7, 0)
