"""The colours of object ids: DAVIS's, which are PASCAL VOC's."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def davis_palette() -> NDArray[np.uint8]:
    """(256, 3) uint8 RGB, not to be written to: 0 black, 1 (128, 0, 0), 2 (0, 128, 0), 3 (128, 128, 0), ...

    Bits 0, 1, 2 of an id become bit 7 of red, green, blue; bits 3, 4, 5 become bit 6; bits 6, 7 bit 5 of
    red and green.
    """
    ids = np.arange(256)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for level in range(3):
        for channel in range(3):
            bit = (ids >> (3 * level + channel)) & 1
            palette[:, channel] |= (bit << (7 - level)).astype(np.uint8)
    palette.flags.writeable = False
    return palette
