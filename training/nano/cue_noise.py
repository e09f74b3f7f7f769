"""Cues of a tracker that errs, and of prompts, made up on the GPU from the truth.

As in :mod:`vos.trackers.nano.mask_perturbation` and :mod:`vos.trackers.nano.region_errors`, for whole
batches: masks are bent, grown, shrunk and broken at the outline; patches of one colour are missed or taken
in; parts of another object are taken in; now and then all is lost. The appearance cue compares
colours with those of the first frame, as the classical tracker does, though more simply.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vos.backbones.nano.cues import APPEARANCE, BOX, CUES, MASK, OFF, ON, POINT_RADIUS, WARPED


@dataclass(frozen=True)
class CueNoise:
    """How often and how much."""

    bend: float = 0.05
    """Spread of the displacement, in object sizes, at a strength of 1."""
    strength: tuple[float, float] = (0.1, 1.6)
    patches: float = 0.7
    """Share of samples with errors of whole patches of one colour."""
    shared: float = 0.75
    """Chance that a cue has the errors of patches."""
    rival: float = 0.15
    """Share of samples in which a part of the other object is taken for this one."""
    lost: float = 0.04
    """Share of samples in which the tracker has lost the object."""
    dropped: float = 0.1
    appearance_dropped: float = 0.3
    """Chance that the appearance cue is left out."""
    bare: float = 0.15
    """Share of samples without any cue of a tracker: memory alone."""
    prompted: float = 0.1
    """Share of samples with a prompt in place of a tracker's cues."""


def tracker_cues(
    mask: Tensor,
    other: Tensor,
    image: Tensor,
    first: tuple[Tensor, Tensor],
    noise: CueNoise,
) -> Tensor:
    """(N, 7, S, S) cues.

    Args:
        mask, other: (N, S, S) float32, 0 or 1: the object, and the other object.
        image: (N, 3, S, S) float32 in 0..255.
        first: image and mask of the object in the first frame.
        noise: see there.
    """
    count, side, device = len(mask), mask.shape[-1], mask.device
    size = mask.sum(dim=(1, 2)).clamp_min(16).sqrt()
    low, high = noise.strength
    strength = low + (high - low) * torch.rand(count, device=device) ** 1.5
    missed, spill = _patches(mask, image, size, noise)
    taken = _rival(mask, other, noise)
    cues = torch.zeros(count, len(CUES), side, side, device=device)
    for channel in (MASK, WARPED, APPEARANCE):
        field = rough_fields(mask, size, strength, noise)
        agree = (torch.rand(count, device=device) < noise.shared)[:, None, None]
        field = torch.where(agree & missed, -field.abs(), field)
        field = torch.where(agree & (spill | taken), field.abs().clamp_min(0.5), field)
        certainty = (0.35 + 0.75 * torch.rand(count, device=device))[:, None, None]
        cues[:, channel] = (certainty * field).clamp(-1, 1)
    lost = (torch.rand(count, device=device) < noise.lost)[:, None, None]
    for channel in (MASK, WARPED):
        cues[:, channel] = torch.where(lost, -cues[:, channel].abs(), cues[:, channel])
    coloured = (torch.rand(count, device=device) < 0.6)[:, None, None]
    cues[:, APPEARANCE] = torch.where(coloured, colour_appearance(image, *first), cues[:, APPEARANCE])
    dropped = torch.full((count, 3), noise.dropped, device=device)
    dropped[:, 2] = noise.appearance_dropped
    kept = torch.rand(count, 3, device=device) >= dropped
    kept &= torch.rand(count, 1, device=device) >= noise.bare
    cues[:, [MASK, WARPED, APPEARANCE]] *= kept[..., None, None].float()
    faded = torch.where(torch.rand(count, device=device) < 0.3, torch.rand(count, device=device), 1.0)
    cues[:, MASK] *= faded.clamp_min(0.2)[:, None, None]
    return cues


