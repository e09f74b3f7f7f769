"""The room: plank floor, round rug, walls, and the window that all light comes through."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .noise import noise, scatter
from .solid import Paint
from .vec import Vec, mix, step

LEFT, RIGHT, FRONT, BACK, CEILING = -11.0, 12.0, -14.0, 9.0, 13.0
RUG_CENTRE, RUG_RADIUS = (0.0, 0.35), 4.35

FLOOR, WALL = 1000, 1001
"""What a ray hit, where it hit no toy."""

# Sun and sky. The sun stands to the left and a little behind the scene, so that shadows fall to the right
# and towards the camera.
_SUN = np.array([-1.0, 0.42, 0.70])
SUN = tuple(float(v) for v in _SUN / np.linalg.norm(_SUN))
SUN_SPREAD = 0.011
"""Half the angle of the sun's disc in radians, twice the true one: haze."""
SUN_COLOUR = (17.5, 13.0, 8.0)
WINDOW_Y, WINDOW_Z = (1.2, 8.6), (4.4, 11.4)
PANES = (2, 3)
BAR = 0.34
"""Width of the window's glazing bars."""
SKY_COLOUR = (6.2, 7.4, 9.4)
AMBIENT = (0.27, 0.25, 0.235)
"""Light that has bounced more often than we follow it."""


def hit_room(o: Vec, d: Vec) -> tuple[Tensor, Tensor]:
    """(distance, what) where rays from inside the room leave it: FLOOR or WALL."""
    floor = torch.where(d.z < -1e-6, -o.z / d.z.clamp_max(-1e-6), 1e6)
    t = (CEILING - o.z) / d.z.clamp_min(1e-6)
    for low, high, start, direction in ((LEFT, RIGHT, o.x, d.x), (FRONT, BACK, o.y, d.y)):
        edge = torch.where(direction > 0, high, low)
        safe = torch.where(direction.abs() < 1e-6, 1e-6, direction)
        t = torch.minimum(t, ((edge - start) / safe).abs())
    on_floor = floor < t
    return torch.where(on_floor, floor, t), torch.where(on_floor, FLOOR, WALL)


def window_opening(y: Tensor, z: Tensor) -> Tensor:
    """Whether points of the left wall are glass: inside the window and not on a bar."""
    (y0, y1), (z0, z1) = WINDOW_Y, WINDOW_Z
    u, v = (y - y0) / (y1 - y0) * PANES[0], (z - z0) / (z1 - z0) * PANES[1]
    inside = (u > 0) & (u < PANES[0]) & (v > 0) & (v < PANES[1])
    off_u = (u - u.round()).abs() * ((y1 - y0) / PANES[0])
    off_v = (v - v.round()).abs() * ((z1 - z0) / PANES[1])
    return inside & (off_u > BAR / 2) & (off_v > BAR / 2) & ~_leaves(y, z)


def _leaves(y: Tensor, z: Tensor) -> Tensor:
    """The shadow of a plant on the window sill: leaves fanned out from a pot."""
    root_y, root_z = 2.6, WINDOW_Z[0] - 0.3
    blocked = torch.zeros_like(y, dtype=torch.bool)
    for angle, length in ((0.35, 2.3), (0.75, 2.9), (1.15, 2.5), (1.55, 3.3), (1.95, 2.6), (2.4, 2.2)):
        c, s = float(np.cos(angle)), float(np.sin(angle))
        along = (y - root_y) * c + (z - root_z) * s
        across = (z - root_z) * c - (y - root_y) * s + 0.05 * along * along
        t = (along / length).clamp(0, 1)
        blocked |= (along > 0) & (along < length) & (across.abs() < 0.04 + 1.0 * t * t * (1 - t))
    return blocked


def surroundings(o: Vec, d: Vec, t: Tensor, see_window: bool) -> Vec:
    """Radiance that comes from walls and ceiling along rays that hit them after distance ``t``.

    The walls' own light is a constant with a gentle gradient: it is only ever seen out of focus, in a
    reflection, or as fill. ``see_window`` is False where the window is sampled as a lamp instead.
    """
    p = o + d * t
    high = (p.z / CEILING).clamp(0, 1)
    toward_window = ((RIGHT - p.x) / (RIGHT - LEFT)).clamp(0, 1)
    level = (0.25 + 0.18 * high) * (1.15 - 0.45 * toward_window)
    light = Vec(level * 1.02, level * 0.95, level * 0.85)
    if see_window:
        lit = (p.x < LEFT + 1e-3) & window_opening(p.y, p.z)
        sky = Vec.full(t, *SKY_COLOUR)
        light = Vec(*(torch.where(lit, s, c) for s, c in zip(sky, light, strict=True)))
    return light


def wall_paint(p: Vec) -> tuple[Paint, Vec]:
    """Paint and inward normal of the back wall: matt green over a white skirting board."""
    mottle = noise(p.x * 0.05, p.z * 0.05, seed=9)
    paint = Paint.plain(p.x, (0.0, 0.0, 0.0), gloss=0.0, roughness=1.0)
    paint.albedo = mix(Vec(0.16, 0.27, 0.26), Vec(0.19, 0.30, 0.28), step(-2, 2, mottle))
    paint.brush(p.z < 0.72, (0.72, 0.69, 0.63), gloss=0.04, roughness=0.4)
    paint.brush((p.z < 0.62) & (p.z > 0.57), (0.40, 0.38, 0.34), roughness=0.4)
    return paint, Vec.full(p.x, 0.0, -1.0, 0.0)


