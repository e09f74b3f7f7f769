"""Distances between points."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats


def squared_distances(points: Floats, others: Floats) -> Floats:
    """(N, M) float32 squared Euclidean distance of each of (N, C) points to each of (M, C) others.

    Where points coincide it may be negative by rounding.
    """
    squares: Floats = points @ (-2 * others.T)
    squares += np.einsum("mc,mc->m", others, others)
    squares += np.einsum("nc,nc->n", points, points)[:, None]
    return squares
