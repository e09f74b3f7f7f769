"""Clips composed on the GPU: images, things cut out of images in front of them, each with its own motion.

A clip has a background and three layers. Two things are targets, the others look-alikes of a target,
bystanders, or things that pass in front. Half of the first targets are what the background itself shows, in
its own surroundings; a part of the backgrounds are frames of real clips with the masks of
:mod:`training.nano.real_clips`. All layers and their masks are sampled by the same maps, so truth is exact.
Which images and which motions is drawn by NumPy on the CPU; pixels are made where the bank lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .bank import UNKNOWN, Bank
from .pack import CANVAS, SETS, WHOLE

LAYERS = 3
BLOB = -1
"""In place of a label: a region of random outline."""
SHARES = {"coco_by": 0.35, "ccp": 0.2, "drawn": 0.1, "real": 0.15, "blob": 0.2}
"""How often a cut-out is of a set."""
BACKGROUNDS = {"coco_by": 0.3, "ccp": 0.25, "drawn": 0.05, "real": 0.4}

WHOLE_PERSON = 0.65
"""Share of the cut-outs of people that are not one garment."""


@dataclass(frozen=True)
class SynthesisSettings:
    """What clips are like."""

    side: int = 256
    frames: int = 4
    tracked: float = 0.25
    """Share of clips with a real track in the background."""
    natural: float = 0.5
    """Share of the others whose first target is what the background shows."""
    second: float = 0.7
    look_alike: float = 0.4
    bystander: float = 0.3
    occluder: float = 0.35
    size: tuple[float, float] = (0.08, 0.65)
    """Longest side of a layer's thing, as a part of the side of the frame."""
    gap: tuple[float, float] = (0.25, 3.0)
    """Factor of all motion in a clip: frames that follow each other, and frames far apart."""
    speed: float = 0.12
    """Of things, in their sizes per frame, at most, at a gap of 1."""
    turn: float = 0.12
    growth: float = 0.07
    elastic: float = 0.05


@dataclass(eq=False)
class _Plan:
    """What is drawn for the layers of B clips: all arrays (B, 1 + LAYERS, ...), the background first."""

    image: NDArray[np.int64]
    label_map: NDArray[np.int64]
    label: NDArray[np.int64]
    box: NDArray[np.float64]
    shown: NDArray[np.float64]
    """1 or 0."""
    target: NDArray[np.int64]
    """0, 1 or 2."""
    disguised: NDArray[np.float64]
    extent: NDArray[np.float64]
    """Longest side of the thing, or of the view, in pixels of the frame."""
    scale: NDArray[np.float64]
    """Pixels of the source for one of the frame."""
    start: NDArray[np.float64]
    """(.., 2) x, y in the frame."""
    times: NDArray[np.float64]
    """(B, T)"""
    flip: NDArray[np.float64]
    real_images: NDArray[np.int64]
    """(B, T)"""
    real_labels: NDArray[np.int64]