def prompt_planes(mask: Tensor) -> Tensor:
    """(N, 7, S, S) cues of points or a box for (N, S, S) masks; all 0 for an empty one."""
    count, side, device = len(mask), mask.shape[-1], mask.device
    cues = torch.zeros(count, len(CUES), side, side, device=device)
    there = (mask.sum(dim=(1, 2)) > 0)[:, None, None]
    kind = torch.rand(count, device=device)
    deep = _softened(mask, 11) * mask
    near = _softened(mask, 41) * (1 - mask) + 1e-3 * (1 - mask)
    cues[:, ON] = _points(deep**3 + 1e-9, kind < 0.7)
    cues[:, OFF] = _points(near + 1e-9, (kind > 0.35) & (kind < 0.55))
    rows, columns = mask.amax(dim=2), mask.amax(dim=1)
    axis = torch.arange(side, device=device, dtype=torch.float32)
    ends = []
    for line in (rows, columns):
        first = torch.where(line > 0, axis, float(side)).amin(dim=1)
        last = torch.where(line > 0, axis, -1.0).amax(dim=1)
        slack = 0.03 * (last - first + 1)
        first = first + slack * (torch.randn(count, device=device) - 0.5)
        last = last + slack * (torch.randn(count, device=device) + 0.5)
        ends.append((axis >= first[:, None] - 0.5) & (axis <= last[:, None] + 0.5))
    inside = ends[0][:, :, None] & ends[1][:, None, :]
    boxed = (kind >= 0.55)[:, None, None]
    cues[:, BOX] = torch.where(boxed, inside.float() * 2 - 1, 0.0)
    return cues * there[:, None]


