"""A small world of coloured shapes with names, for a vision-language model that needs no download.

Textured shapes lie, a little turned, or move on textured ground among nameless clutter. Every shape has a
name ("red circle"), every ground too ("grass"), and every pixel its exact class. Each kind of shape wears
a pattern of its own (squares are checked, triangles striped, ...), so that a very small network learns the
kinds in minutes, and learns to see them all over their area. The drawing is that of :mod:`vos.scenes`;
this module says what there is and what it is called.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...scenes import Scene, Shape, scene
from ...scenes.shapes import Path as Motion
from ...scenes.shapes import Plane, line, shuttle
from ...scenes.texture import random_generator, sample, texture
from ..attention.text_prompts import Vocabulary, load_vocabulary

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
"""Name -> (a second word for it, outline in :mod:`vos.scenes`)."""
GROUNDS: dict[str, Colour] = {
    "grass": (88, 128, 76),
    "sand": (176, 156, 120),
    "stone": (112, 112, 120),
    "water": (78, 132, 150),
}
DAYLIGHT = (1.0, 1.0, 1.0)
DUSK = (0.5, 0.62, 0.95)
"""Light of another kind than any the package's model was trained in, as factors of red, green and blue."""
CLUTTER: tuple[Colour, ...] = ((52, 50, 48), (222, 220, 214), (120, 92, 70))

CLASS_NAMES = tuple(f"{colour} {shape}" for shape, colour in itertools.product(SHAPES, COLOURS))
"""Class k + 1 of the world's label maps."""
WORDS = (
    "image", "of", ".", *COLOURS, *SHAPES, *(other for other, _ in SHAPES.values()), *GROUNDS,
)  # fmt: skip
"""All words the world's sentences are made of."""

_NOISE_SEEDS = 6


def world_lexicon() -> Vocabulary:
    """For class names of a user: of a closed world all that is not asked for is background, by name."""
    vocabulary = world_vocabulary()
    return Vocabulary((*vocabulary.background, *CLASS_NAMES), vocabulary.classes)


def world_vocabulary() -> Vocabulary:
    """The 20 classes with their second names, and the four grounds as background."""
    return load_vocabulary("synthetic")


_PERIODS = 16
"""Stripes along the short side of the image, so that a pattern tells its shape whatever the shape's size."""
_RELIEF = 0.4
"""Amplitude of a pattern, as a share of the colour."""


def _wave(position: Plane) -> Plane:
    return np.sin(2 * np.pi * position)


PATTERNS: dict[str, Callable[[Plane, Plane], Plane]] = {
    "disc": lambda u, v: np.zeros_like(u),
    "box": lambda u, v: np.sign(_wave(u / 1.2) * _wave(v / 1.2)),
    "triangle": lambda u, v: _wave(v),
    "ring": lambda u, v: _wave((u + v) / np.sqrt(2)),
    "cross": lambda u, v: _wave(u),
}
"""Outline -> relief in -1..1, of coordinates in periods: plain, checks, and stripes in three directions."""