class Composer:
    """Makes batches of clips."""

    def __init__(self, bank: Bank, settings: SynthesisSettings, seed: int) -> None:
        self.bank, self.settings = bank, settings
        self.rng = np.random.default_rng(seed)
        self.device = bank.images.device
        self._by_set = {k: np.flatnonzero(bank.sets == i) for i, k in enumerate(SETS)}
        owner = bank.sets[bank.cutouts[:, 0]]
        self._cutouts = {k: np.flatnonzero(owner == i) for i, k in enumerate(SETS)}
        people = self._cutouts["ccp"]
        self._people = people[bank.cutouts[people, 2] == WHOLE]

    def clips(self, count: int) -> tuple[Tensor, Tensor]:
        """(B, T, 3, S, S) float32 in 0..255, and (B, T, S, S) uint8 labels 0, 1, 2 or ``UNKNOWN``."""
        plan = self._plan(count)
        settings, rng = self.settings, self.rng
        side, frames = settings.side, settings.frames
        grid = self._coordinates(plan)
        shape = (count, frames, side, side)
        # The background: each frame may come from an image of its own.
        sources = self.bank.images[self._index(plan.real_images)].flatten(0, 1).float()
        sizes = self._tensor(self.bank.sizes[plan.real_images]).flatten(0, 1)
        seen = _reflected(grid[:, 0].flatten(0, 1), sizes)
        canvas = _sampled(sources, seen).unflatten(0, (count, frames))
        maps = self.bank.labels[self._index(np.maximum(plan.real_labels, 0))].flatten(0, 1)
        nearest = _sampled(maps[:, None].float(), seen, "nearest").reshape(shape)
        wanted = self._tensor(plan.label[:, 0])[:, None, None, None]
        there = self._tensor((plan.real_labels >= 0) & (plan.target[:, :1] == 1))[..., None, None] > 0
        own = torch.where(wanted == WHOLE, nearest > 0, nearest == wanted) & (nearest != UNKNOWN)
        labels = (own & there).to(torch.uint8)
        labels[(nearest == UNKNOWN) & there] = UNKNOWN
        # The layers, all at once: frames lie below each other in one long image.
        layer_images = self.bank.images[self._index(plan.image[:, 1:])].flatten(0, 1).float()
        masks = self._masks(plan)
        both = torch.cat([layer_images, masks[:, None]], dim=1)
        long = grid[:, 1:].reshape(count * LAYERS, frames * side, side, 2)
        drawn = _sampled(both, long).reshape(count, LAYERS, 4, frames, side, side)
        hue = self._tensor(rng.normal(0, 1, (count, LAYERS, 3)))[..., None, None, None]
        strength = self._tensor(plan.disguised[:, 1:])[..., None, None, None, None]
        colours = (drawn[:, :, :3] * (1 + 0.15 * strength * hue) + 15 * strength * hue.flip(2)).clamp(0, 255)
        shown = self._tensor(plan.shown[:, 1:])[..., None, None, None]
        alphas = drawn[:, :, 3] * shown
        for layer in range(LAYERS):
            alpha = alphas[:, layer][:, :, None]
            canvas = canvas + alpha * (colours[:, layer].transpose(1, 2) - canvas)
            target = self._tensor(plan.target[:, 1 + layer]).to(torch.uint8)[:, None, None, None]
            labels = torch.where(alphas[:, layer] >= 0.5, target, labels)
        return self._filmed(canvas), labels

    def _plan(self, count: int) -> _Plan:
        settings, rng = self.settings, self.rng
        layers, frames, side = 1 + LAYERS, settings.frames, settings.side
        plan = _Plan(
            image=np.zeros((count, layers), np.int64),
            label_map=np.zeros((count, layers), np.int64),
            label=np.full((count, layers), BLOB),
            box=np.zeros((count, layers, 4)),
            shown=np.zeros((count, layers)),
            target=np.zeros((count, layers), np.int64),
            disguised=np.full((count, layers), 0.2),
            extent=np.ones((count, layers)),
            scale=np.ones((count, layers)),
            start=np.zeros((count, layers, 2)),
            times=np.zeros((count, frames)),
            flip=np.where(rng.random((count, layers)) < 0.5, -1.0, 1.0),
            real_images=np.zeros((count, frames), np.int64),
            real_labels=np.full((count, frames), -1),
        )
        gaps = np.exp(rng.uniform(*np.log(settings.gap), count))
        steps = np.concatenate([np.zeros((count, 1)), rng.uniform(0.5, 1.5, (count, frames - 1))], axis=1)
        plan.times[:] = gaps[:, None] * np.cumsum(steps, axis=1)
        for b in range(count):
            first = self._background(plan, b)
            slots = 1 + rng.permutation(LAYERS)
            wanted = []
            if first is None:
                cutout = self._cutout()
                wanted.append((cutout, 1, False))
            else:
                cutout = first
            if rng.random() < settings.second:
                wanted.append((self._cutout(), 2, False))
            if rng.random() < settings.look_alike:
                wanted.append((cutout, 0, True))
            elif rng.random() < settings.bystander:
                wanted.append((self._cutout(), 0, False))
            for slot, (cut, target, disguised) in zip(slots, wanted, strict=False):
                self._place(plan, b, slot, cut, target, disguised)
        plan.extent[:, 0] = side
        return plan

    def _background(self, plan: _Plan, b: int) -> NDArray[np.int64] | None:
        """Choose the background and the view of it; its own target as a cut-out, if that is one."""
        settings, rng, bank = self.settings, self.rng, self.bank
        side, frames = settings.side, settings.frames
        cutout = None
        if len(bank.tracks) and rng.random() < settings.tracked:
            track = bank.tracks[int(rng.integers(len(bank.tracks)))]
            length = int((track[0] >= 0).sum())
            later = np.sort(rng.choice(length, frames - 1, replace=length < frames))
            times = np.concatenate([[0], later])  # the first mask of a track is its best
            plan.real_images[b], plan.real_labels[b] = track[0, times], track[1, times]
            found = bank.cutouts[(bank.cutouts[:, 0] == track[0, 0]) & (bank.cutouts[:, 1] == track[1, 0])]
            cutout = found[0] if len(found) else None
        elif rng.random() < settings.natural:
            cutout = self._cutout(blobs=False)
            plan.real_images[b], plan.real_labels[b] = cutout[0], cutout[1]
        else:
            names = [k for k in BACKGROUNDS if len(self._by_set[k])]
            shares = np.array([BACKGROUNDS[k] for k in names])
            pool = self._by_set[names[int(rng.choice(len(names), p=shares / shares.sum()))]]
            plan.real_images[b] = pool[int(rng.integers(len(pool)))]
        height, width = bank.sizes[plan.real_images[b, 0]]
        short = min(height, width)
        view, centre = short * rng.uniform(0.6, 1.1), np.array([width, height]) / 2
        centre = centre + rng.uniform(-0.5, 0.5, 2) * np.maximum(np.array([width, height]) - view, 0)
        plan.target[b, 0] = cutout is not None
        if cutout is not None:
            plan.label[b, 0] = cutout[2]
            box = cutout[3:].astype(np.float64)
            extent = max(box[2] - box[0], box[3] - box[1]) + 1
            view = np.clip(extent * np.exp(rng.uniform(np.log(1.15), np.log(4))), 0.3 * short, 1.05 * short)
            middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
            centre = middle + rng.uniform(-0.5, 0.5, 2) * max(0.0, view - extent) * 0.8
        for axis, length in enumerate((width, height)):  # rather within the image than past it
            room = max(0.0, length - view) / 2
            centre[axis] = np.clip(centre[axis], length / 2 - room, length / 2 + room)
        plan.image[b, 0] = plan.real_images[b, 0]
        plan.box[b, 0] = *centre, *centre
        plan.scale[b, 0] = view / side
        plan.start[b, 0] = side / 2
        return cutout

    def _cutout(self, blobs: bool = True) -> NDArray[np.int64]:
        """A row of the table, or a made-up one: a region of random outline of any image."""
        rng, bank = self.rng, self.bank
        names = [k for k in SHARES if (k == "blob" and blobs) or (k != "blob" and len(self._cutouts[k]))]
        shares = np.array([SHARES[k] for k in names])
        name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        if name != "blob":
            pool = self._cutouts[name]
            if name == "ccp" and len(self._people) and rng.random() < WHOLE_PERSON:
                pool = self._people
            return bank.cutouts[pool[int(rng.integers(len(pool)))]]
        image = int(rng.integers(len(bank.sets)))
        height, width = bank.sizes[image]
        extent = rng.uniform(0.2, 0.6, 2) * np.array([width, height])
        corner = rng.uniform(0, 1, 2) * (np.array([width, height]) - extent)
        return np.array([image, 0, BLOB, *corner, *(corner + extent)]).astype(np.int64)

    def _place(
        self, plan: _Plan, b: int, slot: int, cut: NDArray[np.int64], target: int, disguised: bool
    ) -> None:
        settings, rng, side = self.settings, self.rng, self.settings.side
        plan.image[b, slot], plan.label_map[b, slot], plan.label[b, slot] = cut[:3]
        plan.box[b, slot] = cut[3:]
        plan.shown[b, slot], plan.target[b, slot] = 1, target
        plan.disguised[b, slot] = rng.uniform(0.1, 1.0) if disguised else rng.uniform(0, 0.3)
        extent = side * np.exp(rng.uniform(*np.log(settings.size)))
        plan.extent[b, slot] = extent
        plan.scale[b, slot] = (max(cut[5] - cut[3], cut[6] - cut[4]) + 1) / extent
        plan.start[b, slot] = rng.uniform(0.12, 0.88, 2) * side

    def _coordinates(self, plan: _Plan) -> Tensor:
        """(B, 1 + LAYERS, T, S, S, 2) places in the sources, x and y in pixels."""
        settings, rng, side = self.settings, self.rng, self.settings.side
        count, layers = plan.image.shape
        shape = (count, layers)
        slow = np.where(np.arange(layers) == 0, 0.3, 1.0)
        slow = np.where((plan.real_labels[:, :1] >= 0) & (np.arange(layers) == 0), 0.45, slow)
        time = plan.times[:, None, :]
        angle = rng.uniform(0, 2 * np.pi, shape)
        speed = plan.extent * rng.random(shape) ** 2 * settings.speed * slow
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        path = plan.start[:, :, None] + (speed[..., None] * direction)[:, :, None] * time[..., None]
        swing = rng.normal(0, 0.04, (*shape, 1, 2)) * plan.extent[..., None, None]
        path += swing * np.sin(time * rng.uniform(0.3, 1.5, (*shape, 1)))[..., None] * slow[..., None, None]
        self._cross(plan, path)
        turn = rng.normal(0, settings.turn / 2, shape)[..., None] * time * slow[..., None]
        growth = rng.normal(0, settings.growth / 2, shape)[..., None] * time * slow[..., None]
        still = rng.normal(0, 0.1, shape)[..., None]  # the same in all frames
        lean = rng.normal(0, 0.05, shape)[..., None] * time * slow[..., None]
        stretch = np.exp(rng.normal(0, 0.1, shape))[..., None]
        scale = plan.scale[..., None] * np.exp(-growth)
        cosine, sine = np.cos(turn + still), np.sin(turn + still)
        # Rows of the matrix from the frame to the source, about their centres.
        xx = scale * plan.flip[..., None] * cosine * stretch
        xy = scale * plan.flip[..., None] * (sine + lean)
        yx, yy = -scale * sine, scale * cosine
        matrix = self._tensor(np.stack([np.stack([xx, xy], -1), np.stack([yx, yy], -1)], -2))
        anchor = (plan.box[..., :2] + plan.box[..., 2:]) / 2
        axis = torch.arange(side, device=self.device, dtype=torch.float32)
        pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
        offset = pixels - self._tensor(path)[:, :, :, None, None]
        places = torch.einsum("blthwj,bltij->blthwi", offset, matrix)
        unit = self._tensor(plan.extent * plan.scale)[..., None, None, None, None]
        inside = places / unit
        bent = torch.zeros_like(places)
        for _ in range(2):
            amplitude = self._tensor(rng.normal(0, settings.elastic / 2, (*shape, 1, 1, 1, 2)))
            waves = self._tensor(rng.normal(0, 1.0, (*shape, 1, 1, 1, 2)))
            phase = self._tensor(rng.uniform(0, 2 * np.pi, (*shape, 1, 1, 1)))
            drift = np.sin(rng.uniform(0.1, 0.8, (*shape, 1)) * time) * np.where(slow < 1, 0.4, 1)[..., None]
            wave = torch.sin(2 * torch.pi * (inside * waves).sum(-1) + phase)
            bent += amplitude * (wave * self._tensor(drift)[..., None, None])[..., None]
        return places + bent * unit + self._tensor(anchor)[:, :, None, None, None]

    def _cross(self, plan: _Plan, path: NDArray[np.float64]) -> None:
        """Let the layers of some clips pass in front of the first target."""
        rng, frames = self.rng, self.settings.frames
        for b in np.flatnonzero(rng.random(len(path)) < self.settings.occluder):
            ahead = int(np.argmax(plan.target[b] == 1))
            others = [k for k in range(1, 1 + LAYERS) if plan.shown[b, k] and k > ahead]
            if others:
                k, when = others[-1], int(rng.integers(1, frames))
                away = rng.normal(0, 0.3, 2) * plan.extent[b, k]
                path[b, k] += path[b, ahead, when] - path[b, k, when] + away

    def _masks(self, plan: _Plan) -> Tensor:
        """(B * LAYERS, C, C) float32 masks of the layers in their sources."""
        wanted = self._tensor(plan.label[:, 1:]).flatten()[:, None, None]
        maps = self.bank.labels[self._index(plan.label_map[:, 1:])].flatten(0, 1).float()
        masks = torch.where(wanted == WHOLE, maps > 0, maps == wanted) & (maps != UNKNOWN)
        box = self._tensor(plan.box[:, 1:]).flatten(0, 1)
        axis = torch.arange(CANVAS, device=self.device, dtype=torch.float32)
        middle, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]).clamp_min(2) / 2
        u = ((axis - middle[:, :1]) / half[:, :1])[:, None, :]
        v = ((axis - middle[:, 1:]) / half[:, 1:])[:, :, None]
        noise = torch.randn(len(box), 1, 9, 9, device=self.device)
        noise = F.interpolate(noise, (CANVAS, CANVAS), mode="bicubic", align_corners=True)[:, 0]
        blob = (u * u + v * v + 0.5 * noise < 0.75) & (u.abs() <= 1) & (v.abs() <= 1)
        return torch.where(wanted == BLOB, blob, masks).float()

    def _filmed(self, canvas: Tensor) -> Tensor:
        """One light for a clip, a little of its own for each frame; blur and noise."""
        rng, (count, frames) = self.rng, canvas.shape[:2]
        gain = 1 + rng.normal(0, 0.15, (count, 1, 3)) * 0.5 + rng.normal(0, 0.15, (count, 1, 1))
        gain = gain + rng.normal(0, 0.03, (count, frames, 1))
        bias = rng.normal(0, 12, (count, 1, 1)) + rng.normal(0, 3, (count, frames, 1))
        gain, bias = (
            self._tensor(np.broadcast_to(v, (count, frames, 3)))[..., None, None] for v in (gain, bias)
        )
        canvas = (canvas - 128) * gain + 128 + bias
        soft = F.avg_pool2d(F.pad(canvas.flatten(0, 1), (1, 1, 1, 1), mode="replicate"), 3, 1)
        blur = self._tensor(np.where(rng.random(count) < 0.3, rng.random(count), 0))
        blur = blur[:, None, None, None, None]
        canvas = canvas + blur * (soft.unflatten(0, (count, frames)) - canvas)
        grain = self._tensor(rng.uniform(0, 6, count) * (rng.random(count) < 0.5))[:, None, None, None, None]
        return (canvas + grain * torch.randn_like(canvas)).clamp(0, 255)

    def _tensor(self, values: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device, non_blocking=True)

    def _index(self, values: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, non_blocking=True)


def _reflected(places: Tensor, sizes: Tensor) -> Tensor:
    """(B, h, w, 2) places mirrored into images of (B, 2) rows and columns."""
    last = (sizes.flip(1) - 1).clamp_min(1)[:, None, None]
    return last - ((places.abs() % (2 * last)) - last).abs()


def _sampled(images: Tensor, places: Tensor, mode: str = "bilinear") -> Tensor:
    """(B, C, h, w) values of (B, C, N, N) images at (B, h, w, 2) places in pixels; 0 outside."""
    scaled = (places + 0.5) * (2 / images.shape[-1]) - 1
    return F.grid_sample(images, scaled, mode=mode, align_corners=False)
