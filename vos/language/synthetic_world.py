"""A small world of coloured shapes with names, for a vision-language model that needs no download.

Textured shapes lie, a little turned, or move on textured ground among nameless clutter. Every shape has a
name ("red circle"), every ground too ("grass"), and every pixel its exact class. Each kind of shape wears
a pattern of its own (squares are checked, triangles striped, ...), so that a very small network learns the
kinds in minutes, and learns to see them all over their area. The drawing is that of :mod:`vos.testing`;
this module says what there is and what it is called.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..testing import Scene, Shape, scene
from ..testing.shapes import Path, Plane, line, shuttle
from ..testing.texture import random_generator, sample, texture
from .prompts import ClassWords, Vocabulary

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (200, 58, 50),
    "blue": (56, 84, 200),
    "yellow": (222, 190, 56),
    "purple": (150, 66, 176),
}
SHAPES: dict[str, tuple[str, str]] = {
    "circle": ("disc", "disc"),
    "square": ("box", "box"),
    "triangle": ("wedge", "triangle"),
    "ring": ("hoop", "ring"),
    "cross": ("plus", "cross"),
}
"""Name -> (a second word for it, outline in :mod:`vos.testing`)."""
ANY_SHAPE = "shape"
"""The word for any of them: "red shape"."""
GROUNDS: dict[str, Colour] = {
    "grass": (88, 128, 76),
    "sand": (176, 156, 120),
    "stone": (112, 112, 120),
    "water": (78, 132, 150),
}
CLUTTER: tuple[Colour, ...] = ((52, 50, 48), (222, 220, 214), (120, 92, 70))

CLASS_NAMES = tuple(f"{colour} {shape}" for shape, colour in itertools.product(SHAPES, COLOURS))
"""Class k + 1 of the world's label maps."""
WORDS = (
    "image", "of", ".", *COLOURS, ANY_SHAPE, *SHAPES, *(other for other, _ in SHAPES.values()), *GROUNDS,
)  # fmt: skip
"""All words the world's sentences are made of."""

_NOISE_SEEDS = 6


def world_lexicon() -> Vocabulary:
    """For class names of a user: of a closed world all that is not asked for is background, by name."""
    vocabulary = world_vocabulary()
    return Vocabulary((*vocabulary.background, *CLASS_NAMES), vocabulary.classes)


def world_vocabulary() -> Vocabulary:
    """The 20 classes with their second names, and the four grounds as background."""
    classes = tuple(
        ClassWords(f"{colour} {shape}", (f"{colour} {SHAPES[shape][0]}",))
        for shape, colour in itertools.product(SHAPES, COLOURS)
    )
    return Vocabulary(tuple(GROUNDS), classes)


_WAVES_PER_RADIUS = 2.2
_RELIEF = 0.35
"""Amplitude of a pattern, as a share of the colour."""


def _wave(position: Plane) -> Plane:
    return np.sin(2 * np.pi * _WAVES_PER_RADIUS * position)


PATTERNS: dict[str, Callable[[Plane, Plane], Plane]] = {
    "disc": lambda u, v: np.zeros_like(u),
    "box": lambda u, v: np.sign(_wave(u / 1.5) * _wave(v / 1.5)),
    "triangle": lambda u, v: _wave(v),
    "ring": lambda u, v: _wave((u + v) / np.sqrt(2)),
    "cross": lambda u, v: _wave(u),
}
"""Outline -> relief in -1..1 over unit coordinates: plain, checks, and stripes in three directions."""


@dataclass(frozen=True)
class _WorldShape(Shape):
    """A shape whose texture is cut from noise shared by all, so that a new look costs nothing."""

    texture_at: tuple[float, float] = (0.0, 0.0)
    """Texel at the shape's centre."""
    patterned: bool = False
    """Whether it wears its outline's pattern."""

    def shade(self, t: float, x: Plane, y: Plane) -> NDArray[np.float32]:
        """(..., 3) float32 colour in 0..255 of image points."""
        u, v = self.to_unit(t, x, y)
        noise = texture(self.texture_seed, (128, 128, 128), self.contrast)
        grey = sample(noise, u * self.radius + self.texture_at[0], v * self.radius + self.texture_at[1])
        colour = np.broadcast_to(np.asarray(self.colour, np.float32), grey.shape)
        if self.patterned:
            relief = PATTERNS[self.outline](u, v)[..., None]
            colour = colour * (1 + _RELIEF * relief).astype(np.float32)
        return grey - np.float32(128) + colour


