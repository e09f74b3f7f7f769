"""Similarity of a frame with the objects and the background of the reference frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.backbones.nano.backbone import NanoBackbone
from vos.backbones.nano.network import NanoConfig, NanoNetwork, Pyramid, similarity_cue
from vos.trackers.knn_matching import knn_similarity
from vos.trackers.nano.similarity import recollect, similarity_planes
from vos.trackers.nano.tuning import Reference

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def backbone() -> NanoBackbone:
    torch.manual_seed(0)
    return NanoBackbone(NanoNetwork(NanoConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0), 12)))


def reference(*boxes: tuple[int, slice, slice]) -> Reference:
    labels = np.zeros((64, 90), np.uint8)
    for object_id, rows, columns in boxes:
        labels[rows, columns] = object_id
    image = np.random.default_rng(0).integers(0, 256, (64, 90, 3), dtype=np.uint8)
    return Reference(image, labels)


def test_each_cell_is_of_one_owner(backbone: NanoBackbone) -> None:
    """Columns of the background, then of the objects in the order of their ids; up to the limit, and of the
    background four times as many. Padding is nobody's."""
    given = reference((7, slice(0, 32), slice(0, 32)), (3, slice(32, 64), slice(0, 16)))
    background, three, seven = recollect(backbone, (given,), (3, 7), 256)
    assert (three.shape[1], seven.shape[1]) == (8, 16)  # cells of 8x8 pixels
    assert 8 * 11 - 24 <= background.shape[1] <= 8 * 12 - 24
    for columns in (background, three, seven):
        torch.testing.assert_close(columns.norm(dim=0), torch.ones(columns.shape[1]))
    assert [c.shape[1] for c in recollect(backbone, (given, given), (3, 7), 5)] == [40, 10, 10]


def test_similarity_with_it_and_with_all_else(backbone: NanoBackbone) -> None:
    """As if every object was compared with its own columns and with those of all others together."""
    given = reference((1, slice(0, 32), slice(0, 32)), (2, slice(32, 64), slice(32, 64)))
    remembered = recollect(backbone, (given,), (1, 2), 256)
    torch.manual_seed(1)
    columns = torch.randn(1, 12, 6, 7)
    found = similarity_planes(Pyramid((), columns), remembered, (48, 56))
    grid = torch.nn.functional.normalize(columns[0], dim=0)
    background, one, two = remembered
    for plane, own, other in zip(found, (one, two), (two, one), strict=True):
        difference = knn_similarity(grid, own) - knn_similarity(grid, torch.cat([background, other], dim=1))
        torch.testing.assert_close(plane, similarity_cue(difference, (48, 56)))


def test_nothing_is_known_of_an_object_that_is_not_there(backbone: NanoBackbone) -> None:
    """Its cue is 0; so is that of one that fills the references."""
    everywhere = reference((1, slice(0, 64), slice(0, 90)))
    remembered = recollect(backbone, (everywhere,), (1, 2), 256)
    pyramid = Pyramid((), torch.randn(1, 12, 6, 7))
    assert not similarity_planes(pyramid, remembered[:2], (48, 56)).any()
    assert not similarity_planes(pyramid, remembered, (48, 56))[1].any()
