"""Grid masks, target embeddings, location priors: by hand, on small arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from vos.backbones.grid_mask import grid_mask, grid_values
from vos.backbones.sam.preprocess import to_input
from vos.trackers.persam.location_prior import (
    attention_bias,
    location_prior,
    negative_points,
    padded_location_prior,
    positive_points,
)
from vos.trackers.persam.target_embedding import embed_target, similarity_map


@pytest.mark.parametrize(
    ("level", "needed"), [(128, 0.9662), (215, 0.5752), (255, 0.4850), (124, 0.99738)], ids=str
)
def test_reference_cells_need_coverage_by_the_level_of_the_mask(level: int, needed: float) -> None:
    """A cell is selected when its interpolated red passes the mean that preprocessing subtracts."""
    mean, std = 123.675, 58.395
    for coverage, expected in ((needed + 0.001, True), (needed - 0.001, False)):
        channel = torch.full((64, 64), (coverage * level - mean) / std)
        assert bool((grid_values(channel, 4) > 0).all()) is expected


def test_reference_cells_through_the_whole_preprocessing() -> None:
    """A raw label of 1 is never selected; 128 erodes the mask; 255 does not; the padding is not selected."""
    picture = np.zeros((96, 128, 3), dtype=np.uint8)
    picture[16:72, 24:100, 0] = 1
    selected = {}
    for level in (1, 128, 215, 255):
        channel = to_input(picture * np.uint8(level), 1024)[0, 0]
        selected[level] = grid_values(channel, 64) > 0
    assert not bool(selected[1].any())
    counts = [int(selected[level].sum()) for level in (128, 215, 255)]
    assert counts[0] <= counts[1] <= counts[2]
    assert counts[0] >= 26 * 36
    assert not bool(selected[255][48:].any())


def test_grid_mask_takes_cells_at_least_half_covered() -> None:
    """Area averages decide, not samples."""
    mask = torch.zeros(8, 12, dtype=torch.bool)
    mask[:4, :6] = True
    assert grid_mask(mask, (2, 3)).tolist() == [[True, True, False], [False, False, False]]
    mask[0, 4] = False  # the second cell is at 7 of 16 now
    assert grid_mask(mask, (2, 3)).tolist() == [[True, False, False], [False, False, False]]


def test_target_thinner_than_the_grid_gets_its_best_cell() -> None:
    """One pixel selects the cell it lies in; an empty mask selects none."""
    mask = torch.zeros(64, 96, dtype=torch.bool)
    mask[37, 70] = True
    cells = grid_mask(mask, (4, 6))
    assert cells.nonzero().tolist() == [[2, 4]]
    assert not bool(grid_mask(torch.zeros_like(mask), (4, 6)).any())
    resized = np.array(Image.fromarray(mask.numpy()).resize((6, 4), Image.Resampling.NEAREST))
    assert not resized.any()  # where sampling would have lost it


def test_embeddings_by_hand() -> None:
    """Mean; half maximum and half mean; nothing for no cells."""
    features = torch.tensor([[[1.0, 3.0], [100.0, 100.0]], [[4.0, 0.0], [100.0, 100.0]]])
    cells = torch.tensor([[True, True], [False, False]])
    mean = embed_target(features, cells)
    assert mean.vector.tolist() == [2.0, 2.0]
    assert mean.support == 2
    torch.testing.assert_close(mean.direction, torch.full((2,), 0.5).sqrt())
    assert embed_target(features, cells, "max_mean").vector.tolist() == [2.5, 3.0]
    for pooling in ("mean", "max_mean"):
        nothing = embed_target(features, torch.zeros_like(cells), pooling)
        assert nothing.support == 0
        assert nothing.vector.tolist() == nothing.direction.tolist() == [0.0, 0.0]


def test_similarity_is_cosine() -> None:
    """1 where a column points the same way, whatever its length; 0 across; -1 opposite; 0 for no column."""
    features = torch.tensor([[[5.0, 0.0, -2.0, 0.0]], [[0.0, 3.0, 0.0, 0.0]]])
    assert similarity_map(features, torch.tensor([1.0, 0.0])).tolist() == [[1.0, 0.0, -1.0, 0.0]]


def test_points_are_xy_of_the_extremes() -> None:
    """Columns first; best first; the first in reading order of equals; no more than there are pixels."""
    prior = torch.zeros(3, 5)
    prior[1, 3], prior[2, 0], prior[0, 4] = 2.0, 1.0, -1.0
    assert positive_points(prior, 2).tolist() == [[3, 1], [0, 2]]
    assert negative_points(prior, 1).tolist() == [[4, 0]]
    assert positive_points(torch.ones(2, 1), 5).shape == (2, 2)


def test_three_resizes_are_not_one() -> None:
    """The reference's prior differs from a single resize; a constant stays what it is in both."""
    similarity = torch.rand(8, 8, generator=torch.Generator().manual_seed(0))

    def to_image(maps: torch.Tensor) -> torch.Tensor:
        from vos.backbones.sam.preprocess import upscale

        return upscale(maps, (100, 128), 128)

    three = padded_location_prior(similarity, to_image)
    assert three.shape == (100, 128)
    assert float((three - location_prior(similarity, (100, 128))).abs().max()) > 1e-3
    flat = padded_location_prior(torch.full((8, 8), 0.25), to_image)
    torch.testing.assert_close(flat, torch.full((100, 128), 0.25))


def test_attention_bias() -> None:
    """A sigmoid of the standardised prior, stretched over the grid; one half where the prior is flat."""
    prior = torch.zeros(32, 64)
    prior[:, 32:] = 1.0
    deviation = prior.std()
    low, high = torch.sigmoid(-0.5 / deviation), torch.sigmoid(0.5 / deviation)
    stretched = attention_bias(prior, 8)
    torch.testing.assert_close(stretched[:, 0], low.expand(8))
    torch.testing.assert_close(stretched[:, -1], high.expand(8))
    torch.testing.assert_close(attention_bias(torch.ones(4, 8), 8), torch.full((8, 8), 0.5))
