"""The clip "train", an easy one: a toy engine passes behind a mug while a duck on wheels turns round."""

from __future__ import annotations

import math

from .solid import Solid, heading
from .story import Camera, Story, keyed
from .toys import Block, Books, Crayon
from .train_set import Duck, Engine, Mug

NUM_FRAMES = 48


def camera(t: float) -> Camera:
    """A slow arc to the right, held by hand."""
    share = keyed(t, [(0, 0.0), (16, 0.2), (47, 1.0)])
    shake = 0.010 * math.sin(0.31 * t + 2) + 0.005 * math.sin(0.83 * t)
    bob = 0.008 * math.sin(0.37 * t) + 0.005 * math.sin(0.91 * t + 1)
    eye = (3.5 + 1.3 * share + shake, -12.5, 3.0 + bob)
    target = (4.35 + 0.35 * share + 1.5 * shake, -4.6, 0.52 + bob)
    return Camera(eye, target, width=0.78, focus=7.6, lens=0.035)


def toys(t: float) -> list[Solid]:
    """Everything that stands on the floor at time ``t``."""
    return [_duck(t), Mug((5.20, -4.75, 0.0), heading(-0.5)), _engine(t), *_furniture()]


def _engine(t: float) -> Engine:
    """It drives to the right behind the mug, on a wide bend."""
    s = keyed(t, [(0, 0.0), (10, 0.35), (47, 4.3)])
    angle = 0.16 - 0.07 * s
    rattle = 0.006 * math.sin(1.9 * t)
    place = (2.45 + s, -3.5 + 0.16 * s - 0.035 * s * s, 0.0)
    return Engine(place, heading(angle, 0.0, rattle), s / Engine.wheel)


def _duck(t: float) -> Duck:
    """It rolls along in front and turns from the left to the camera and on to the right."""
    turned = keyed(t, [(0, 0.0), (12, 0.15), (38, 1.9), (47, 2.2)])
    x = keyed(t, [(0, 3.95), (26, 3.15), (47, 3.3)])
    y = keyed(t, [(0, -6.5), (26, -6.75), (47, -6.7)])
    return Duck((x, y, 0.0), heading(math.pi * 0.97 + turned), -0.14 * t)


def _furniture() -> list[Solid]:
    return [
        Block("V", (0.03, 0.20, 0.30), (6.9, 0.9, Block.half), heading(0.35)),
        Block("O", (0.62, 0.33, 0.03), (0.7, -1.9, Block.half), heading(-0.2)),
        Crayon((0.03, 0.16, 0.42), (6.1, -6.0, 0.085), heading(0.9)),
        Books((6.3, 7.6, 0.0), heading(0.12)),
    ]


STORY = Story(NUM_FRAMES, camera, toys, size=(180, 320), num_samples=2, shared=6)
