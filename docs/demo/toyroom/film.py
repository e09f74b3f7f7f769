"""Light into layers: the path tracer, and the exact labels of what is seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import room
from .noise import Sampler, spread
from .room import AMBIENT, FLOOR, WALL
from .solid import Paint, Solid
from .story import Camera, Story
from .trace import blocked, first_hit
from .vec import Vec

SHUTTER = 0.5
"""Share of the time between frames that the shutter is open."""
CHUNK = 1 << 19
"""Rays followed at a time: their tensors stay in the processor's cache."""
LIFT = 4e-3
"""Rays leave a surface this far above it."""


@dataclass
class Layers:
    """What a frame is developed from, (H, W, 3) float32 each, means over all samples."""

    albedo: NDArray[np.float32]
    sunlight: NDArray[np.float32]
    """Sunlight scattered from the surface, albedo included: sharp, hardly noisy."""
    soft: NDArray[np.float32]
    """Light from the sky and from other surfaces, before the albedo: smooth but noisy."""
    mirrored: NDArray[np.float32]
    """Reflections and highlights."""
    normal: NDArray[np.float32]
    depth: NDArray[np.float32]
    """(H, W) distance from the eye."""
    spread: NDArray[np.float32]
    """(H, W) variance of the mean brightness: the noise that is left, most of it where things are blurred."""


def pixel_rays(view: Camera, size: tuple[int, int], x: Tensor, y: Tensor) -> tuple[Vec, Vec, Vec, Vec]:
    """(directions, right, down, ahead) for image points in pixels, pixel centres at whole numbers.

    Directions have length 1 along ``ahead``.
    """
    height, width = size
    ahead = np.array(view.target) - np.array(view.eye)
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    u = ((x + 0.5) / width - 0.5) * view.width
    v = ((y + 0.5) / height - 0.5) * (view.width * height / width)
    vectors = [Vec(*(float(c) for c in axis)) for axis in (right, down, ahead)]
    direction = Vec(*(r * u + d * v + a for r, d, a in zip(*vectors, strict=True)))
    return direction, *vectors


