"""Stills composed on the GPU: photographs, and things cut out of one photograph in front of another.

A still is one view of an image with one target: what the image itself shows, in its own surroundings, or
a cut-out put in front of it. Further cut-outs, some of them look-alikes of the target, may lie beside or
before it. Views reach from the whole image to one that the target fills, as a network meets its objects that
encodes the whole image and then a crop. Which images and which views is drawn by NumPy on
the CPU; pixels are made where the bank lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from training.nano.bank import UNKNOWN, Bank
from training.nano.pack import CANVAS, WHOLE

LAYERS = 2
"""Cut-outs in front of an image, at most; the first may be the target."""


@dataclass(frozen=True)
class StillSettings:
    """What stills are like."""

    sizes: tuple[tuple[int, int], ...] = ((256, 416), (320, 320), (416, 256), (320, 320))
    """(h, w), taken in turn."""
    natural: float = 0.6
    """Share whose target is what the image shows."""
    extent: tuple[float, float] = (0.07, 0.9)
    """Longest side of the target as a part of the side of the view that it is parallel to."""
    beside: float = 0.35
    """Chance of each further cut-out."""
    look_alike: float = 0.3
    """Share of the further cut-outs that are the target's own."""
    closest: float = 0.35
    """Pixels of an image per pixel of a still, at least."""
    stretch: float = 0.12
    turn: float = 0.12
    turned: float = 0.4
    """Share of views that are turned."""
    grey: float = 0.04


