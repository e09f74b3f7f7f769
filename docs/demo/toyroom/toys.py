"""The toys: cars, caterpillar, ball, spinning top and letter blocks."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from .noise import noise, sample
from .solid import Paint, Rows, Solid
from .vec import Vec, capsule, mix, round_box, round_disc, smooth_max, smooth_min, sphere, step

RED = (0.60, 0.045, 0.030)
CREAM = (0.70, 0.61, 0.44)
RUBBER = (0.022, 0.021, 0.022)
GLASS = (0.020, 0.035, 0.050)
BRASS = (0.80, 0.54, 0.22)


class Car(Solid):
    """A lacquered wooden car, nose along its x axis, wheels on z = 0. All cars look the same."""

    radius = 1.12
    middle = (0.0, 0.0, 0.42)
    wheel = 0.25

    def __init__(self, object_id: int, centre, rows: Rows, rolled: float) -> None:
        super().__init__(centre, rows)
        self.object_id, self.rolled = object_id, rolled

    def _parts(self, p: Vec) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Distances of coachwork, cabin, wheels and lamps."""
        q = Vec(p.x, p.y.abs(), p.z)
        body = round_box(q, (0.0, 0.0, 0.37), (0.93, 0.42, 0.185), 0.16)
        bonnet = round_box(q, (0.0, 0.0, 0.42), (0.62, 0.34, 0.20), 0.18)
        body = smooth_min(body, bonnet, 0.08)
        # The cabin narrows towards the roof: its box is measured in coordinates that widen with height.
        lean = 1 + 0.42 * (q.z - 0.55)
        cabin = (
            round_box(Vec((q.x + 0.10) * lean, q.y * lean, q.z), (0.0, 0.0, 0.66), (0.46, 0.34, 0.22), 0.13)
            * 0.8
        )
        axle_x, axle_z = q.x.abs() - 0.54, q.z - self.wheel
        across = (axle_x * axle_x + axle_z * axle_z).sqrt()
        arch = torch.maximum(across - 0.30, 0.27 - q.y)
        body = smooth_max(body, -arch, 0.03)
        wheels = round_disc(across, q.y - 0.37, self.wheel, 0.085, 0.045)
        hub = round_disc(across, q.y - 0.44, 0.12, 0.035, 0.02)
        lamps = sphere(q, (0.885, 0.25, 0.44), 0.085)
        lamps = torch.minimum(lamps, capsule(q, (0.93, 0.0, 0.24), (0.90, 0.36, 0.24), 0.045))
        lamps = torch.minimum(lamps, capsule(q, (-0.93, 0.0, 0.24), (-0.90, 0.36, 0.24), 0.045))
        return body, cabin, torch.minimum(wheels, hub), lamps

    def distance(self, p: Vec) -> Tensor:
        body, cabin, wheels, lamps = self._parts(p)
        return torch.minimum(smooth_min(body, cabin, 0.07), torch.minimum(wheels, lamps))

    def paint(self, p: Vec, n: Vec) -> Paint:
        body, cabin, wheels, lamps = self._parts(p)
        paint = Paint.plain(p.x, RED, roughness=0.12)
        side = p.y.abs()
        paint.brush((side < 0.135) & (side > 0.045) & (n.z > 0.2), CREAM, roughness=0.15)
        roundel = (p.x + 0.02).square() + (p.z - 0.385).square()
        paint.brush((roundel < 0.155**2) & (side > 0.3) & (body < 0.01), CREAM, roughness=0.15)
        paint.brush(
            (roundel < 0.125**2) & (roundel > 0.10**2) & (side > 0.3) & (body < 0.01), (0.05, 0.10, 0.20)
        )
        on_cabin = (cabin < body) & (p.z > 0.60)
        paint.brush(on_cabin & (p.z > 0.835), CREAM, roughness=0.15)
        # Windows all round, with pillars at the corners and one in the middle of each side.
        pane = on_cabin & (p.z > 0.64) & (p.z < 0.80)
        flank = pane & (n.y.abs() > 0.75) & ((p.x + 0.06).abs() > 0.025) & (p.x > -0.46) & (p.x < 0.26)
        paint.brush(flank | (pane & (n.x.abs() > 0.7) & (side < 0.27)), GLASS, gloss=0.07, roughness=0.03)
        is_lamp = lamps < torch.minimum(torch.minimum(body, cabin), wheels)
        paint.brush(is_lamp, (0.86, 0.84, 0.80), roughness=0.12, metal=1.0)
        paint.brush(is_lamp & (p.z > 0.33) & (p.x > 0.9), (0.90, 0.78, 0.42), gloss=0.06, roughness=0.05)
        self._paint_wheels(p, wheels < torch.minimum(torch.minimum(body, cabin), lamps), paint)
        return paint

    def _paint_wheels(self, p: Vec, where: Tensor, paint: Paint) -> None:
        x, z = p.x - 0.54 * p.x.sign(), p.z - self.wheel
        across = (x * x + z * z).sqrt()
        paint.brush(where, RUBBER, roughness=0.55)
        face = where & (p.y.abs() > 0.40)
        paint.brush(face & (across < 0.165), CREAM, roughness=0.2)
        # Five spokes' ends, so that one sees the wheel turn.
        angle = torch.atan2(z, x) + self.rolled
        paint.brush(face & (across < 0.14) & (across > 0.075) & ((2.5 * angle).cos().abs() > 0.72), RED)
        paint.brush(face & (across < 0.04), BRASS, metal=1.0)


