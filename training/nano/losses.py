"""What the network is asked for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vos.backbones.nano.network import Pyramid, similarity_cue
from vos.trackers.knn_matching import knn_similarity
from vos.trackers.nano.tuning import mask_loss

TEMPERATURE = 0.07
"""Difference in cosine that makes a cell e times as likely the object's, in the matching loss."""
REMEMBERED = (64, 192)
"""Columns of the reference drawn from the object, and from the rest."""
ALL = 0.1
"""Weight of the mean over all candidates, beside the best one's loss, where a prompt is ambiguous."""


def candidate_loss(logits: Tensor, truth: Tensor, ambiguous: Tensor) -> Tensor:
    """Scalar: of (N, K, h, w) candidates for (N, h, w) truths.

    Of an ambiguous prompt (N,) only the best candidate has to be right, so that candidates may differ
    (SAM, Kirillov et al., 2023); else all of them.
    """
    each = mask_loss(logits, truth[:, None].expand_as(logits))
    mean = each.mean(dim=1)
    return torch.where(ambiguous, each.min(dim=1).values + ALL * mean, mean).mean()


def quality_loss(quality: Tensor, logits: Tensor, truth: Tensor) -> Tensor:
    """Scalar: squared error of the predicted IoU, (N, K) logits."""
    with torch.no_grad():
        masks, inside = logits > 0, truth[:, None] > 0.5
        common = (masks & inside).sum(dim=(2, 3))
        overlap = common / (masks | inside).sum(dim=(2, 3)).clamp_min(1)
    return F.mse_loss(torch.sigmoid(quality.float()), overlap)


def match(
    here: Pyramid, there: Pyramid, there_masks: Tensor, truth: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The object of each reference, matched in each image.

    Args:
        here, there: of N images and of their N references.
        there_masks, truth: (N, h, w) float32 masks of the references and of the images.
        generator: draws the columns that are remembered.

    Returns:
        A scalar loss: cross-entropy of each cell's label by its nearest stored columns, as in tracking
        (:mod:`vos.trackers.knn_matching`). And (N, h, w) ``similar`` cues, without gradient; 0 where the
        object or the rest of the reference covers no cell.
    """
    columns, remembered = (F.normalize(p.columns.float(), dim=1) for p in (here, there))
    size = columns.shape[-2:]
    covered = F.adaptive_avg_pool2d(truth[:, None], size)[:, 0]
    shown = F.adaptive_avg_pool2d(there_masks[:, None], size)[:, 0]
    losses, cues = [], []
    for grid, memory, part, target in zip(columns, remembered, shown, covered, strict=True):
        on, off = (
            _drawn(memory[:, cells], limit, generator)
            for cells, limit in zip((part > 0.5, part < 0.02), REMEMBERED, strict=True)
        )
        if not on.shape[1] or not off.shape[1]:
            cues.append(truth.new_zeros(truth.shape[-2:]))
            continue
        difference = knn_similarity(grid, on) - knn_similarity(grid, off)
        weight = torch.where(target > 0.5, 0.5 / target.mean().clamp_min(0.05), 1.0)
        losses.append(
            (
                F.binary_cross_entropy_with_logits(difference / TEMPERATURE, target, reduction="none")
                * weight
            ).mean()
        )
        cues.append(similarity_cue(difference.detach(), (truth.shape[-2], truth.shape[-1])))
    loss = torch.stack(losses).mean() if losses else columns.sum() * 0
    return loss, torch.stack(cues)


def _drawn(columns: Tensor, limit: int, generator: torch.Generator) -> Tensor:
    """At most ``limit`` of (C, m) columns, by chance."""
    if columns.shape[1] <= limit:
        return columns
    return columns[:, torch.randperm(columns.shape[1], generator=generator)[:limit]]
