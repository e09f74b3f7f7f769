"""Pixels on their way in: one frame, and what is known of the video it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame.

    Raises:
        ValueError: if the image is not (H, W, 3) uint8 or the index is negative.
    """

    index: int
    """Position in presentation order, from 0, counted over the frames of the whole video."""
    image: NDArray[np.uint8]
    """(H, W, 3) uint8, RGB."""
    name: str = ""
    """Output stem, unique in the video: the image's own stem in a folder; else, and if it is left empty, the
    index in at least five digits, ``00000`` for frame 0."""
    time: float | None = None
    """Presentation time in seconds, None where the source has none."""
    file_name: str | None = None
    """Name of the image file with its suffix, in a folder of images; None for a frame of a video file."""
    nearby: Callable[[], Sequence[NDArray[np.uint8]]] | None = None
    """Reads images of the same video near this frame in time, the nearest first, for what motion tells of the
    objects; None where there is no video to read from, as in a live source."""
    is_damaged: bool = False
    """Whether data of this frame was damaged, or of one that it is predicted from: the decoder made up parts
    of the image."""

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image must be (H, W, 3) uint8, got {self.image.shape} {self.image.dtype}")
        if self.index < 0:
            raise ValueError(f"index must be >= 0, got {self.index}")
        if not self.name:
            object.__setattr__(self, "name", f"{self.index:05d}")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def __repr__(self) -> str:
        height, width = self.size
        return f"Frame(index={self.index}, name={self.name!r}, size={width}x{height}, time={self.time})"


class Turn(NamedTuple):
    """How stored pixels are turned for display: mirrored first, then turned clockwise."""

    degrees: int = 0
    """0, 90, 180 or 270, clockwise."""
    mirrored: bool = False
    """Left and right are swapped before the turn."""

    def apply(self, image: NDArray[Any]) -> NDArray[Any]:
        """An (H, W, ...) array of stored pixels as displayed."""
        return np.rot90(image[:, ::-1] if self.mirrored else image, -self.degrees // 90)

    def __str__(self) -> str:
        turned = f"turned by {self.degrees} degrees" + (" clockwise" if self.degrees != 180 else "")
        parts = [*(["mirrored"] if self.mirrored else []), *([turned] if self.degrees else [])]
        return " and ".join(parts) or "not turned"


UPRIGHT = Turn()
"""Images that are read as they are stored."""


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before it is read. ``None`` means unknown, never a guess."""

    width: int
    height: int
    fps: float | None
    num_frames: int | None
    turn: Turn = UPRIGHT
    """How the stored images are turned when they are read (display matrix, EXIF); that of the first."""