class StillComposer:
    """Makes batches of stills."""

    def __init__(self, bank: Bank, weights: NDArray[np.floating], settings: StillSettings, seed: int) -> None:
        """``weights`` (K,) say how often each cut-out is drawn."""
        self.bank, self.settings = bank, settings
        self.rng = np.random.default_rng(seed)
        self.device = bank.images.device
        self.chances = weights.astype(np.float64) / weights.sum()
        self.turns = 0

    def stills(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, h, w) float32 in 0..255, (B, h, w) masks, 0 or 1, and (B, h, w) 1 where they are known."""
        settings, rng = self.settings, self.rng
        size = settings.sizes[self.turns % len(settings.sizes)]
        self.turns += 1
        rows = self.bank.cutouts[self._draw(count)]
        natural = rng.random(count) < settings.natural
        elsewhere = rng.integers(len(self.bank.sets), size=count)
        images = np.where(natural, rows[:, 0], elsewhere)
        view = self._views(rows, natural, images, size)
        canvas, labels, known = self._background(rows, natural, images, view, size)
        target = labels
        for layer in range(LAYERS):
            is_target = ~natural if layer == 0 else np.zeros(count, bool)
            shown = is_target | (rng.random(count) < settings.beside)
            other = self.bank.cutouts[self._draw(count)]
            alike = is_target | (rng.random(count) < settings.look_alike)
            cut = np.where(alike[:, None], rows, other)
            painted, alpha = self._layer(cut, size, disguised=~is_target)
            alpha = alpha * self._tensor(shown)[:, None, None]
            canvas = canvas + alpha[:, None] * (painted - canvas)
            covers = (alpha >= 0.5).float()
            own = self._tensor(is_target)[:, None, None]
            target = torch.where(own > 0, covers, target * (1 - covers))
            known = torch.maximum(known, covers)
        return self._photographed(canvas), target, known

    def _draw(self, count: int) -> NDArray[np.int64]:
        return self.rng.choice(len(self.chances), count, p=self.chances)

    def _views(
        self, rows: NDArray[np.int64], natural: NDArray[np.bool_], images: NDArray, size: tuple[int, int]
    ) -> NDArray[np.float64]:
        """(B, 4) centre x, y, width and height of what is seen of each image, in its pixels."""
        settings, rng, count = self.settings, self.rng, len(rows)
        whole = self.bank.sizes[images][:, ::-1].astype(np.float64)  # width, height
        shape = np.array([size[1], size[0]], np.float64)
        box = rows[:, 3:].astype(np.float64)
        sides = box[:, 2:] - box[:, :2] + 1
        part = np.exp(rng.uniform(*np.log(settings.extent), count))
        scale = (sides / shape).max(axis=1) / part  # image pixels per still pixel
        fill = (whole / shape).min(axis=1) * rng.uniform(0.6, 1.15, count)
        scale = np.where(natural, scale, fill)
        # No further away than where the image ends, but for a little stretching.
        farthest = (whole / shape).min(axis=1) * 1.3
        scale = np.clip(scale, settings.closest, farthest)
        extent = scale[:, None] * shape * np.exp(rng.normal(0, settings.stretch / 2, (count, 2)))
        extent = np.minimum(extent, whole)
        middle = (box[:, :2] + box[:, 2:]) / 2
        room = np.abs(extent - sides) / 2 * 0.95
        centre = middle + rng.uniform(-1, 1, (count, 2)) * room
        centre = np.where(natural[:, None], centre, rng.uniform(0, 1, (count, 2)) * whole)
        centre = np.clip(centre, extent / 2, whole - extent / 2)
        return np.concatenate([centre, extent], axis=1)

    def _background(
        self,
        rows: NDArray[np.int64],
        natural: NDArray[np.bool_],
        images: NDArray,
        view: NDArray[np.float64],
        size: tuple[int, int],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, h, w) pixels, and (B, h, w) the target's mask and where labels are known."""
        count, rng = len(rows), self.rng
        angle = rng.normal(0, self.settings.turn, count) * (rng.random(count) < self.settings.turned)
        flip = np.where(rng.random(count) < 0.5, -1.0, 1.0)
        scale = view[:, 2:] / np.array([size[1], size[0]])
        middle = np.tile([size[1] / 2, size[0] / 2], (count, 1))
        places = self._places(view[:, :2], scale, angle, flip, middle, size)
        whole = self._tensor(self.bank.sizes[images][:, ::-1].copy())[:, None, None]
        last = (whole - 1).clamp_min(1)
        places = last - ((places.abs() % (2 * last)) - last).abs()
        canvas = _sampled(self.bank.images[self._index(images)].float(), places)
        maps = _sampled(self.bank.labels[self._index(rows[:, 1])][:, None].float(), places, "nearest")[:, 0]
        wanted = self._tensor(rows[:, 2])[:, None, None]
        mask = torch.where(wanted == WHOLE, maps > 0, maps == wanted) & (maps != UNKNOWN)
        here = self._tensor(natural)[:, None, None] > 0
        known = ~((maps == UNKNOWN) & here)
        return canvas, (mask & here).float(), known.float()

    def _layer(
        self, rows: NDArray[np.int64], size: tuple[int, int], disguised: NDArray[np.bool_]
    ) -> tuple[Tensor, Tensor]:
        """(B, 3, h, w) and (B, h, w): cut-outs at random places, and how much they cover."""
        settings, rng, count = self.settings, self.rng, len(rows)
        box = rows[:, 3:].astype(np.float64)
        sides = box[:, 2:] - box[:, :2] + 1
        shape = np.array([size[1], size[0]], np.float64)
        part = np.exp(rng.uniform(*np.log(settings.extent), count))
        scale = np.maximum((sides / shape).max(axis=1) / part, settings.closest)[:, None]
        scale = scale * np.exp(rng.normal(0, settings.stretch, (count, 2)))
        angle = rng.normal(0, settings.turn, count)
        flip = np.where(rng.random(count) < 0.5, -1.0, 1.0)
        half = sides / scale / 2
        low, high = np.minimum(half, shape / 2) * 0.8, np.maximum(shape - half, shape / 2)
        at = low + rng.random((count, 2)) * np.maximum(high - low, 0)
        places = self._places((box[:, :2] + box[:, 2:]) / 2, scale, angle, flip, at, size)
        source = self.bank.images[self._index(rows[:, 0])].float()
        maps = self.bank.labels[self._index(rows[:, 1])].float()
        wanted = self._tensor(rows[:, 2])[:, None, None]
        mask = torch.where(wanted == WHOLE, maps > 0, maps == wanted) & (maps != UNKNOWN)
        drawn = _sampled(torch.cat([source, mask[:, None].float()], dim=1), places)
        hue = self._tensor(rng.normal(0, 1, (count, 3)))[..., None, None]
        strength = self._tensor(np.where(disguised, rng.uniform(0, 0.6, count), 0.15))[:, None, None, None]
        painted = (drawn[:, :3] * (1 + 0.15 * strength * hue) + 15 * strength * hue.flip(1)).clamp(0, 255)
        return painted, drawn[:, 3]

    def _places(
        self,
        centre: NDArray[np.float64],
        scale: NDArray[np.float64],
        angle: NDArray[np.float64],
        flip: NDArray[np.float64],
        at: NDArray[np.float64],
        size: tuple[int, int],
    ) -> Tensor:
        """(B, h, w, 2) places in the sources: ``centre`` is seen at ``at``, ``scale`` (B, 2) source pixels a
        pixel."""
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.stack(
            [
                np.stack([scale[:, 0] * flip * cosine, scale[:, 0] * flip * sine], -1),
                np.stack([-scale[:, 1] * sine, scale[:, 1] * cosine], -1),
            ],
            -2,
        )
        y = torch.arange(size[0], device=self.device, dtype=torch.float32)
        x = torch.arange(size[1], device=self.device, dtype=torch.float32)
        pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        offset = pixels[None] - self._tensor(at)[:, None, None]
        inside = torch.einsum("bhwj,bij->bhwi", offset, self._tensor(matrix))
        return inside + self._tensor(centre)[:, None, None]

    def _photographed(self, canvas: Tensor) -> Tensor:
        """Light, focus and grain of its own for every still."""
        rng, count = self.rng, len(canvas)
        gain = 1 + rng.normal(0, 0.08, (count, 3)) + rng.normal(0, 0.18, (count, 1))
        bias = np.broadcast_to(rng.normal(0, 14, (count, 1)), (count, 3))
        gain, bias = (self._tensor(v)[..., None, None] for v in (gain, bias))
        canvas = (canvas - 128) * gain + 128 + bias
        grey = self._tensor(rng.random(count) < self.settings.grey)[:, None, None, None]
        grey = torch.maximum(grey, self._tensor(rng.uniform(0, 0.5, count) ** 2)[:, None, None, None])
        canvas = canvas + grey * (canvas.mean(dim=1, keepdim=True) - canvas)
        soft = F.avg_pool2d(F.pad(canvas, (1, 1, 1, 1), mode="replicate"), 3, 1)
        softer = F.avg_pool2d(F.pad(canvas, (2, 2, 2, 2), mode="replicate"), 5, 1)
        kind = rng.random(count)
        blur = self._tensor(np.where(kind < 0.3, rng.random(count), 0))[:, None, None, None]
        canvas = canvas + blur * (soft - canvas)
        blur = self._tensor(np.where(kind > 0.88, rng.random(count), 0))[:, None, None, None]
        canvas = canvas + blur * (softer - canvas)
        grain = self._tensor(rng.uniform(0, 8, count) * (rng.random(count) < 0.5))[:, None, None, None]
        return (canvas + grain * torch.randn_like(canvas)).clamp(0, 255)

    def _tensor(self, values: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device, non_blocking=True)

    def _index(self, values: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, non_blocking=True)


def _sampled(images: Tensor, places: Tensor, mode: str = "bilinear") -> Tensor:
    """(B, C, h, w) values of (B, C, N, N) images at (B, h, w, 2) places in pixels; 0 outside."""
    scaled = (places + 0.5) * (2 / CANVAS) - 1
    return F.grid_sample(images, scaled, mode=mode, align_corners=False)