@dataclass(frozen=True, eq=False)
class WorldScene:
    """Frames with exact classes and instances."""

    scene: Scene
    """Its label maps hold instance ids, 1 for the first named shape."""
    ground: str
    """Name of the ground."""
    names: tuple[str, ...]
    """Class name of instance k + 1."""

    def classes(self, index: int = 0) -> NDArray[np.uint8]:
        """(H, W) uint8 classes of a frame: 0 ground and clutter, k + 1 for ``CLASS_NAMES[k]``."""
        table = np.zeros(256, dtype=np.uint8)
        for instance, name in enumerate(self.names, start=1):
            table[instance] = CLASS_NAMES.index(name) + 1
        return table[self.scene.labels[index]]

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB of the first frame."""
        return self.scene.frames[0].image


def world_scene(
    seed: int,
    *,
    size: tuple[int, int] = (96, 96),
    num_frames: int = 1,
    names: tuple[str, ...] | None = None,
) -> WorldScene:
    """A scene of the world, always the same for the same arguments; it moves if there are several frames.

    Args:
        seed: of everything.
        size: (height, width) in pixels.
        num_frames: frames of the video.
        names: the shapes to show, of :data:`CLASS_NAMES`; by default one to four at random, half the time
            drawn from two colours and two shapes only, so that neither word alone tells them apart.
    """
    rng = random_generator(seed, 20)
    shown = names if names is not None else _draw_names(rng)
    ground = str(rng.choice(list(GROUNDS)))
    unit = min(size)
    shapes = [_ground(rng, GROUNDS[ground], size)]
    shapes += [_clutter(rng, size, num_frames) for _ in range(int(rng.integers(3, 9)))]
    taken: list[tuple[float, float, float]] = []
    for instance, name in enumerate(shown, start=1):
        radius = unit * float(rng.uniform(0.12, 0.24))
        centre = _free_place(rng, size, radius, taken)
        taken.append((*centre, radius))
        colour, shape = name.split(" ")
        shapes.append(
            _WorldShape(
                instance,
                _motion(rng, centre, unit, num_frames),
                radius,
                SHAPES[shape][1],
                angle=float(rng.uniform(-0.3, 0.3)),
                spin=float(rng.uniform(-0.3, 0.3)) / num_frames,
                colour=_shift(rng, COLOURS[colour], 18),
                contrast=14.0,
                patterned=True,
                texture_seed=int(rng.integers(1, _NOISE_SEEDS)),
                texture_at=(float(rng.uniform(0, 512)), float(rng.uniform(0, 512))),
            )
        )
    return WorldScene(scene(shapes, num_frames=num_frames, size=size, antialias=True), ground, tuple(shown))


def _draw_names(rng: np.random.Generator) -> tuple[str, ...]:
    colours, shapes = list(COLOURS), list(SHAPES)
    if rng.random() < 0.5:
        colours = list(rng.choice(colours, 2, replace=False))
        shapes = list(rng.choice(shapes, 2, replace=False))
    pairs = [f"{colour} {shape}" for colour, shape in itertools.product(colours, shapes)]
    count = int(rng.integers(1, 5))
    return tuple(str(name) for name in rng.choice(pairs, min(count, len(pairs)), replace=False))


def _shift(rng: np.random.Generator, colour: Colour, amount: int) -> Colour:
    red, green, blue = (int(np.clip(part + rng.integers(-amount, amount + 1), 0, 255)) for part in colour)
    return red, green, blue


def _ground(rng: np.random.Generator, colour: Colour, size: tuple[int, int]) -> _WorldShape:
    """A box that is larger than the image."""
    return _WorldShape(
        0,
        line((size[1] / 2, size[0] / 2)),
        float(max(size)),
        "box",
        colour=_shift(rng, colour, 12),
        contrast=18.0,
        texture_seed=int(rng.integers(1, _NOISE_SEEDS)),
        texture_at=(float(rng.uniform(0, 512)), float(rng.uniform(0, 512))),
    )


def _clutter(rng: np.random.Generator, size: tuple[int, int], num_frames: int) -> _WorldShape:
    """A small thing without a name: a dot, a bar or a blob in a colour no named shape has."""
    outline = str(rng.choice(["disc", "box", "blob"]))
    centre = (float(rng.uniform(0, size[1])), float(rng.uniform(0, size[0])))
    stretch = (1.0, float(rng.uniform(3, 7))) if outline == "box" else (1.0, 1.0)
    return _WorldShape(
        0,
        _motion(rng, centre, min(size), num_frames),
        min(size) * float(rng.uniform(0.015, 0.05)),
        outline,
        stretch=stretch,
        angle=float(rng.uniform(0, np.pi)),
        colour=_shift(rng, CLUTTER[int(rng.integers(len(CLUTTER)))], 15),
        contrast=22.0,
        texture_seed=int(rng.integers(1, _NOISE_SEEDS)),
        texture_at=(float(rng.uniform(0, 512)), float(rng.uniform(0, 512))),
    )


def _free_place(
    rng: np.random.Generator,
    size: tuple[int, int],
    radius: float,
    taken: list[tuple[float, float, float]],
) -> tuple[float, float]:
    """A centre whose disc lies in the image and, if twenty tries find one, touches no other."""
    margin = 0.8 * radius
    centre = (0.0, 0.0)
    for _ in range(20):
        centre = (
            float(rng.uniform(margin, size[1] - margin)),
            float(rng.uniform(margin, size[0] - margin)),
        )
        if all(np.hypot(centre[0] - x, centre[1] - y) > radius + other for x, y, other in taken):
            break
    return centre


def _motion(rng: np.random.Generator, centre: tuple[float, float], unit: int, num_frames: int) -> Path:
    """There and back, within a fifth of the image's short side."""
    reach = 0.2 * unit * rng.uniform(-1, 1, size=2)
    turn = (centre[0] + float(reach[0]), centre[1] + float(reach[1]))
    return shuttle(centre, turn, max(2 * num_frames, 2))
