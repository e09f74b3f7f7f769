"""A conditional random field: labels agree where the image is smooth, and may differ across its edges.

Mean-field inference (Krähenbühl and Koltun, 2011) in a model whose pairs are a fixed set of short steps, as
in convolutional CRFs (Teichmann and Cipolla, 2018): every pixel is pulled towards the labels of its
neighbours, the more the more similarity their colours are. All objects share one energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from ...arrays import Floats
from ...ops.boxes import tight_box

NEAR = [(dy, dx) for dy in range(3) for dx in range(-2, 3) if (dy, dx) > (0, 0)]
FAR = [(0, 4), (4, 0), (4, 4), (4, -4), (0, 7), (7, 0), (5, 5), (5, -5)]
STEPS = (*NEAR, *FAR)
"""(rows, columns) from a pixel to its neighbours; each step counts in both directions."""

POSSIBLE = 0.02
"""An object may be within ROOM of where its probability is above this."""
ROOM = 16
"""In pixels: neighbours pull it there in a few iterations at most."""
MOST = 60.0
"""Clip of log-odds, so that they do not overflow."""


@dataclass(frozen=True)
class CrfSettings:
    """Settings of the pairwise term and of inference."""

    RENAMED: ClassVar = {"colour": "colour_sigma", "rounds": "iterations"}

    strength: float = 3.0
    """Pull, in nats, of neighbours that all have one label; 5 eats thin parts."""
    colour_sigma: float = 8.0
    """Lab distance at which the pull between two pixels has fallen to 0.6."""
    iterations: int = 4
    """Iterations of mean field; none costs 2 points."""


def mean_field(scores: Floats, lab: Floats, settings: CrfSettings) -> Floats:
    """Label probabilities (L, h, w) float32 from unary log-scores (L, h, w), not normalised, and Lab
    colours (h, w, 3), both float32.

    Each object is inferred only where it may be. Probabilities sum to 1, so the messages of the background
    need not be computed.
    """
    unary = torch.from_numpy(scores)
    start = torch.softmax(unary, 0)
    boxes = [_around(plane.numpy()) for plane in start[1:]]
    # Far from all objects all neighbours are background.
    unary = torch.cat([unary[:1] + settings.strength, unary[1:]])
    found = [box for box in boxes if box is not None]
    if not found:
        return torch.softmax(unary, 0).numpy()
    top, left = min(b[0] for b in found), min(b[1] for b in found)
    bottom, right = max(b[2] for b in found), max(b[3] for b in found)
    union = (slice(top, bottom), slice(left, right))
    pairs = _pairs(lab[union], settings.colour_sigma)
    total = torch.zeros(bottom - top, right - left)
    for here, there, similarity in pairs:
        total[here] += similarity
        total[there] += similarity
    # A pixel unlike all its neighbours (total below 2) is pulled less, not as hard by chance resemblances.
    pull = settings.strength / total.clamp_min_(2.0)
    regions = [
        (k, (slice(b[0] - top, b[2] - top), slice(b[1] - left, b[3] - left)))
        for k, b in enumerate(boxes, start=1)
        if b is not None
    ]
    unary[0][union] += pull * total - settings.strength
    cut = unary[:, *union]
    against = {k: cut[k][region] - cut[0][region] for k, region in regions}
    probabilities = {k: start[k][union][region] for k, region in regions}
    pulls = {}
    for _ in range(settings.iterations):
        all_messages = torch.zeros_like(total)
        messages = {k: _message(probabilities[k], pairs, region) for k, region in regions}
        for k, region in regions:
            all_messages[region] += messages[k]
        all_messages *= pull
        odds, normaliser = {}, torch.ones_like(total)
        for k, region in regions:
            pulls[k] = messages[k].mul_(pull[region])
            odds[k] = (against[k] + pulls[k] + all_messages[region]).clamp_(max=MOST).exp_()
            normaliser[region] += odds[k]
        probabilities = {k: odds[k].div_(normaliser[region]) for k, region in regions}
    for k, region in regions:
        cut[k][region] += pulls[k]
        cut[0][region] -= pulls[k]
    return torch.softmax(unary, 0).numpy()


Region = tuple[slice, slice]
Pair = tuple[Region, Region, torch.Tensor]
"""Pixels, their neighbours one step away, and the similarity of the two."""


def _around(plane: Floats) -> tuple[int, int, int, int] | None:
    """First and last rows and columns in which an object may be; None where it is nowhere."""
    box = tight_box(plane > POSSIBLE)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    return max(0, y0 - ROOM), max(0, x0 - ROOM), min(len(plane), y1 + ROOM), min(plane.shape[1], x1 + ROOM)


def _pairs(lab: Floats, colour: float) -> list[Pair]:
    """All pairs of neighbours in an (h, w, 3) image."""
    planes = [torch.from_numpy(np.ascontiguousarray(lab[..., c])) for c in range(3)]
    height, width = lab.shape[:2]
    pairs = []
    for dy, dx in STEPS:
        if dy >= height or abs(dx) >= width:
            continue
        here = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        there = (slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
        distance = torch.zeros(())
        for plane in planes:
            difference = plane[here] - plane[there]
            distance = distance + difference.square_()
        pairs.append((here, there, distance.mul_(-0.5 / colour**2).exp_()))
    return pairs


def _message(probabilities: torch.Tensor, pairs: Sequence[Pair], region: Region) -> torch.Tensor:
    """(h, w) sum of the probabilities of all neighbours, weighted by similarity, of pixels in a region."""
    message = torch.zeros_like(probabilities)
    height, width = probabilities.shape
    top, left = region[0].start, region[1].start
    for (rows, columns), (other_rows, other_columns), similarity in pairs:
        dy, dx = other_rows.start - rows.start, other_columns.start - columns.start
        here = (slice(0, max(0, height - dy)), slice(max(0, -dx), max(0, width - max(0, dx))))
        there = (slice(dy, height), slice(max(0, dx), width - max(0, -dx)))
        first, side = top - rows.start, left + here[1].start - columns.start
        weight = similarity[first : first + height - dy, side : side + width - abs(dx)]
        message[here].addcmul_(weight, probabilities[there])
        message[there].addcmul_(weight, probabilities[here])
    return message