class Caterpillar(Solid):
    """A row of painted beads that crawls; bead 0 is the head. Own coordinates are the world's, shifted."""

    object_id = 3
    beads = ((0.50, 0.58, 0.08), (0.055, 0.30, 0.25))

    def __init__(
        self, centre, places: list[tuple[float, float, float]], radii: list[float], yaw: float
    ) -> None:
        self.places, self.radii = places, radii
        spread = np.array(places)
        self.middle = tuple(float(v) for v in spread.mean(axis=0))
        self.radius = float(np.linalg.norm(spread - spread.mean(axis=0), axis=1).max()) + 0.72
        super().__init__(centre, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
        self._yaw = (float(np.cos(yaw)), float(np.sin(yaw)))

    def _head(self, p: Vec) -> Vec:
        """Points seen from the head's centre, x where it looks, y mirrored."""
        x, y, z = (c - o for c, o in zip(p, self.places[0], strict=True))
        c, s = self._yaw
        return Vec(x * c + y * s, (y * c - x * s).abs(), z)

    def _face(self, head: Vec) -> tuple[Tensor, Tensor, Tensor]:
        """Distances of feelers with their knobs, nose, and eyes."""
        r = self.radii[0]
        feelers = capsule(head, (0.05, 0.10, r * 0.8), (0.10, 0.21, r + 0.26), 0.022)
        knobs = sphere(head, (0.10, 0.21, r + 0.28), 0.066)
        nose = sphere(head, (r + 0.01, 0.0, -0.03), 0.075)
        eyes = sphere(head, (r * 0.80, r * 0.40, r * 0.38), 0.100)
        return torch.minimum(feelers, knobs), nose, eyes

    def distance(self, p: Vec) -> Tensor:
        body = sphere(p, self.places[0], self.radii[0])
        for place, radius in zip(self.places[1:], self.radii[1:], strict=True):
            body = smooth_min(body, sphere(p, place, radius), 0.02)
        feelers, nose, eyes = self._face(self._head(p))
        return torch.minimum(torch.minimum(body, feelers), torch.minimum(nose, eyes))

    def paint(self, p: Vec, n: Vec) -> Paint:
        nearest, which = torch.full_like(p.x, 9.0), torch.zeros_like(p.x)
        height = torch.zeros_like(p.x)
        for k, (place, radius) in enumerate(zip(self.places, self.radii, strict=True)):
            d = sphere(p, place, radius)
            which = torch.where(d < nearest, float(k), which)
            height = torch.where(d < nearest, (p.z - place[2]) / radius, height)
            nearest = torch.minimum(d, nearest)
        paint = Paint.plain(p.x, self.beads[0], roughness=0.22)
        paint.brush(which % 2 == 1, self.beads[1], roughness=0.22)
        paint.brush((which % 2 == 1) & (height.abs() < 0.16), (0.85, 0.62, 0.10), roughness=0.22)
        paint.brush(
            (which % 2 == 0) & (which > 0) & (height.abs() < 0.16), (0.80, 0.16, 0.05), roughness=0.22
        )
        paint.brush(which == 0, (0.82, 0.50, 0.06), roughness=0.22)
        head = self._head(p)
        feelers, nose, eyes = self._face(head)
        paint.brush(feelers < nearest, (0.80, 0.16, 0.05))
        paint.brush(nose < torch.minimum(nearest, feelers), (0.70, 0.06, 0.04), roughness=0.1)
        r = self.radii[0]
        is_eye = eyes < torch.minimum(nearest, nose)
        paint.brush(is_eye, (0.85, 0.84, 0.80), roughness=0.08)
        pupil = Vec(head.x - r * 0.80, head.y - r * 0.40, head.z - r * 0.38).unit()
        paint.brush(
            is_eye & (pupil.x * 0.93 + pupil.y * 0.25 + pupil.z * 0.1 > 0.80),
            (0.01, 0.01, 0.012),
            roughness=0.05,
        )
        smile = (head.x > 0) & (head.y < 0.17) & ((head.z + 0.17 - 1.1 * head.y.square()).abs() < 0.014)
        paint.brush(smile & (which == 0) & ~is_eye & (nearest < 0.002), (0.05, 0.02, 0.01))
        return paint


class Ball(Solid):
    """A rubber ball with six gores; ``rows`` may squash it."""

    object_id = 4
    radius = 0.46
    gores = ((0.82, 0.78, 0.68), (0.02, 0.22, 0.40), (0.82, 0.78, 0.68), (0.86, 0.40, 0.03))

    def distance(self, p: Vec) -> Tensor:
        return p.length() - self.radius

    def paint(self, p: Vec, n: Vec) -> Paint:
        turn = torch.atan2(p.y, p.x) / (2 * np.pi) * 8 % 4
        paint = Paint.plain(p.x, self.gores[0], roughness=0.28)
        for k in (1, 3):
            paint.brush(turn.floor() == k, self.gores[k], roughness=0.28)
        seam = (turn - turn.round()).abs() * (p.x * p.x + p.y * p.y).sqrt() < 0.012
        paint.brush(seam, (0.45, 0.42, 0.36), roughness=0.4)
        paint.brush(p.z.abs() > self.radius * 0.95, (0.80, 0.10, 0.05), roughness=0.28)
        return paint


class Top(Solid):
    """A spinning top of brushed brass with an enamelled band; it stands on its tip, its axis is z."""

    object_id = 5
    radius = 0.86
    middle = (0.0, 0.0, 0.62)
    stride = 0.9

    def __init__(self, centre, rows: Rows, spun: float) -> None:
        super().__init__(centre, rows)
        self.spun = spun

    def distance(self, p: Vec) -> Tensor:
        r = (p.x * p.x + p.y * p.y).sqrt()
        under = 0.7071 * (r - p.z - 0.02)
        over = 0.447 * r + 0.894 * (p.z - 0.66)
        body = smooth_max(smooth_max(under, over, 0.10), r - 0.56, 0.10)
        stem = round_disc(r, p.z - 0.82, 0.055, 0.25, 0.02)
        collar = round_disc(r, p.z - 0.66, 0.13, 0.05, 0.04)
        knob = sphere(p, (0.0, 0.0, 1.10), 0.105)
        body = smooth_min(body, collar, 0.05)
        return torch.minimum(smooth_min(body, stem, 0.05), knob)

    def paint(self, p: Vec, n: Vec) -> Paint:
        r = (p.x * p.x + p.y * p.y).sqrt()
        # Brushed: the lathe left rings, so polish varies with the radius alone.
        rings = noise(r * 1.9 + p.z * 2.3, torch.zeros_like(r) + 0.3, seed=5, fall_off=0.2)
        paint = Paint.plain(p.x, BRASS)
        paint.metal = torch.ones_like(r)
        paint.roughness = (0.20 + 0.05 * rings).clamp(0.08, 0.4)
        angle = (torch.atan2(p.y, p.x) - self.spun) / (2 * np.pi)
        band = (n.z > 0.3) & (r > 0.24) & (r < 0.47)
        sector = (angle * 8 + (r - 0.24) * 3).floor() % 2
        paint.brush(band & (sector == 0), (0.20, 0.020, 0.16), roughness=0.12)
        paint.brush(band & (sector == 1), (0.46, 0.10, 0.30), roughness=0.12)
        paint.brush(p.z > 1.0, (0.20, 0.020, 0.16), roughness=0.12)
        return paint


class Block(Solid):
    """A letter block of pale wood: coloured frames, and the letter cut into its faces."""

    radius = 0.88
    half = 0.52

    def __init__(self, letter: str, colour, centre, rows: Rows) -> None:
        super().__init__(centre, rows)
        self.letter, self.colour = letter, colour

    def distance(self, p: Vec) -> Tensor:
        return round_box(p, (0.0, 0.0, 0.0), (self.half,) * 3, 0.055)

    def paint(self, p: Vec, n: Vec) -> Paint:
        grain = noise(p.x * 0.20 + 0.1 * p.y, p.z * 2.0 + p.y * 1.3, seed=2)
        wood = mix(Vec(0.62, 0.40, 0.20), Vec(0.46, 0.27, 0.12), step(-1.2, 1.6, grain))
        paint = Paint.plain(p.x, (0.0, 0.0, 0.0), roughness=0.38)
        paint.albedo = wood
        ax, ay, az = n.x.abs(), n.y.abs(), n.z.abs()
        # Coordinates on the face, u to the right and v up as seen from outside.
        on_x, on_z = (ax > ay) & (ax > az), (az > ax) & (az > ay)
        u = torch.where(on_x, p.y * n.x.sign(), torch.where(on_z, p.x, -p.x * n.y.sign()))
        v = torch.where(on_z, p.y, p.z)
        edge = torch.maximum(u.abs(), v.abs())
        flat = torch.maximum(ax, torch.maximum(ay, az)) > 0.98
        paint.brush(flat & (edge < 0.435) & (edge > 0.365), self.colour, roughness=0.3)
        ink = sample(_letter(self.letter), u / 0.70 + 0.5, 0.5 - v / 0.70)
        paint.brush(flat & (edge < 0.34) & (ink > 0.5), self.colour, roughness=0.3)
        return paint


class Books(Solid):
    """Four picture books that stand side by side; their spines look along -y."""

    radius = 1.55
    middle = (0.05, 0.0, 0.85)
    spines = (
        (-0.62, 0.17, 0.95, (0.60, 0.30, 0.04)),
        (-0.24, 0.15, 0.80, (0.05, 0.16, 0.30)),
        (0.12, 0.18, 0.90, (0.58, 0.07, 0.04)),
        (0.54, 0.20, 0.72, (0.62, 0.55, 0.42)),
    )
    """Place, half thickness, half height and colour of each."""

    def distance(self, p: Vec) -> Tensor:
        boxes = [round_box(p, (x, 0.0, high), (thick, 0.6, high), 0.03) for x, thick, high, _ in self.spines]
        return torch.minimum(torch.minimum(boxes[0], boxes[1]), torch.minimum(boxes[2], boxes[3]))

    def paint(self, p: Vec, n: Vec) -> Paint:
        paint = Paint.plain(p.x, (0.7, 0.66, 0.56), gloss=0.02, roughness=0.6)
        for x, thick, high, colour in self.spines:
            cover = ((p.x - x).abs() < thick + 0.02) & ((n.z < 0.5) | ((p.x - x).abs() > thick - 0.05))
            paint.brush(cover, colour, roughness=0.4)
            paint.brush(cover & ((p.z / (2 * high) - 0.78).abs() < 0.03), (0.70, 0.58, 0.30), roughness=0.4)
        return paint


@lru_cache(maxsize=8)
def _letter(letter: str) -> Tensor:
    """(128, 128) float32, 1 in the strokes of V, O or S."""
    canvas = np.zeros((512, 512), np.uint8)
    if letter == "V":
        cv2.polylines(canvas, [np.array([[120, 100], [256, 410], [392, 100]])], False, 255, 76)
    elif letter == "O":
        cv2.ellipse(canvas, (256, 256), (130, 152), 0, 0, 360, 255, 76)
    else:
        cv2.ellipse(canvas, (256, 178), (104, 78), 0, 90, 330, 255, 76)
        cv2.ellipse(canvas, (256, 334), (104, 78), 0, -90, 150, 255, 76)
    small = cv2.resize(canvas, (128, 128), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small.astype(np.float32) / 255)


class Crayon(Solid):
    """A wax crayon lying on its side along its x axis."""

    radius = 0.72

    def __init__(self, colour, centre, rows: Rows) -> None:
        super().__init__(centre, rows)
        self.colour = colour

    def distance(self, p: Vec) -> Tensor:
        across = (p.y * p.y + p.z * p.z).sqrt()
        stick = round_disc(across, p.x, 0.085, 0.5, 0.02)
        cone = smooth_max(0.94 * (across - 0.06) + 0.33 * (p.x - 0.52), 0.5 - p.x, 0.02)
        cone = torch.maximum(cone, p.x - 0.66)
        return torch.minimum(stick, cone)

    def paint(self, p: Vec, n: Vec) -> Paint:
        paint = Paint.plain(p.x, self.colour, roughness=0.45)
        paper = p.x.abs() < 0.40
        dark = tuple(0.75 * c + 0.02 for c in self.colour)
        paint.brush(paper, dark, gloss=0.03, roughness=0.7)
        paint.brush(paper & ((p.x.abs() - 0.34).abs() < 0.02), (0.02, 0.02, 0.02), roughness=0.7)
        return paint
