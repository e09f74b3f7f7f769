"""What a user would give, made up on the GPU: first prompts of a mask, and clicks that correct an answer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from training.nano.cue_noise import CueNoise, rough_fields
from vos.backbones.interactive.network import BOX, DISC, MASK, MASK_LOGIT, OFF, ON, PLANES

ROUGH = 0.5
"""Certainty of a rough mask in its plane."""


@dataclass(frozen=True)
class PromptMix:
    """How often a first prompt is of a kind; one click for the rest."""

    box: float = 0.25
    rough: float = 0.15
    stroke: float = 0.07
    boxed_click: float = 0.08
    """A box and a click."""
    negative: float = 0.15
    """Share of first clicks that come with one off the object."""
    slack: float = 0.06
    """Spread of a box's sides, in its extents."""
    corrective: float = 0.75
    """Share of later rounds with a new click; the others have the answer itself as mask."""
    stroke_points: int = 6


def first_prompts(mask: Tensor, mix: PromptMix) -> tuple[Tensor, Tensor]:
    """(N, 4, h, w) planes for (N, h, w) masks, and (N,) bool: whether the prompt is ambiguous."""
    count, device = len(mask), mask.device
    kind = torch.rand(count, device=device)
    edges = torch.tensor([mix.box, mix.rough, mix.stroke, mix.boxed_click], device=device).cumsum(0)
    boxed, rough = kind < edges[0], (kind >= edges[0]) & (kind < edges[1])
    stroke, both = (kind >= edges[1]) & (kind < edges[2]), (kind >= edges[2]) & (kind < edges[3])
    clicked = ~(boxed | rough)
    depth = depths(mask)
    planes = torch.zeros(count, len(PLANES), *mask.shape[-2:], device=device)
    planes[:, ON] = discs(_drawn(depth, _sharpness(count, device)), mask.shape) * _as(clicked)
    for _ in range(mix.stroke_points - 1):
        more = discs(_drawn(depth, torch.ones(count, device=device)), mask.shape) * _as(stroke)
        planes[:, ON] = torch.maximum(planes[:, ON], more)
    negative = clicked & (torch.rand(count, device=device) < mix.negative)
    around = depths(1 - mask) * (_softened(mask, 61) + 0.02)
    planes[:, OFF] = discs(_drawn(around, torch.ones(count, device=device)), mask.shape) * _as(negative)
    planes[:, BOX] = _boxes(mask, mix.slack) * _as(boxed | both)
    size = mask.sum(dim=(1, 2)).clamp_min(16).sqrt()
    strength = 0.2 + 1.4 * torch.rand(count, device=device)
    field = rough_fields(mask, size, strength, CueNoise())
    planes[:, MASK] = ROUGH * torch.sign(field) * _as(rough)
    return planes, clicked & ~stroke & ~both


def next_prompts(planes: Tensor, logits: Tensor, mask: Tensor, mix: PromptMix) -> Tensor:
    """The planes with the answer (N, h, w) as previous mask and, mostly, a click on one of its mistakes."""
    count, device = len(mask), mask.device
    planes = planes.clone()
    believed = (logits / MASK_LOGIT).clamp(-1, 1)
    coarse = F.interpolate(F.avg_pool2d(believed[:, None], 4), mask.shape[-2:], mode="bilinear")[:, 0]
    planes[:, MASK] = torch.where(_as(torch.rand(count, device=device) < 0.5) > 0, coarse, believed)
    missed, wrong = mask * (logits <= 0), (1 - mask) * (logits > 0)
    depth = torch.stack([depths(missed), depths(wrong)], dim=1)
    worst = depth.amax(dim=(2, 3))
    take = worst[:, 0] >= worst[:, 1]
    # Now and then the smaller of the two, for users do not measure.
    take = torch.where((torch.rand(count, device=device) < 0.15) & (worst.amin(dim=1) > 1.5), ~take, take)
    chosen = torch.where(_as(take) > 0, depth[:, 0], depth[:, 1])
    at = discs(_drawn(chosen, _sharpness(count, device)), mask.shape)
    active = (torch.rand(count, device=device) < mix.corrective) & (chosen.amax(dim=(1, 2)) > 1)
    at = at * _as(active)
    planes[:, ON] = torch.maximum(planes[:, ON], at * _as(take))
    planes[:, OFF] = torch.maximum(planes[:, OFF], at * _as(~take))
    return planes


def depths(mask: Tensor) -> Tensor:
    """(N, h, w) about how many pixels lie between a pixel of the mask and where it ends; 0 outside.

    Counted at half the size, in steps that grow; the border of the image ends a mask as well.
    """
    inside = (F.avg_pool2d(mask[:, None], 2) > 0.5).float()
    depth = torch.zeros_like(inside)
    for reach, times in ((1, 4), (2, 4), (4, 4)):
        for _ in range(times):
            inside = -F.max_pool2d(F.pad(-inside, [reach] * 4), 2 * reach + 1, 1)
            depth = depth + 2 * reach * inside
    return (1 + F.interpolate(depth, mask.shape[-2:], mode="bilinear")[:, 0]) * mask


def discs(at: Tensor, shape: torch.Size) -> Tensor:
    """(N, h, w) discs of radius ``DISC`` about (N,) flat places."""
    height, width = shape[-2:]
    y = torch.arange(height, device=at.device, dtype=torch.float32)
    x = torch.arange(width, device=at.device, dtype=torch.float32)
    row, column = (at // width).float()[:, None, None], (at % width).float()[:, None, None]
    return ((y[None, :, None] - row) ** 2 + (x[None, None] - column) ** 2 <= DISC**2).float()


def _sharpness(count: int, device: torch.device) -> Tensor:
    """(N,) exponents of depth: half of the users aim at the middle, the others anywhere inside."""
    draw = torch.rand(count, device=device)
    return torch.where(draw < 0.5, 8.0, torch.where(draw < 0.85, 2.0, 0.7))


def _drawn(depth: Tensor, sharpness: Tensor) -> Tensor:
    """(N,) flat places, drawn by depth to a power."""
    weight = (depth / depth.amax(dim=(1, 2), keepdim=True).clamp_min(1e-6)) ** sharpness[:, None, None]
    return torch.multinomial((weight * (depth > 0)).flatten(1) + 1e-12, 1)[:, 0]


def _boxes(mask: Tensor, slack: float) -> Tensor:
    """(N, h, w) 1 inside a box about the mask, -1 outside."""
    count, device = len(mask), mask.device
    spread = slack * torch.rand(count, device=device) ** 2 * 2
    ends = []
    for line in (mask.amax(dim=2), mask.amax(dim=1)):
        axis = torch.arange(line.shape[1], device=device, dtype=torch.float32)
        first = torch.where(line > 0, axis, float(line.shape[1])).amin(dim=1)
        last = torch.where(line > 0, axis, -1.0).amax(dim=1)
        wide = spread * (last - first + 1)
        first = first + wide * torch.randn(count, device=device)
        last = last + wide * torch.randn(count, device=device)
        ends.append((axis >= first[:, None] - 0.5) & (axis <= last[:, None] + 0.5))
    return (ends[0][:, :, None] & ends[1][:, None, :]).float() * 2 - 1


def _softened(values: Tensor, width: int) -> Tensor:
    """(N, h, w) means of squares of an odd number of pixels."""
    half = width // 2
    padded = F.pad(values[:, None], (half, half, half, half), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(padded, (width, 1), 1), (1, width), 1)[:, 0]


def _as(rows: Tensor) -> Tensor:
    return rows.float()[:, None, None]
