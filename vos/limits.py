"""How large an image may be: checked by what its header says, before anything of that size is made."""

from __future__ import annotations

MAX_SIDE = 1 << 14
"""Pixels along either side: 16,384."""
MAX_PIXELS = 1 << 27
"""Pixels altogether: 134,217,728, as of 16,384 x 8,192."""


def check_pixels(width: int, height: int) -> tuple[int, int]:
    """``width, height``, where an image of that size is read.

    Raises:
        ValueError: a side is not positive or longer than :data:`MAX_SIDE`, or there are more pixels than
            :data:`MAX_PIXELS`.
    """
    if width < 1 or height < 1:
        raise ValueError(f"it claims to be {width}x{height} pixels")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ValueError(
            f"it claims to be {width}x{height} pixels; up to {MAX_SIDE} along a side and {MAX_PIXELS} "
            "altogether are read: make it smaller, or cut it into parts"
        )
    return width, height
