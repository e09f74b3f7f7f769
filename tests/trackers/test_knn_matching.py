"""Similarity with the nearest of what is remembered, by hand."""

from __future__ import annotations

import pytest
import torch

from vos.trackers.knn_matching import NEAREST, knn_similarity, sample_columns, soft_assignment


def test_columns_are_spread_evenly() -> None:
    """In reading order, the first and the last among them; all where there are no more than wanted."""
    grid = torch.arange(20.0).reshape(1, 4, 5)
    cells = grid[0] >= 10
    assert sample_columns(grid, cells, 4).tolist() == [[10, 13, 16, 19]]
    assert sample_columns(grid, cells, 10).tolist() == [list(range(10, 20))]
    assert sample_columns(grid, grid[0] < 0, 4).shape == (1, 0)


def test_a_cell_is_as_similar_as_to_its_nearest() -> None:
    """The mean over the nearest few: what else is remembered does not count."""
    grid = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).reshape(2, 1, 2)
    on, off = torch.tensor([[1.0], [0.0]]), torch.tensor([[-1.0], [0.0]])
    remembered = torch.cat([on.repeat(1, NEAREST - 1), off.repeat(1, 5)], dim=1)
    found = knn_similarity(grid, remembered)
    assert found.shape == (1, 2)
    assert found[0, 0] == pytest.approx((NEAREST - 1 - 1) / NEAREST)
    assert found[0, 1] == 0
    assert knn_similarity(grid, torch.cat([on] * NEAREST + [off], dim=1))[0, 0] == 1
    assert knn_similarity(grid, on).tolist() == [[1, 0]]
    assert knn_similarity(grid, on[:, :0]).tolist() == [[-1, -1]]


def test_shares_of_owners() -> None:
    """Probabilities by the difference of similarities over the temperature."""
    shares = soft_assignment(torch.tensor([0.9, 0.7, 0.7]).reshape(3, 1, 1), 0.1)
    likely = torch.exp(torch.tensor(2.0))
    torch.testing.assert_close(shares.flatten(), torch.tensor([likely, 1, 1]) / (likely + 2))
