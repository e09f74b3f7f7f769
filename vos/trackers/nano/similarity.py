"""How similar a frame is to the objects and to the background of the reference frames, in the network's own
features."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...backbones.grid_mask import grid_mask
from ...backbones.nano.backbone import NanoBackbone
from ...backbones.nano.network import Pyramid, similarity_cue
from ..knn_matching import NEAREST, nearest_cosines, sample_columns
from .network_input import padded
from .tuning import Reference


@torch.inference_mode()
def recollect(
    backbone: NanoBackbone, references: tuple[Reference, ...], ids: tuple[int, ...], limit: int
) -> tuple[Tensor, ...]:
    """Unit feature columns (C, m) of the background and of every object in the references."""
    found: list[list[Tensor]] = [[] for _ in (0, *ids)]
    for reference in references:
        cropped, _ = padded(reference.cropped)
        columns = backbone.network.encoder(backbone.to_input(cropped[None])).columns[0]
        grid = F.normalize(columns.float(), dim=0)
        free = torch.ones(grid.shape[1:], dtype=torch.bool)
        for k, object_id in enumerate(ids, start=1):
            covered = _cells(reference.labels == object_id, cropped.shape[:2], grid)
            found[k].append(sample_columns(grid, covered.to(grid.device), limit))
            free &= ~covered
        free &= _cells(~np.isin(reference.labels, ids), cropped.shape[:2], grid)
        found[0].append(sample_columns(grid, free.to(grid.device), 4 * limit))
    return tuple(torch.cat(parts, dim=1) for parts in found)


def _cells(mask: NDArray[np.bool_], size: tuple[int, ...], grid: Tensor) -> Tensor:
    """(g, g') bool: the cells of a (C, g, g') grid that a mask covers, which is padded to ``size``."""
    whole = torch.zeros(size, dtype=torch.bool)
    whole[: mask.shape[0], : mask.shape[1]] = torch.from_numpy(mask)
    return grid_mask(whole, (grid.shape[1], grid.shape[2]))


def similarity_planes(pyramid: Pyramid, remembered: tuple[Tensor, ...], size: tuple[int, ...]) -> Tensor:
    """(K, h, w) cue: similarity of each cell to each object minus that to the rest; 0 if either is
    unknown.

    Args:
        remembered: (C, m) columns of the background and of every object.
    """
    grid = F.normalize(pyramid.columns[0].float(), dim=0)
    nearest = [nearest_cosines(grid, columns) for columns in remembered]
    planes = []
    for k in range(1, len(nearest)):
        rest = torch.cat(nearest[:k] + nearest[k + 1 :])
        if len(nearest[k]) and len(rest):
            others = rest.topk(min(NEAREST, len(rest)), dim=0).values
            difference = nearest[k].mean(dim=0) - others.mean(dim=0)
            planes.append(similarity_cue(difference, (size[0], size[1])))
        else:
            planes.append(grid.new_zeros(size[0], size[1]))
    return torch.stack(planes)
