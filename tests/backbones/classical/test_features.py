"""The grid for matching: its cells, and what their cosine says."""

from __future__ import annotations

import numpy as np

from vos.backbones.classical.features import CELL, CHANNELS, dense_grid


def test_cells_that_look_alike_are_alike() -> None:
    """Two patches of one colour, and the ground between them; the last cells may be cut off."""
    image = np.full((61, 83, 3), (40, 120, 60), np.uint8)
    image[16:32, 8:24] = image[16:32, 56:72] = (200, 60, 40)
    grid = dense_grid(image)
    assert grid.shape == (CHANNELS, -(-61 // CELL), -(-83 // CELL))
    np.testing.assert_allclose(np.linalg.norm(grid, axis=0), 1, rtol=1e-4)
    row, one, other, ground, last = 24 // CELL, 16 // CELL, 64 // CELL, 40 // CELL, 60 // CELL
    cosines = grid[:, row, one] @ grid[:, row]
    assert cosines[other] > 0.99
    assert cosines[ground] < 0.3
    assert grid[:, last, 0] @ grid[:, last, -1] > 0.95
    np.testing.assert_array_equal(dense_grid(image), grid)
