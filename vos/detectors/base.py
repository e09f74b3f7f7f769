"""The third seam: a detector, which finds the objects of class names in an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .points import PointPair


@dataclass(frozen=True, eq=False)
class Detection:
    """One instance of a named class in one image; coordinates are pixels of the image."""

    name: str
    """As it was asked for."""
    score: float
    """Confidence in 0..1, comparable within a detector."""
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1, inclusive pixel indices."""
    values: NDArray[np.float32] | None
    """(H, W) map in 0..1 of where the name is, this instance's part of it; None from a plain detector."""
    pair: PointPair | None
    """A point on it and one off it; None from a plain detector."""
    logits: NDArray[np.float32] | None = None
    """(H, W) of its mask, cut at 0, from a detector that segments; None where a backbone makes the mask."""


@dataclass(frozen=True)
class Exemplar:
    """A box that shows what a name means, or what it does not, in the image that it is found in."""

    name: str
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1, inclusive pixel indices."""
    positive: bool = True


@runtime_checkable
class Detector(Protocol):
    """Finds named classes in images."""

    def detect(self, image: NDArray[np.uint8], names: Sequence[str]) -> list[Detection]:
        """All instances of all names in an (H, W, 3) uint8 RGB image, best first; none is an empty list.

        Raises:
            PromptError: for a name the model cannot know.
        """
        ...