def true_labels(story: Story, frame: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) uint8: the object seen through the middle of every pixel, half-way through the exposure.

    Traced in double precision through a pinhole, without blur of any kind.
    """
    height, width = size
    view, things = story.camera(frame), story.toys(frame)
    y, x = (
        c.reshape(-1).double()
        for c in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    )
    direction = pixel_rays(view, size, x, y)[0].unit()
    eye = Vec.full(x, *view.eye)
    _, what = first_hit(things, eye, direction, accuracy=1e-6)
    ids = torch.tensor([thing.object_id for thing in things], dtype=torch.uint8)
    labels = torch.where(what < len(things), ids[what.clamp_max(len(things) - 1)], 0)
    return labels.to(torch.uint8).reshape(height, width).numpy()


def expose(story: Story, frame: int, size: tuple[int, int], num_samples: int) -> Layers:
    """Path-trace one frame: light that has bounced at most twice, motion blur and depth of field."""
    height, width = size
    sampler = Sampler(frame, height * width, num_samples)
    sums = {
        name: torch.zeros(height * width, 3) for name in ("albedo", "sunlight", "soft", "mirrored", "normal")
    }
    depth, brightness, square = (torch.zeros(height * width) for _ in range(3))
    for index in range(num_samples):
        moment = frame + SHUTTER * ((index * 0.6180339887 + 0.5 / num_samples) % 1 - 0.5)
        view, things = story.camera(moment), story.toys(moment)
        for first in range(0, height * width, CHUNK):
            pixels = torch.arange(first, min(first + CHUNK, height * width))
            o, d = _lens_rays(view, size, pixels, index)
            layers, t = _gather(things, o, d, pixels, sampler, index, story.shared)
            for name, value in layers.items():
                sums[name][pixels] += torch.stack(list(value), dim=1)
            depth[pixels] += t
            level = sum(layers["sunlight"] + layers["albedo"], start=0 * t).clamp_max(6) / 3
            brightness[pixels] += level
            square[pixels] += level.square()
    spread = (square / num_samples - (brightness / num_samples).square()).clamp_min(0) / num_samples
    images = {name: (total / num_samples).reshape(height, width, 3).numpy() for name, total in sums.items()}
    maps = {"depth": depth / num_samples, "spread": spread}
    return Layers(**images, **{name: total.reshape(height, width).numpy() for name, total in maps.items()})


def _lens_rays(view: Camera, size: tuple[int, int], pixels: Tensor, index: int) -> tuple[Vec, Vec]:
    """(starts, unit directions) through one point of the lens and the same place in every pixel."""
    a, b = spread(index)
    # A tent three quarters of a pixel to each side: smoother edges than a box.
    x = (pixels % size[1]) + _tent(a)
    y = torch.div(pixels, size[1], rounding_mode="floor") + _tent(b)
    direction, right, down, _ = pixel_rays(view, size, x, y)
    c, e = spread(index, turn=0.37)
    radius, angle = view.lens * math.sqrt(c), 2 * math.pi * e
    du, dv = radius * math.cos(angle), radius * math.sin(angle)
    shift = Vec(*(r * du + d * dv for r, d in zip(right, down, strict=True)))
    eye = Vec.full(x, *view.eye)
    return eye + shift, (direction * view.focus - shift).unit()


def _tent(u: float) -> float:
    return 0.75 * (math.sqrt(2 * u) - 1 if u < 0.5 else 1 - math.sqrt(2 - 2 * u))


def _gather(
    things: Sequence[Solid], o: Vec, d: Vec, pixels: Tensor, sampler: Sampler, index: int, shared: int
) -> tuple[dict[str, Vec], Tensor]:
    """Everything that one ray per pixel sees."""
    t, what = first_hit(things, o, d)
    paint, normal, p = _surface(things, o, d, t, what)
    facing = -d.dot(normal)
    start = p + normal * LIFT

    shares = sampler.num_samples / len(range(0, sampler.num_samples, shared))

    def pair(purpose: str) -> tuple[Tensor, Tensor]:
        return sampler.pair(purpose, index, pixels)

    sun, sun_direction = _sunlight(things, start, normal, *pair("sun"))
    # Soft light and reflections are dear, and smoothed afterwards: one sample of every few stands for all.
    dear = index % shared == 0
    soft = Vec.full(t, 0.0, 0.0, 0.0)
    if dear:
        soft = _skylight(things, start, normal, *pair("sky"))
        # One more bounce, spread by the cosine, brings what other surfaces send.
        bounce = _around(normal, *pair("bounce"))
        soft = soft + _incoming(things, start, bounce, sampler, index, pixels, "indirect", see_window=False)
        soft = soft * shares
    matt = paint.albedo * (1 - paint.metal)

    mirrored = Vec.full(t, 0.0, 0.0, 0.0)
    shiny = torch.nonzero(paint.gloss > 0.01).squeeze(1)
    if len(shiny):
        a, b = (u[shiny] for u in pair("mirror"))
        rough = paint.roughness[shiny]
        facet = _facet(normal[shiny], rough, a, b)
        incoming = d[shiny]
        out = incoming - facet * (2 * incoming.dot(facet))
        up = out.dot(normal[shiny])
        out = (out + normal[shiny] * ((0.02 - up).clamp_min(0) * 2)).unit()
        visible = Vec(*(c[shiny] for c in sun))
        tint = _fresnel(paint, shiny, facing[shiny])
        sparkle = _highlight(normal[shiny], incoming, sun_direction[shiny], rough)
        light = visible * sparkle
        if dear:
            light = light + shares * _incoming(
                things, start[shiny], out, sampler, index, pixels[shiny], "mirrored", see_window=True
            )
        mirrored[shiny] = tint * light
        # What the lacquer mirrors does not reach the colour underneath.
        matt[shiny] = matt[shiny] * (1 - (tint.x + tint.y + tint.z) / 3)
    layers = {
        "albedo": matt,
        "sunlight": matt * sun,
        "soft": soft,
        "mirrored": mirrored,
        "normal": normal,
    }
    return layers, t


def _surface(things: Sequence[Solid], o: Vec, d: Vec, t: Tensor, what: Tensor) -> tuple[Paint, Vec, Vec]:
    """(paint, unit normal towards the ray, point) where rays ended."""
    p = o + d * t
    paint, normal = Paint.plain(t, (0.5, 0.5, 0.5), gloss=0.0), Vec.full(t, 0.0, 0.0, 1.0)
    for k in (*range(len(things)), FLOOR, WALL):
        rays = torch.nonzero(what == k).squeeze(1)
        if len(rays) == 0:
            continue
        at = p[rays]
        if k == FLOOR:
            part, n = room.floor_paint(at)
        elif k == WALL:
            part, n = room.wall_paint(at)
        else:
            own = things[k].to_own(at)
            own_normal, n = things[k].normal(own)
            part = things[k].paint(own, own_normal)
        paint.albedo[rays], normal[rays] = part.albedo, n
        paint.gloss[rays], paint.roughness[rays], paint.metal[rays] = part.gloss, part.roughness, part.metal
    # Bumps may turn a normal away from the eye; bring it back to the horizon.
    away = d.dot(normal).clamp_min(0)
    return paint, (normal - d * (away * 1.01)).unit(), p


def _sunlight(things: Sequence[Solid], p: Vec, n: Vec, a: Tensor, b: Tensor) -> tuple[Vec, Vec]:
    """(sunlight over pi on every surface point, direction to the point of the sun's disc that was tried)."""
    radius, angle = room.SUN_SPREAD * a.sqrt(), 2 * math.pi * b
    sun = Vec(*room.SUN)
    side = Vec(-sun.y, sun.x, 0.0)
    norm = 1 / math.hypot(side.x, side.y)
    side = Vec(side.x * norm, side.y * norm, 0.0)
    up = sun.cross(side)
    u, v = radius * angle.cos(), radius * angle.sin()
    d = Vec(*(s + r * u + w * v for s, r, w in zip(sun, side, up, strict=True))).unit()
    cosine = d.dot(n).clamp_min(0)
    reach = (room.LEFT - p.x) / d.x
    lit = (cosine > 0) & (reach > 0) & room.window_opening(p.y + d.y * reach, p.z + d.z * reach)
    rays = torch.nonzero(lit).squeeze(1)
    amount = torch.zeros_like(cosine)
    if len(rays):
        free = ~blocked(things, p[rays], d[rays], reach[rays])
        amount[rays] = cosine[rays] * free / math.pi
    return Vec(*(amount * c for c in room.SUN_COLOUR)), d


def _skylight(things: Sequence[Solid], p: Vec, n: Vec, a: Tensor, b: Tensor) -> Vec:
    """Light of the sky through the window over pi, from one random point of the window."""
    (y0, y1), (z0, z1) = room.WINDOW_Y, room.WINDOW_Z
    to = Vec(room.LEFT - p.x, y0 + (y1 - y0) * a - p.y, z0 + (z1 - z0) * b - p.z)
    distance = to.length()
    d = to * (1 / distance)
    cosine = d.dot(n).clamp_min(0)
    share = cosine * (-d.x).clamp_min(0) * ((y1 - y0) * (z1 - z0) / math.pi) / distance.square()
    rays = torch.nonzero(share > 1e-5).squeeze(1)
    if len(rays):
        free = ~blocked(things, p[rays], d[rays], distance[rays])
        share[rays] = share[rays] * free
    # The bars take about a fifth of the window.
    return Vec(*(share * (0.8 * c) for c in room.SKY_COLOUR))


def _incoming(
    things: Sequence[Solid],
    o: Vec,
    d: Vec,
    sampler: Sampler,
    index: int,
    pixels: Tensor,
    purpose: str,
    see_window: bool,
) -> Vec:
    """Radiance along rays that left a surface: what they hit is lit directly, and by a constant."""
    t, what = first_hit(things, o, d, accuracy=2e-3, turns=48)
    light = room.surroundings(o, d, t, see_window)
    rays = torch.nonzero(what != WALL).squeeze(1)
    if len(rays):
        paint, normal, p = _surface(things, o[rays], d[rays], t[rays], what[rays])
        start = p + normal * LIFT
        sun, _ = _sunlight(things, start, normal, *sampler.pair(purpose + " sun", index, pixels[rays]))
        sky = _skylight(things, start, normal, *sampler.pair(purpose + " sky", index, pixels[rays]))
        light[rays] = paint.albedo * (sun + sky + Vec(*AMBIENT))
    return light


def _around(n: Vec, a: Tensor, b: Tensor) -> Vec:
    """Directions about the normals, as likely as the cosine."""
    z, angle = 1 - 2 * a, 2 * math.pi * b
    r = (1 - z * z).clamp_min(0).sqrt()
    return Vec(n.x + 0.999 * r * angle.cos(), n.y + 0.999 * r * angle.sin(), n.z + 0.999 * z).unit()


def _facet(n: Vec, roughness: Tensor, a: Tensor, b: Tensor) -> Vec:
    """Normals of the tiny facets that mirror, GGX with alpha = roughness squared (Walter et al. 2007)."""
    alpha = roughness.square()
    cosine = ((1 - a) / (1 + (alpha.square() - 1) * a)).clamp(0, 1).sqrt()
    sine, angle = (1 - cosine.square()).clamp_min(0).sqrt(), 2 * math.pi * b
    # Any two directions across the normal will do; this pair has no pole (Duff et al. 2017).
    sign = torch.where(n.z < 0, -1.0, 1.0)
    k = -1 / (sign + n.z)
    m = n.x * n.y * k
    s = Vec(1 + sign * n.x * n.x * k, sign * m, -sign * n.x)
    u = Vec(m, sign + n.y * n.y * k, -n.y)
    return (s * (sine * angle.cos()) + u * (sine * angle.sin()) + n * cosine).unit()


def _fresnel(paint: Paint, rays: Tensor, facing: Tensor) -> Vec:
    """How much is mirrored, by colour (Schlick 1994); rough coats mirror less at grazing angles."""
    grazing = (1 - facing.clamp(0, 1)) ** 5 * (1 - paint.roughness[rays])
    metal, gloss, albedo = paint.metal[rays], paint.gloss[rays], paint.albedo[rays]
    base = Vec(*(gloss + (c - gloss) * metal for c in albedo))
    return Vec(*(c + (1 - c) * grazing for c in base))


def _highlight(n: Vec, incoming: Vec, sun: Vec, roughness: Tensor) -> Tensor:
    """The sun's own reflection: GGX lobe over four cosines, relative to what white chalk scatters."""
    half = (sun - incoming).unit()
    # The sun is not a point: it cannot be mirrored sharper than this.
    alpha2 = roughness.clamp_min(0.15) ** 4
    facing = n.dot(half).clamp(0, 1)
    lobe = alpha2 / (math.pi * (facing.square() * (alpha2 - 1) + 1).square())
    up = (-incoming.dot(n)).clamp_min(0.1)
    return (lobe * math.pi / (4 * up * n.dot(sun).clamp_min(0.1))).clamp_max(60.0)
