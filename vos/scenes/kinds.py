"""The named scenes: one builder for every difficulty a tracker meets.

A builder takes the number of frames, the (height, width) and a seeded generator, and returns a
:class:`Stage`. To add a scene, write a builder and add a line to :data:`KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .shapes import Path, Shape, line, loop, shuttle

Colour = tuple[int, int, int]

RED: Colour = (196, 70, 56)
BLUE: Colour = (58, 92, 190)
YELLOW: Colour = (214, 178, 60)
PURPLE: Colour = (140, 70, 168)
GREY: Colour = (96, 98, 104)
GREEN: Colour = (96, 118, 84)


@dataclass(frozen=True)
class Stage:
    """What is to be filmed: shapes back to front, and where the camera looks."""

    shapes: tuple[Shape, ...]
    camera: Path
    ground: Colour = GREEN


Size = tuple[int, int]
Builder = Callable[[int, Size, np.random.Generator], Stage]


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1, 1 << 30))


def _pan(size: Size, rng: np.random.Generator) -> Path:
    """A slow pan: about half a percent of the width a frame."""
    speed = size[1] * 0.005
    return line((0, 0), (speed * float(rng.uniform(0.6, 1.4)), speed * float(rng.uniform(-0.5, 0.5))))


def _at(size: Size, x: float, y: float) -> tuple[float, float]:
    """A point given as fractions of width and height, in pixels."""
    return x * (size[1] - 1), y * (size[0] - 1)


def _moving(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    unit = min(size)
    path = shuttle(_at(size, 0.3, 0.4), _at(size, 0.7, 0.6), 2 * num_frames)
    return Stage((Shape(1, path, 0.18 * unit, "blob", colour=RED, texture_seed=_seed(rng)),), _pan(size, rng))


def _still(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    unit = min(size)
    shapes = (
        Shape(1, line(_at(size, 0.33, 0.5)), 0.16 * unit, "star", colour=RED, texture_seed=_seed(rng)),
        Shape(2, line(_at(size, 0.68, 0.5)), 0.16 * unit, "blob", colour=BLUE, texture_seed=_seed(rng)),
    )
    return Stage(shapes, line((0, 0)))


def _affine(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    unit = min(size)
    shape = Shape(
        1,
        shuttle(_at(size, 0.4, 0.5), _at(size, 0.6, 0.5), 2 * num_frames),
        0.15 * unit,
        "box",
        stretch=(1.3, 0.8),
        spin=1.2 / num_frames,
        growth=0.6 / num_frames,
        colour=YELLOW,
        texture_seed=_seed(rng),
    )
    return Stage((shape,), _pan(size, rng))


def _elastic(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    unit = min(size)
    path = shuttle(_at(size, 0.4, 0.5), _at(size, 0.6, 0.5), 2 * num_frames)
    shape = Shape(1, path, 0.22 * unit, "blob", wobble=0.18, colour=PURPLE, texture_seed=_seed(rng))
    return Stage((shape,), _pan(size, rng))


def _occlusion(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    """The object passes wholly behind a pillar that is not to be tracked."""
    unit = min(size)
    speed = 0.7 * size[1] / max(num_frames - 1, 1)
    walker = Shape(
        1, line(_at(size, 0.15, 0.5), (speed, 0)), 0.09 * unit, colour=RED, texture_seed=_seed(rng)
    )
    pillar = Shape(
        0,
        line(_at(size, 0.5, 0.5)),
        0.13 * unit,
        "box",
        stretch=(1.0, 4.0),
        colour=GREY,
        texture_seed=_seed(rng),
    )
    return Stage((walker, pillar), line((0, 0)))


def _leaves(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    """The object leaves by the right edge and comes back."""
    unit = min(size)
    path = shuttle(_at(size, 0.5, 0.5), _at(size, 1.3, 0.5), num_frames)
    shapes = (
        Shape(1, path, 0.13 * unit, "star", colour=YELLOW, texture_seed=_seed(rng)),
        Shape(2, line(_at(size, 0.2, 0.6)), 0.12 * unit, "blob", colour=BLUE, texture_seed=_seed(rng)),
    )
    return Stage(shapes, line((0, 0)))


def _crossing(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    """Two look-alikes pass each other; object 2 is in front."""
    unit, twin = min(size), _seed(rng)
    speed = 0.6 * size[1] / max(num_frames - 1, 1)
    shapes = (
        Shape(1, line(_at(size, 0.2, 0.45), (speed, 0)), 0.12 * unit, colour=BLUE, texture_seed=twin),
        Shape(2, line(_at(size, 0.8, 0.55), (-speed, 0)), 0.12 * unit, colour=BLUE, texture_seed=twin),
    )
    return Stage(shapes, _pan(size, rng))


def _pixel(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    """Object 1 covers exactly one pixel in every frame, object 2 is ordinary."""
    x, y = (round(value) for value in _at(size, 0.5, 0.3))
    step = 1 if num_frames <= size[1] - x else 0  # a pixel a frame, as long as it stays inside
    dot = Shape(1, line((x, y), (step, 0)), 0.6, "box", colour=(250, 245, 235), contrast=0.0)
    path = line(_at(size, 0.4, 0.75), (0.3, 0))
    other = Shape(2, path, max(0.12 * min(size), 1.0), colour=RED, texture_seed=_seed(rng))
    return Stage((other, dot), line((0, 0)))


def _touching(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    """Two boxes share an edge with no pixel between them, and move together by whole pixels."""
    radius = max(round(0.15 * min(size)), 1)
    start = shuttle(_at(size, 0.4, 0.5), _at(size, 0.6, 0.5), 2 * num_frames)

    def beside(offset: int) -> Path:
        # Edges lie half-way between pixel centres, so that no pixel falls between the boxes.
        return lambda t: (round(start(t)[0]) - 0.5 + offset, round(start(t)[1]) - 0.5)

    shapes = (
        Shape(1, beside(-radius), radius, "box", colour=RED, texture_seed=_seed(rng)),
        Shape(2, beside(radius), radius, "box", colour=YELLOW, texture_seed=_seed(rng)),
    )
    return Stage(shapes, _pan(size, rng))


def _fast(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    """The object moves further than its own width between frames."""
    unit = min(size)
    path = loop(_at(size, 0.5, 0.5), (0.36 * size[1], 0.3 * size[0]), 8)
    return Stage((Shape(1, path, 0.1 * unit, colour=RED, texture_seed=_seed(rng)),), _pan(size, rng))


def _crowd(num_frames: int, size: Size, rng: np.random.Generator) -> Stage:
    """Seven objects on crossing rounds, of several looks and outlines."""
    unit = min(size)
    outlines = ("disc", "box", "star", "blob", "ring", "disc", "blob")
    colours = (RED, BLUE, YELLOW, PURPLE, (220, 220, 214), (40, 160, 160), (230, 130, 40))
    shapes = tuple(
        Shape(
            i + 1,
            loop(_at(size, 0.5, 0.5), (0.33 * size[1], 0.3 * size[0]), 3 * num_frames, phase=i / 7),
            0.1 * unit,
            outlines[i],
            spin=0.02,
            colour=colours[i],
            texture_seed=_seed(rng),
        )
        for i in range(7)
    )
    return Stage(shapes, _pan(size, rng))


KINDS: dict[str, Builder] = {
    "moving": _moving,
    "still": _still,
    "affine": _affine,
    "elastic": _elastic,
    "occlusion": _occlusion,
    "leaves": _leaves,
    "crossing": _crossing,
    "pixel": _pixel,
    "touching": _touching,
    "fast": _fast,
    "crowd": _crowd,
}
"""Name -> builder."""
