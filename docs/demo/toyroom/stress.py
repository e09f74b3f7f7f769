"""The clip "toys", a stress test: two cars that look the same, a caterpillar, a ball and a spinning top."""

from __future__ import annotations

import math

import numpy as np

from .solid import Solid, as_rows, heading
from .story import Camera, Story, keyed
from .toys import Ball, Block, Books, Car, Caterpillar, Crayon, Top


def camera(t: float) -> Camera:
    """A slow arc to the left that comes nearer, held by hand."""
    share = keyed(t, [(0, 0.0), (30, 0.25), (95, 1.0)])
    shake = 0.012 * math.sin(0.31 * t) + 0.007 * math.sin(0.83 * t + 1)
    bob = 0.010 * math.sin(0.37 * t + 2) + 0.006 * math.sin(0.91 * t)
    eye = (1.9 - 3.3 * share + shake, -9.1 + 0.35 * share, 3.55 - 0.35 * share + bob)
    target = (0.18 - 0.30 * share + 1.5 * shake, 0.45, 0.42 + bob)
    return Camera(eye, target, width=0.78, focus=9.1, lens=0.05)


def toys(t: float) -> list[Solid]:
    """Everything that stands on the floor at time ``t``."""
    return [_car(1, t), _car(2, t), _caterpillar(t), _ball(t), _top(t), *_furniture()]


# The cars drive round one track, anticlockwise: a lane in front, a turn round the top, a lane behind, and
# a turn beyond the left edge of the picture.
_FRONT, _BEHIND = -0.95, 1.35
_TURN_RIGHT, _TURN_LEFT = 1.95, -6.6
_LANE = _TURN_RIGHT - _TURN_LEFT
_RADIUS = (_BEHIND - _FRONT) / 2
_ARC = math.pi * _RADIUS
_LAP = 2 * (_LANE + _ARC)
_DRIVEN = {
    # Car 1 comes from the left, whips round the top in half a second, and goes back by the far lane.
    1: [(0, 4.35), (14, 6.35), (25, 8.3), (32, 10.1), (39, 12.2), (48, 13.4), (70, 15.7), (95, 17.2)],
    # Car 2 leaves by the left edge in the far lane, turns out of sight and comes back in the near lane.
    2: [(0, 12.55), (16, 15.1), (34, 19.0), (56, _LAP + 1.2), (66, _LAP + 2.9), (95, _LAP + 6.9)],
}


def _track(s: float) -> tuple[float, float, float]:
    """(x, y, yaw) at distance ``s`` along the track."""
    s %= _LAP
    middle = (_FRONT + _BEHIND) / 2
    if s < _LANE:
        return _TURN_LEFT + s, _FRONT, 0.0
    if s < _LANE + _ARC:
        angle = (s - _LANE) / _RADIUS
        return _TURN_RIGHT + _RADIUS * math.sin(angle), middle - _RADIUS * math.cos(angle), angle
    if s < 2 * _LANE + _ARC:
        return _TURN_RIGHT - (s - _LANE - _ARC), _BEHIND, math.pi
    angle = (s - 2 * _LANE - _ARC) / _RADIUS
    return _TURN_LEFT - _RADIUS * math.sin(angle), middle + _RADIUS * math.cos(angle), math.pi + angle


def _car(number: int, t: float) -> Car:
    s = keyed(t, _DRIVEN[number])
    # The chord between two points of the car smooths the ends of the curve, as an axle base does.
    (ax, ay, _), (bx, by, _) = _track(s - 0.5), _track(s + 0.5)
    x, y, yaw = (ax + bx) / 2, (ay + by) / 2, math.atan2(by - ay, bx - ax)
    turning = math.sin(min(max((s % _LAP - _LANE + 0.3) / (_ARC + 0.6), 0.0), 1.0) * math.pi)
    drift, lean = 0.34 * turning, -0.11 * turning
    rattle = 0.006 * math.sin(2.1 * t + number)
    return Car(number, (x, y, 0.0), heading(yaw + drift, lean, rattle), rolled=s / Car.wheel)


