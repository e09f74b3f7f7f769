"""Which cells of the feature grid belong to a mask (PerSAM, Zhang et al. 2023)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def grid_values(channel: Tensor, grid: int) -> Tensor:
    """(grid, grid) float32 samples of the (S, S) first channel of a preprocessed mask image.

    The reference sends the mask through the image preprocessing and samples it at the cell centres
    (bilinear, no averaging). Cells > 0 are selected, so what a cell needs to be covered depends on the grey
    level of the mask: 96.6 % for the 128 of PerSeg, 57.5 % for 215, 48.5 % for 255, never for 1.
    """
    return F.interpolate(channel[None, None], (grid, grid), mode="bilinear", align_corners=False)[0, 0]


def grid_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w) bool cells at least half covered by an (H, W) bool mask; the best covered one where none is.

    An empty mask selects nothing.
    """
    coverage = F.interpolate(mask[None, None].float(), size, mode="area")[0, 0]
    selected = coverage >= 0.5
    if bool(selected.any()) or not bool(mask.any()):
        return selected
    # Thinner than a pixel of the grid? Then area averaging may still have seen it: it never skips pixels.
    return (coverage == coverage.max()) & (coverage > 0)
