"""Four corner tiles beside the whole image, for small objects (VL-SAM). NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tile:
    """A part of an image; cutting out and mapping back are exact, there is no rescaling."""

    top: int
    left: int
    height: int
    width: int
    image_size: tuple[int, int]
    """(H, W) of the whole image."""

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(height, width, ...) part of an (H, W, ...) image."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]

    def mask_to_image(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(H, W) bool of a (height, width) mask, False outside the tile."""
        whole = np.zeros(self.image_size, dtype=bool)
        whole[self.top : self.top + self.height, self.left : self.left + self.width] = mask
        return whole


def views(height: int, width: int, *, tiles: bool = True) -> list[Tile]:
    """The whole image and, if ``tiles``, its four corner tiles.

    A tile has half the sides, rounded up: of an odd side the middle row or column is in two tiles, so
    nothing is left out. An image of one pixel a side has no smaller part.
    """
    whole = Tile(0, 0, height, width, (height, width))
    half = ((height + 1) // 2, (width + 1) // 2)
    if not tiles or min(height, width) < 2:
        return [whole]
    corners = [(top, left) for top in (0, height - half[0]) for left in (0, width - half[1])]
    return [whole, *(Tile(top, left, *half, (height, width)) for top, left in corners)]
