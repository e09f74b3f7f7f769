"""An image of noise, and prompts of every kind for it: what any backbone must answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vos.prompts import Prompt


def noise(height: int = 45, width: int = 80, seed: int = 0) -> NDArray[np.uint8]:
    """(height, width, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def prompts_of_each_kind(low_res: tuple[int, int], shape: tuple[int, int] = (45, 80)) -> list[Prompt]:
    """A point; points and a box; a box; a mask; points and ``low_res`` logits."""
    one, two = np.array([1], dtype=np.int64), np.array([1, 0], dtype=np.int64)
    points = np.array([[30, 20], [70, 5]], dtype=np.float32)
    box = np.array([10, 5, 60, 40], dtype=np.float32)
    mask = np.zeros(shape, dtype=bool)
    mask[10:30, 20:60] = True
    logits = np.random.default_rng(5).standard_normal(low_res).astype(np.float32)
    return [
        Prompt(points[:1], one),
        Prompt(points, two, box),
        Prompt(box=box),
        Prompt(mask=mask),
        Prompt(points, two, low_res=logits),
    ]
