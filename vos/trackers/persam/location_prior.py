"""Location prior: similarity at image size, and the points at its extremes (Zhang et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def location_prior(similarity: Tensor, image_size: tuple[int, int]) -> Tensor:
    """(H, W) prior from an (h, w) similarity map whose grid covers the image exactly."""
    return F.interpolate(similarity[None, None], image_size, mode="bilinear", align_corners=False)[0, 0]


def padded_location_prior(similarity: Tensor, to_image: Callable[[Tensor], Tensor]) -> Tensor:
    """(H, W) prior S from the (g, g) map of a padded square, as the reference makes it.

    ``to_image`` is the backbone's U(.), (N, K, 4g, 4g) to (N, K, H, W). With it there are three successive
    bilinear resizes, which is not numerically the same as one.
    """
    fourfold = F.interpolate(similarity[None, None], scale_factor=4, mode="bilinear", align_corners=False)
    return to_image(fourfold)[0, 0]


def positive_points(prior: Tensor, count: int) -> Tensor:
    """(count, 2) int64 xy of the highest values of an (H, W) prior, best first.

    There is no suppression of neighbours: two points are normally adjacent pixels.
    """
    return _points(prior, prior.flatten().topk(min(count, prior.numel())).indices)


def negative_points(prior: Tensor, count: int) -> Tensor:
    """(count, 2) int64 xy of the lowest values of an (H, W) prior, lowest first."""
    return _points(prior, prior.flatten().topk(min(count, prior.numel()), largest=False).indices)


def _points(prior: Tensor, index: Tensor) -> Tensor:
    width = prior.shape[1]
    return torch.stack([index % width, index // width], dim=1)


def attention_bias(prior: Tensor, grid: int) -> Tensor:
    """(grid, grid) bias g in 0..1 from an (H, W) prior S, as the reference code makes it.

    S covers the image but is stretched over the whole padded grid, so for images that are not square
    the bias is not aligned with the features.
    A prior that is the same everywhere, for which the reference has no value, gives a bias of one half.
    """
    # Of a single value there is no unbiased deviation.
    spread = prior.std().clamp_min(1e-12) if prior.numel() > 1 else prior.new_ones(())
    standard = (prior - prior.mean()) / spread
    resized = F.interpolate(standard[None, None], (grid, grid), mode="bilinear", align_corners=False)
    return torch.sigmoid(resized)[0, 0]