def _caterpillar(t: float) -> Caterpillar:
    """Beads follow the head along a curve; a wave that runs through them lifts and draws them together."""
    head = 0.019 * t + 0.05 * math.sin(0.42 * t)
    radii = [0.325, 0.27, 0.275, 0.27, 0.26, 0.245, 0.225]
    places: list[tuple[float, float, float]] = []
    back = 0.0
    for k, radius in enumerate(radii):
        wave = 0.42 * t - 1.15 * k
        if k:
            back += 0.95 * (radii[k - 1] + radius) * (0.86 + 0.10 * math.sin(wave))
        s = head - back
        x, y = _crawl(s)
        lift = (0.13 if k else 0.07) * max(0.0, math.sin(wave)) ** 2
        places.append((x, y, radius + lift + (0.06 if k == 0 else 0.0)))
    origin = places[0]
    relative = [(x - origin[0], y - origin[1], z) for x, y, z in places]
    (ax, ay), (bx, by) = _crawl(head - 0.05), _crawl(head + 0.25)
    yaw = math.atan2(by - ay, bx - ax) + 0.58 + 0.24 * math.sin(0.11 * t + 0.6)
    return Caterpillar((origin[0], origin[1], 0.0), relative, radii, yaw)


def _crawl(s: float) -> tuple[float, float]:
    """The caterpillar's way: from right to left in front, winding."""
    return 0.10 - 0.93 * s, -2.50 + 0.26 * math.sin(1.5 * s + 0.7)


_BALL_X = [(0, 1.05), (26, -0.75), (50, -3.1), (95, -3.9)]


def _ball(t: float) -> Ball:
    """It hops in, rolls behind the blocks and comes out on their other side."""
    x = keyed(t, _BALL_X)
    y = 3.75 + 0.25 * math.sin(0.5 * (x - 1.05))
    hop, squash = _hop(t)
    rolled = -(x - 1.05) / Ball.radius  # to the left: about the y axis
    c, s = math.cos(rolled), math.sin(rolled)
    roll = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    tilt = np.array([[1, 0, 0], [0, math.cos(0.9), -math.sin(0.9)], [0, math.sin(0.9), math.cos(0.9)]])
    wide = squash**-0.5
    matrix = tilt @ roll @ np.diag([1 / wide, 1 / wide, 1 / squash])
    return Ball((x, y, Ball.radius * squash + hop), as_rows(matrix))


def _hop(t: float) -> tuple[float, float]:
    """(height, squash): bounces that die away; the ball flattens at each landing and stretches in flight."""
    start, length, height = -9.0, 18.0, 1.10
    while t > start + length and height > 0.02:
        start, length, height = start + length, length * 0.70, height * 0.45
    if height <= 0.02:
        return 0.0, 1.0
    share = (t - start) / length
    lift = height * 4 * share * (1 - share)
    near_floor = math.exp(-((min(share, 1 - share) * length / 0.9) ** 2))
    return lift, 1 - 0.22 * min(height, 1.0) * near_floor + 0.05 * height * (1 - near_floor) * abs(
        2 * share - 1
    )


def _top(t: float) -> Top:
    """It spins about an axis that goes slowly round, and wanders a little."""
    around = 0.115 * t + 0.8
    lean = 0.16 + 0.03 * math.sin(0.07 * t)
    axis = np.array([math.sin(lean) * math.cos(around), math.sin(lean) * math.sin(around), math.cos(lean)])
    across = np.cross([0.0, 1.0, 0.0], axis)
    across /= np.linalg.norm(across)
    rows = np.stack([across, np.cross(axis, across), axis])
    place = (1.95 + 0.10 * math.cos(0.05 * t), 0.22 + 0.10 * math.sin(0.05 * t), 0.0)
    return Top(place, as_rows(rows), spun=0.62 * t)


def _furniture() -> list[Solid]:
    x, y, half = -1.95, 2.72, Block.half
    return [
        Block("O", (0.03, 0.20, 0.30), (x - 0.56, y, half), heading(0.10)),
        Block("S", (0.62, 0.05, 0.03), (x + 0.56, y + 0.03, half), heading(-0.13)),
        Block("V", (0.62, 0.33, 0.03), (x + 0.02, y - 0.02, 3 * half), heading(0.24)),
        Crayon((0.55, 0.05, 0.03), (3.15, -1.55, 0.085), heading(2.3)),
        Crayon((0.03, 0.16, 0.42), (3.45, -1.05, 0.085), heading(1.5)),
        Crayon((0.72, 0.42, 0.03), (3.55, 2.35, 0.085), heading(0.5)),
        Books((3.9, 7.6, 0.0), heading(0.12)),
    ]


STORY = Story(96, camera, toys)
