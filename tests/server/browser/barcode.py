"""The number of a frame, drawn into it: eight squares along the top, white for 1, the highest bit first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS, SIDE = 8, 10


def with_barcode(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """A copy of an (H, W, 3) image with the number in its top left corner."""
    result = image.copy()
    for bit in range(BITS):
        value = 255 * (number >> (BITS - 1 - bit) & 1)
        result[:SIDE, bit * SIDE : (bit + 1) * SIDE] = value
    return result


def centres() -> list[tuple[float, float]]:
    """(x, y) of the squares' centres, the highest bit first."""
    return [((bit + 0.5) * SIDE - 0.5, (SIDE - 1) / 2) for bit in range(BITS)]