def floor_paint(p: Vec) -> tuple[Paint, Vec]:
    """Paint and normal of the floor: oak planks, and the rug on them."""
    planks, plank_normal = _planks(p)
    rug, rug_normal, on_rug = _rug(p)
    rug.albedo = Vec(*(torch.where(on_rug, a, b) for a, b in zip(rug.albedo, planks.albedo, strict=True)))
    rug.gloss = torch.where(on_rug, rug.gloss, planks.gloss)
    rug.roughness = torch.where(on_rug, rug.roughness, planks.roughness)
    normal = Vec(*(torch.where(on_rug, a, b) for a, b in zip(rug_normal, plank_normal, strict=True)))
    return rug, normal


def _planks(p: Vec) -> tuple[Paint, Vec]:
    # Planks run from left to right, a little askew, staggered like a laid floor.
    c, s = 0.9848, 0.1736
    along, across = p.x * c + p.y * s, p.y * c - p.x * s
    width, length = 0.92, 6.5
    row = (across / width).floor()
    shift = along / length + scatter(row, 1) * 7
    plank = row * 64 + shift.floor()
    tone, offset = scatter(plank, 2), scatter(plank, 3)
    u, v = along, across + offset * 37
    bend = 0.10 * noise(u * 0.035 + offset, v * 0.10, seed=4)
    rings = noise(u * 0.018 + offset, (v + bend) * 0.42, seed=1)
    fibre = noise(u * 0.08, v * 1.9, seed=2, fall_off=0.35)
    grain = (0.62 * rings + 0.30 * fibre).clamp(-2.4, 2.4)
    light = mix(Vec(0.50, 0.275, 0.115), Vec(0.42, 0.225, 0.095), tone)
    dark = mix(Vec(0.285, 0.135, 0.050), Vec(0.225, 0.105, 0.040), tone)
    wood = mix(light, dark, step(-1.5, 2.0, grain))
    gap_v = (across / width - row - 0.5).abs() * width
    gap_u = (shift - shift.floor() - 0.5).abs() * length
    gap = torch.maximum(
        step(width / 2 - 0.022, width / 2 - 0.006, gap_v), step(length / 2 - 0.03, length / 2, gap_u)
    )
    paint = Paint.plain(p.x, (0.0, 0.0, 0.0), gloss=0.045)
    paint.albedo = mix(wood, Vec(0.045, 0.022, 0.010), gap * 0.9)
    paint.roughness = (0.16 + 0.05 * fibre.abs() + 0.4 * gap).clamp(0.05, 0.8)
    bump = 0.006 * rings
    normal = Vec(bump * -s, bump * c, torch.ones_like(bump)).unit()
    return paint, normal


def _rug(p: Vec) -> tuple[Paint, Vec, Tensor]:
    """A braided round rug: rings of yarn, zigzags and diamonds in teal, cream and mustard."""
    x, y = p.x - RUG_CENTRE[0], p.y - RUG_CENTRE[1]
    r = (x * x + y * y).sqrt().clamp_min(1e-4)
    angle = torch.atan2(y, x) / (2 * np.pi)
    ring_width = 0.145
    ring = (r / ring_width).floor()
    # Stitches lean one way in even rings and the other way in odd ones, as in a braid.
    stitches = (2 * np.pi * (ring + 0.5) * ring_width / 0.16).round().clamp_min(4)
    lean = (1 - 2 * (ring % 2)) * (r / ring_width - ring - 0.5) * 0.8
    stitch = angle * stitches + lean
    cell = stitch.floor() + 1000 * ring
    across = (r / ring_width - ring - 0.5) * 2
    along = (stitch - stitch.floor() - 0.5) * 2
    height = (1 - across.square()).clamp_min(0).sqrt() * (0.55 + 0.45 * (1 - along.square()))
    fuzz = noise(x * 0.55, y * 0.55, seed=6, fall_off=0.15)

    teal, cream, mustard, rust = (
        Vec(0.035, 0.155, 0.165),
        Vec(0.62, 0.55, 0.42),
        Vec(0.56, 0.30, 0.045),
        Vec(0.36, 0.085, 0.045),
    )
    plain = Paint.plain(p.x, (0.62, 0.55, 0.42), gloss=0.0, roughness=1.0)
    # Each stitch has one colour, so the pattern is read in the middle of the stitch.
    middle = (stitch.floor() + 0.5 - lean) / stitches
    around = middle * 18
    zigzag = (around - around.floor() - 0.5).abs() * 2
    for low, high, colour in (
        (27, 30, teal),
        (26, 27, mustard),
        (19, 20, rust),
        (8, 9, mustard),
        (0, 3, rust),
    ):
        plain.brush((ring >= low) & (ring < high), colour, gloss=0.0, roughness=1.0)
    wide = (ring >= 20) & (ring < 26)
    plain.brush(wide, teal, gloss=0.0, roughness=1.0)
    plain.brush(wide & ((ring - 20) / 5 < zigzag + 0.12) & ((ring - 20) / 5 > zigzag - 0.42), cream, 0.0, 1.0)
    inner = (ring >= 9) & (ring < 14)
    diamond = ((middle * 9) % 1 - 0.5).abs() * 2 + ((ring - 11) / 2.6).abs()
    plain.brush(inner, teal, gloss=0.0, roughness=1.0)
    plain.brush(inner & (diamond < 0.9), mustard, gloss=0.0, roughness=1.0)
    shade = (0.50 + 0.50 * height) * (0.90 + 0.20 * scatter(cell, 5)) * (1 + 0.10 * fuzz)
    plain.albedo = plain.albedo * shade.clamp(0.15, 1.5)
    tilt_r, tilt_a = 0.55 * across, 0.30 * along
    nx, ny = (tilt_r * x - tilt_a * y) / r, (tilt_r * y + tilt_a * x) / r
    normal = Vec(nx, ny, torch.ones_like(nx)).unit()
    return plain, normal, r < RUG_RADIUS
