"""More toys: a steam engine, a duck on wheels and an enamel mug."""

from __future__ import annotations

import torch
from torch import Tensor

from .solid import Paint, Rows, Solid
from .toys import BRASS, CREAM, RED
from .vec import Vec, capsule, round_box, round_disc, smooth_max, smooth_min, sphere

BLUE = (0.020, 0.090, 0.360)
BLACK = (0.025, 0.025, 0.028)
YELLOW = (0.840, 0.520, 0.030)
ORANGE = (0.780, 0.190, 0.020)
GREEN = (0.025, 0.210, 0.100)


class Engine(Solid):
    """A wooden steam engine, its nose along its x axis, wheels on z = 0."""

    object_id = 3
    radius = 1.35
    middle = (0.0, 0.0, 0.62)
    wheel = 0.21

    def __init__(self, centre: tuple[float, float, float], rows: Rows, rolled: float) -> None:
        super().__init__(centre, rows)
        self.rolled = rolled

    def _parts(self, p: Vec) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Distances of boiler, cab, red parts, wheels, and buffers."""
        q = Vec(p.x, p.y.abs(), p.z)
        around = (q.y.square() + (q.z - 0.64).square()).sqrt()
        boiler = round_disc(around, q.x - 0.28, 0.31, 0.60, 0.06)
        cab = round_box(q, (-0.58, 0.0, 0.78), (0.32, 0.38, 0.44), 0.05)
        window = round_box(q, (-0.58, 0.38, 0.92), (0.17, 0.10, 0.15), 0.04)
        cab = smooth_max(cab, -window, 0.02)
        upright = ((q.x - 0.62).square() + q.y.square()).sqrt()
        chimney = round_disc(upright, q.z - 1.05, 0.105, 0.22, 0.02)
        chimney = torch.minimum(chimney, round_disc(upright, q.z - 1.25, 0.155, 0.055, 0.03))
        roof = round_box(q, (-0.58, 0.0, 1.25), (0.42, 0.46, 0.05), 0.04)
        frame = round_box(q, (0.0, 0.0, 0.30), (0.92, 0.30, 0.075), 0.04)
        across = (
            (q.x - 0.6 * (q.x / 0.6).round().clamp(-1, 1)).square() + (q.z - self.wheel).square()
        ).sqrt()
        wheels = round_disc(across, q.y - 0.36, self.wheel, 0.07, 0.03)
        buffers = round_box(q, (0.96, 0.0, 0.30), (0.06, 0.40, 0.10), 0.04)
        return boiler, cab, torch.minimum(chimney, torch.minimum(roof, frame)), wheels, buffers

    @staticmethod
    def _dome(p: Vec) -> Tensor:
        return sphere(p, (0.16, 0.0, 0.94), 0.135)

    def distance(self, p: Vec) -> Tensor:
        parts = torch.stack(self._parts(p))
        return torch.minimum(parts.amin(dim=0), self._dome(p))

    def paint(self, p: Vec, n: Vec) -> Paint:
        distances = torch.stack([*self._parts(p), self._dome(p)])
        part = distances.argmin(dim=0)
        paint = Paint.plain(p.x, BLUE, roughness=0.15)
        boiler = part == 0
        for x in (0.02, 0.42, 0.80):
            paint.brush(boiler & ((p.x - x).abs() < 0.035), BRASS, roughness=0.2, metal=1.0)
        face = boiler & (n.x > 0.8)
        around = (p.y.square() + (p.z - 0.64).square()).sqrt()
        paint.brush(face, BLACK, roughness=0.4)
        paint.brush(face & (around < 0.13), CREAM, roughness=0.2)
        side = p.y.abs()
        panel = (part == 1) & (side > 0.36) & (p.z > 0.46) & (p.z < 0.70) & ((p.x + 0.58).abs() < 0.22)
        paint.brush(panel, CREAM, roughness=0.2)
        paint.brush(panel & (p.z > 0.49) & (p.z < 0.67) & ((p.x + 0.58).abs() < 0.19), BLUE, roughness=0.15)
        paint.brush(part == 2, RED, roughness=0.2)
        paint.brush(part == 4, RED, roughness=0.15)
        paint.brush(part == 5, BRASS, roughness=0.15, metal=1.0)
        paint_wheels(p, part == 3, paint, spacing=0.6, radius=self.wheel, rolled=self.rolled)
        return paint


class Duck(Solid):
    """A wooden duck on a board with four wheels, its bill along its x axis."""

    object_id = 1
    radius = 1.12
    middle = (0.0, 0.0, 0.68)
    wheel = 0.17

    def __init__(self, centre: tuple[float, float, float], rows: Rows, rolled: float) -> None:
        super().__init__(centre, rows)
        self.rolled = rolled

    def _parts(self, p: Vec) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Distances of body, bill, eyes, board, and wheels."""
        q = Vec(p.x, p.y.abs(), p.z)
        body = capsule(q, (-0.22, 0.0, 0.63), (0.14, 0.0, 0.62), 0.38)
        body = smooth_min(body, capsule(q, (-0.45, 0.0, 0.72), (-0.66, 0.0, 0.90), 0.11), 0.30)
        body = smooth_min(body, sphere(q, (0.32, 0.0, 1.12), 0.28), 0.14)
        body = smooth_min(body, capsule(q, (-0.28, 0.34, 0.70), (0.06, 0.34, 0.66), 0.12), 0.06)
        bill = capsule(q, (0.56, 0.05, 1.06), (0.70, 0.06, 1.05), 0.07)
        eyes = sphere(q, (0.47, 0.17, 1.21), 0.065)
        board = round_box(q, (-0.02, 0.0, 0.23), (0.62, 0.27, 0.05), 0.04)
        across = ((q.x.abs() - 0.40).square() + (q.z - self.wheel).square()).sqrt()
        wheels = round_disc(across, q.y - 0.32, self.wheel, 0.05, 0.03)
        return body, bill, eyes, board, wheels

    def distance(self, p: Vec) -> Tensor:
        return torch.stack(self._parts(p)).amin(dim=0)

    def paint(self, p: Vec, n: Vec) -> Paint:
        part = torch.stack(self._parts(p)).argmin(dim=0)
        paint = Paint.plain(p.x, YELLOW, roughness=0.2)
        wing = capsule(Vec(p.x, p.y.abs(), p.z), (-0.28, 0.34, 0.70), (0.06, 0.34, 0.66), 0.135)
        paint.brush((part == 0) & (wing < 0), ORANGE, roughness=0.2)
        paint.brush(part == 1, ORANGE, roughness=0.2)
        paint.brush(part == 2, BLACK, roughness=0.05)
        paint.brush(part == 3, RED, roughness=0.2)
        paint_wheels(p, part == 4, paint, spacing=0.4, radius=self.wheel, rolled=self.rolled)
        return paint


