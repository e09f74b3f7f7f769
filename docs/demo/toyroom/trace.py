"""Where rays end: sphere tracing (Hart 1996) inside bounding spheres, toy by toy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .room import hit_room
from .solid import Solid
from .vec import Vec, turned

MISS = 1e6


def first_hit(
    toys: Sequence[Solid], o: Vec, d: Vec, accuracy: float = 5e-4, turns: int = 96
) -> tuple[Tensor, Tensor]:
    """(distance, what) for N rays with unit directions: a toy's place in ``toys``, or FLOOR or WALL."""
    t, what = hit_room(o, d)
    for k, toy in enumerate(toys):
        rays, near, far = _may_hit(toy, o, d, t)
        if len(rays):
            at = _march(toy, o[rays], d[rays], near, far, accuracy, turns)
            nearer = rays[at < t[rays]]
            t[nearer], what[nearer] = at[at < t[rays]], k
    return t, what


def blocked(toys: Sequence[Solid], o: Vec, d: Vec, far: Tensor) -> Tensor:
    """(N,) bool: whether a toy lies on the rays before distance ``far``."""
    limit = far.clone()
    for toy in toys:
        rays, near, end = _may_hit(toy, o, d, limit)
        if len(rays):
            at = _march(toy, o[rays], d[rays], near, end, 1.5e-3, turns=40)
            limit[rays[at < MISS]] = -1.0  # no later toy need be tried
    return limit < 0


def _may_hit(toy: Solid, o: Vec, d: Vec, limit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rays that meet the bounding sphere before ``limit``, and where they enter and leave it."""
    cx, cy, cz = toy.bound_centre
    to = Vec(cx - o.x, cy - o.y, cz - o.z)
    middle = to.dot(d)
    room = toy.bound_radius**2 - (to.dot(to) - middle * middle)
    half = room.clamp_min(0).sqrt()
    rays = torch.nonzero((room > 0) & (middle + half > 0) & (middle - half < limit)).squeeze(1)
    middle, half = middle[rays], half[rays]
    return rays, (middle - half).clamp_min(0), torch.minimum(middle + half, limit[rays])


def _march(toy: Solid, o: Vec, d: Vec, near: Tensor, far: Tensor, accuracy: float, turns: int = 96) -> Tensor:
    """Distance to the first point within ``accuracy`` of the toy, or MISS; MISS too after ``turns`` steps."""
    result = torch.full_like(near, MISS)
    start, direction = toy.to_own(o), turned(toy.rows, d)
    rays, t = torch.arange(len(near)), near
    factor = toy.scale * toy.stride
    for turn in range(turns):
        gap = toy.distance(start + direction * t) * factor
        if turn % 3 == 2:  # dropping finished rays costs more than a turn or two with them
            hit = (gap < accuracy) & (t <= far)
            result[rays[hit]] = t[hit]
            keep = torch.nonzero(~hit & (t < far)).squeeze(1)
            if len(keep) == 0:
                break
            rays, start, direction, t, far, gap = (
                rays[keep],
                start[keep],
                direction[keep],
                t[keep],
                far[keep],
                gap[keep],
            )
        # Inside the surface steps are negative: rays that crossed it by rounding come back.
        t = t + gap
    return torch.where(result < MISS, result, MISS)