def colour_appearance(image: Tensor, first: Tensor, first_mask: Tensor) -> Tensor:
    """(N, S, S) in -1..1: are colours nearer to the object's in the first frame, or to those of the rest?"""
    side = image.shape[-1]
    small = F.avg_pool2d(image, 4).flatten(2).transpose(1, 2) / 40
    ago = F.avg_pool2d(first, 4).flatten(2).transpose(1, 2) / 40
    part = F.avg_pool2d(first_mask[:, None], 4).flatten(1)
    distances = []
    for weight, number in (((part > 0.6) + 1e-6, 64), ((part < 0.1) + 1e-6, 160)):
        chosen = torch.multinomial(weight.float(), number, replacement=True)
        columns = ago.gather(1, chosen[..., None].expand(-1, -1, 3))
        distances.append(torch.cdist(small, columns).amin(dim=2))
    on, off = distances
    appearance = torch.tanh(1.5 * (off - on)).reshape(-1, 1, side // 4, side // 4)
    return F.interpolate(appearance, (side, side), mode="bilinear", align_corners=False)[:, 0]


def rough_fields(mask: Tensor, size: Tensor, strength: Tensor, noise: CueNoise) -> Tensor:
    """(N, S, S) in -1..1, above 0 about where the mask is."""
    count, (height, width), device = len(mask), mask.shape[-2:], mask.device
    field = torch.randn(count, 2, 5, 5, device=device) + 1.2 * torch.randn(count, 2, 1, 1, device=device)
    field = F.interpolate(field, (height, width), mode="bicubic", align_corners=True)
    shift = field * (noise.bend * size * strength)[:, None, None, None]
    axes = [torch.arange(side, device=device) + 0.5 for side in (width, height)]
    places = torch.stack(torch.meshgrid(*axes, indexing="xy"), dim=-1) + shift.permute(0, 2, 3, 1)
    grid = places * places.new_tensor([2 / width, 2 / height]) - 1
    moved = F.grid_sample(mask[:, None], grid, align_corners=False)[:, 0]
    # Wide transitions let noise break the outline; how wide goes by the size of the object.
    wide = (0.12 * size * strength).clamp(1, 20)
    narrow, middle, broad = moved, _softened(moved, 7), _softened(moved, 21)
    share = ((wide - 1) / 6).clamp(0, 1)[:, None, None]
    soft = narrow + share * (middle - narrow)
    share = ((wide - 7) / 13).clamp(0, 1)[:, None, None]
    soft = soft + share * (broad - soft)
    waves = F.interpolate(
        torch.randn(count, 1, height // 16, width // 16, device=device), (height, width), mode="bicubic"
    )[:, 0]
    slow = F.interpolate(torch.randn(count, 1, 6, 6, device=device), (height, width), mode="bicubic")[:, 0]
    # The object's thin parts must survive softening more often than not.
    value = 2 * soft - 1 + 0.15 * moved + 0.45 * strength[:, None, None] * (waves + slow) * _band(soft)
    sharp = (2 + 10 * torch.rand(count, device=device))[:, None, None]
    return torch.tanh(sharp * value)


def _band(soft: Tensor) -> Tensor:
    """1 where the outline may be, 0 far from it."""
    return (4 * soft * (1 - soft)).clamp(0, 1)


def _patches(mask: Tensor, image: Tensor, size: Tensor, noise: CueNoise) -> tuple[Tensor, Tensor]:
    """(N, S, S) bool missed and spilt patches of one colour."""
    count, side, device = len(mask), mask.shape[-1], mask.device
    smooth = F.avg_pool2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), 5, 1)
    near = _softened(mask, 31)
    axis = torch.arange(side, device=device, dtype=torch.float32)
    missed = torch.zeros_like(mask, dtype=torch.bool)
    spill = torch.zeros_like(missed)
    weights = (near > 0.02).float().flatten(1) + 1e-6
    for _ in range(3):
        seed = torch.multinomial(weights, 1)[:, 0]
        colour = smooth.flatten(2).gather(2, seed[:, None, None].expand(-1, 3, 1))[..., None]
        distance = (smooth - colour).square().sum(dim=1).sqrt()
        y, x = (seed // side).float(), (seed % side).float()
        away = (
            (axis[None, :, None] - y[:, None, None]) ** 2 + (axis[None, None] - x[:, None, None]) ** 2
        ).sqrt()
        threshold = (15 + 35 * torch.rand(count, device=device))[:, None, None]
        reach = (size * (0.15 + 0.5 * torch.rand(count, device=device)))[:, None, None]
        active = (torch.rand(count, device=device) < noise.patches)[:, None, None]
        patch = (distance < threshold) & (away < reach) & active
        inside = mask.flatten(1).gather(1, seed[:, None])[..., None] > 0.5
        missed |= patch & inside & (mask > 0.5)
        spill |= patch & ~inside & (mask < 0.5) & (near > 0.005)
    # Most of an object is never missed.
    gone = missed.sum(dim=(1, 2)) > 0.6 * mask.sum(dim=(1, 2))
    return missed & ~gone[:, None, None], spill


def _rival(mask: Tensor, other: Tensor, noise: CueNoise) -> Tensor:
    """(N, S, S) bool part of the other object that is taken for this one: one side of a line."""
    count, side, device = len(mask), mask.shape[-1], mask.device
    axis = torch.arange(side, device=device, dtype=torch.float32)
    angle = 2 * torch.pi * torch.rand(count, 1, 1, device=device)
    area = other.sum(dim=(1, 2)).clamp_min(1)
    x = (other * axis).sum(dim=(1, 2)) / area
    y = (other * axis[:, None]).sum(dim=(1, 2)) / area
    across = (axis[None, None] - x[:, None, None]) * angle.cos() + (
        axis[None, :, None] - y[:, None, None]
    ) * angle.sin()
    shift = 0.4 * area.sqrt()[:, None, None] * torch.randn(count, 1, 1, device=device)
    active = (torch.rand(count, device=device) < noise.rival)[:, None, None]
    return (across > shift) & (other > 0.5) & active


def _softened(values: Tensor, width: int) -> Tensor:
    """(N, S, S) means of squares of an odd number of pixels."""
    half = width // 2
    padded = F.pad(values[:, None], (half, half, half, half), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(padded, (width, 1), 1), (1, width), 1)[:, 0]


def _points(weight: Tensor, active: Tensor) -> Tensor:
    """(N, S, S) planes of one point each, drawn by weight."""
    side, device = weight.shape[-1], weight.device
    at = torch.multinomial(weight.flatten(1), 1)[:, 0]
    axis = torch.arange(side, device=device, dtype=torch.float32)
    spread = max(1.0, POINT_RADIUS * side)
    y, x = (at // side).float()[:, None, None], (at % side).float()[:, None, None]
    plane = torch.exp(-((axis[None, :, None] - y) ** 2 + (axis[None, None] - x) ** 2) / (2 * spread**2))
    return plane * active[:, None, None]