class Mug(Solid):
    """An enamel mug with a rim and spots, its handle along its x axis."""

    object_id = 2
    radius = 1.05
    middle = (0.12, 0.0, 0.62)
    height = 1.25

    def distance(self, p: Vec) -> Tensor:
        r = (p.x.square() + p.y.square()).sqrt()
        cup = round_disc(r, p.z - self.height / 2, 0.55, self.height / 2, 0.05)
        cup = smooth_max(cup, -round_disc(r, p.z - self.height / 2 - 0.1, 0.50, self.height / 2, 0.04), 0.03)
        ring = (((p.x - 0.56).square() + (p.z - 0.64).square()).sqrt() - 0.27).square() + p.y.square()
        handle = torch.maximum(ring.sqrt() - 0.065, 0.52 - r)
        return torch.minimum(cup, handle)

    def paint(self, p: Vec, n: Vec) -> Paint:
        paint = Paint.plain(p.x, GREEN, gloss=0.05, roughness=0.12)
        r = (p.x.square() + p.y.square()).sqrt()
        angle = torch.atan2(p.y, p.x) / (2 * torch.pi) * 9
        row = ((p.z - 0.25) / 0.36).round().clamp(0, 2)
        turn = angle + 0.5 * (row % 2)
        u, v = (turn - turn.round()) / 9 * 2 * torch.pi * 0.55, p.z - 0.25 - 0.36 * row
        outside = (r > 0.53) & (r < 0.57)
        paint.brush(outside & (u.square() + v.square() < 0.085**2), CREAM, gloss=0.05, roughness=0.12)
        paint.brush(r < 0.52, CREAM, gloss=0.05, roughness=0.15)
        paint.brush((p.z > self.height - 0.06) & (r < 0.58), BLACK, roughness=0.2)
        return paint


def paint_wheels(
    p: Vec, where: Tensor, paint: Paint, *, spacing: float, radius: float, rolled: float
) -> None:
    """Red wheels with a cream ring that is broken, so that one sees them turn."""
    x, z = p.x - spacing * (p.x / spacing).round(), p.z - radius
    across = (x.square() + z.square()).sqrt() / radius
    paint.brush(where, RED, roughness=0.2)
    broken = (1.5 * torch.atan2(z, x) + 1.5 * rolled).cos().abs() > 0.4
    paint.brush(where & (across > 0.45) & (across < 0.72) & broken, CREAM, roughness=0.2)
    paint.brush(where & (across < 0.2), BRASS, metal=1.0)