@dataclass(frozen=True)
class _WorldShape(Shape):
    """A shape whose texture is cut from noise shared by all, so that a new look costs nothing."""

    texture_at: tuple[float, float] = (0.0, 0.0)
    """Texel at the shape's centre."""
    periods: float = 0.0
    """Periods of its outline's pattern along a radius; 0 for a thing without a pattern."""

    def shade(self, t: float, x: Plane, y: Plane) -> NDArray[np.float32]:
        """(..., 3) float32 colour in 0..255 of image points."""
        u, v = self.to_unit(t, x, y)
        noise = texture(self.texture_seed, (128, 128, 128), self.contrast)
        grey = sample(noise, u * self.radius + self.texture_at[0], v * self.radius + self.texture_at[1])
        colour = np.broadcast_to(np.asarray(self.colour, np.float32), grey.shape)
        if self.periods:
            relief = PATTERNS[self.outline](u * self.periods, v * self.periods)[..., None]
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
    enter: tuple[int, ...] | None = None,
    light: tuple[float, float, float] = DAYLIGHT,
) -> WorldScene:
    """A scene of the world, always the same for the same arguments; it moves if there are several frames.

    Args:
        seed: of everything.
        size: (height, width) in pixels.
        num_frames: frames of the video.
        names: the shapes to show, of :data:`CLASS_NAMES`; by default one to four at random, half the time
            drawn from two colours and two shapes only, so that neither word alone tells them apart.
        enter: for each shape the frame in which it begins to come in from the nearer side; 0 for one that
            is there from the start, as all are by default. A shape that came in stays where it stops.
        light: factors of red, green and blue, such as :data:`DUSK`.

    Raises:
        ValueError: if ``names`` and ``enter`` differ in number.

    Example:
        >>> from vos.detectors.synthetic.world import world_scene
        >>> clip = world_scene(1, size=(72, 96), num_frames=8, names=("red ring", "blue cross"), enter=(0, 3))
        >>> len(clip.scene.frames), clip.scene.labels.shape, clip.names
        (8, (8, 72, 96), ('red ring', 'blue cross'))
        >>> [bool((labels == 2).any()) for labels in clip.scene.labels]
        [False, False, False, True, True, True, True, True]
    """
    rng = random_generator(seed, 20)
    shown = names if names is not None else _draw_names(rng)
    first_frames = enter if enter is not None else (0,) * len(shown)
    if len(first_frames) != len(shown):
        raise ValueError(f"enter needs a frame for each shape: {len(shown)} shapes and {len(first_frames)}")
    ground = str(rng.choice(list(GROUNDS)))
    unit = min(size)
    shapes = [_ground(rng, GROUNDS[ground], size)]
    shapes += [_clutter(rng, size, num_frames) for _ in range(int(rng.integers(3, 9)))]
    taken: list[tuple[float, float, float]] = []
    for instance, (name, first) in enumerate(zip(shown, first_frames, strict=True), start=1):
        radius = unit * float(rng.uniform(0.12, 0.24))
        centre = _free_place(rng, size, radius, taken)
        taken.append((*centre, radius))
        colour, shape = name.split(" ")
        shapes.append(
            _WorldShape(
                instance,
                _entry(centre, radius, size[1], first) if first else _motion(rng, centre, unit, num_frames),
                radius,
                SHAPES[shape][1],
                angle=float(rng.uniform(-0.3, 0.3)),
                spin=float(rng.uniform(-0.3, 0.3)) / num_frames,
                colour=_shift(rng, COLOURS[colour], 18),
                contrast=14.0,
                periods=_PERIODS * radius / unit,
                texture_seed=int(rng.integers(1, _NOISE_SEEDS)),
                texture_at=(float(rng.uniform(0, 512)), float(rng.uniform(0, 512))),
            )
        )
    drawn = scene(shapes, num_frames=num_frames, size=size, antialias=True)
    return WorldScene(_lit(drawn, light), ground, tuple(shown))


def write_world(root: str | Path, worlds: Iterable[WorldScene]) -> None:
    """First frames and their classes as a data set, for ``vos evaluate-semantic --dataset synthetic``.

    ``root``, which is made, gets ``images/``, ``labels/`` and the list ``val.txt``.
    """
    root = Path(root)
    lines = []
    for number, world in enumerate(worlds):
        entry = f"images/{number:05d}.png labels/{number:05d}.png"
        for path, content in zip(entry.split(), (world.image, world.classes()), strict=True):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(root / path)
        lines.append(entry)
    (root / "val.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lit(drawn: Scene, light: tuple[float, float, float]) -> Scene:
    if light == DAYLIGHT:
        return drawn
    factors = np.asarray(light, np.float32)
    frames = [
        replace(frame, image=np.clip(np.rint(frame.image * factors), 0, 255).astype(np.uint8))
        for frame in drawn.frames
    ]
    return replace(drawn, frames=frames)


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


def _motion(rng: np.random.Generator, centre: tuple[float, float], unit: int, num_frames: int) -> Motion:
    """There and back, within a fifth of the image's short side."""
    reach = 0.2 * unit * rng.uniform(-1, 1, size=2)
    turn = (centre[0] + float(reach[0]), centre[1] + float(reach[1]))
    return shuttle(centre, turn, max(2 * num_frames, 2))


def _entry(centre: tuple[float, float], radius: float, width: int, first: int) -> Motion:
    """Out of sight before frame ``first``, then to ``centre`` within four frames, along a row."""
    away = 1.3 * radius + 1  # no turned shape reaches further
    outside = -away if centre[0] < width / 2 else width + away

    def position(t: float) -> tuple[float, float]:
        share = min(max((t - first + 1) / 4, 0.0), 1.0)
        return outside + (centre[0] - outside) * share, centre[1]

    return position
