"""Pixels on their way in: one frame, and what is known of the video it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import InputError


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame.

    The frame has a copy of the image, unless that is read-only: what is drawn on the array that was given, or
    read into it next, does not reach the tracker. The copy itself is not to be written to: the tracker
    compares the next frame with it.

    Args:
        index: position in presentation order, from 0, counted over the frames of the whole video.
        image: (H, W, 3) uint8, RGB.
        name: output stem, unique in the video: the image's own stem in a folder; else, and if it is left
            empty, the index in at least five digits, ``00000`` for frame 0.
        time: presentation time in seconds, None where the source has none.
        file_name: name of the image file with its suffix, in a folder of images; None for a frame of a
            video file.
        nearby: reads images of the same video near this frame in time, the nearest first, for what motion
            tells of the objects; None where there is no video to read from, as in a live source.
        is_damaged: whether data of this frame was damaged, or of one that it is predicted from: the decoder
            made up parts of the image.

    Raises:
        InputError: if the image is not (H, W, 3) uint8, or the index not a whole number from 0 on.
    """

    index: int
    image: NDArray[np.uint8]
    name: str = ""
    time: float | None = None
    file_name: str | None = None
    nearby: Callable[[], Sequence[NDArray[np.uint8]]] | None = None
    is_damaged: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.index, Integral) or self.index < 0:
            raise InputError(f"the index of a frame must be a whole number from 0 on, got {self.index!r:.60}")
        object.__setattr__(self, "index", int(self.index))
        object.__setattr__(self, "image", _own_image(self.image))
        if not self.name:
            object.__setattr__(self, "name", f"{self.index:05d}")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def __repr__(self) -> str:
        height, width = self.size
        return f"Frame(index={self.index}, name={self.name!r}, size={width}x{height}, time={self.time})"


def check_frame(frame: Any) -> None:
    """Refuse what is given in place of a frame.

    Raises:
        InputError: naming what was given.
    """
    if not isinstance(frame, Frame):
        raise InputError(f"need a vos.Frame, got {type(frame).__name__}; vos.Frame(index, image) makes one")


def own_frame(index: int, image: NDArray[np.uint8], **facts: Any) -> Frame:
    """A frame of an (H, W, 3) uint8 image that is not used elsewhere, as of a decoder: it need not be copied.

    ``facts`` are the other fields of :class:`Frame`.
    """
    frame = Frame(index, no_image(image.shape[:2]), **facts)
    object.__setattr__(frame, "image", image)
    return frame


def _own_image(image: Any) -> NDArray[np.uint8]:
    """A contiguous copy of an image, or the image itself where it is read-only.

    Raises:
        InputError: for what is no (H, W, 3) uint8 image; the message says how to make one of the usual kinds.
    """
    try:
        own = np.array(image, order="C") if _may_change(image) else image
    except (TypeError, ValueError):
        own = np.empty(0, object)
    if own.dtype.kind not in "biuf":
        raise InputError(f"image must be (H, W, 3) uint8, got {image!r:.60}; vos.open_video reads files")
    if own.ndim == 3 and own.shape[2] == 3 and own.dtype == np.uint8 and own.size:
        return own
    raise InputError(f"image must be (H, W, 3) uint8, got {own.shape} {own.dtype}{_advice(own)}")


def _may_change(image: Any) -> bool:
    return not isinstance(image, np.ndarray) or image.flags.writeable


def no_image(size: tuple[int, ...]) -> NDArray[np.uint8]:
    """A black image of ``size`` (H, W) that takes no memory, for a frame whose pixels are not read."""
    return np.broadcast_to(np.zeros(3, np.uint8), (*size, 3))


def _advice(image: NDArray[Any]) -> str:
    """What makes an image of an array of another kind; nothing where that is anyone's guess."""
    if image.ndim == 3 and image.shape[2] != 3 and image.shape[0] == 3:
        return "; np.moveaxis(image, 0, -1) puts the channels last"
    if image.ndim == 3 and image.shape[2] == 4:
        return "; image[..., :3] leaves alpha out"
    if image.ndim == 2:
        return "; np.stack([image] * 3, axis=-1) makes RGB of grey"
    if image.dtype.kind == "f":
        return "; (255 * image).round().astype(np.uint8) makes it of 0..1"
    if image.dtype == np.uint16:
        return "; (image >> 8).astype(np.uint8) makes it of 16 bits"
    return ""


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
    """What is known of a video before it is read. ``None`` means unknown, never a guess.

    Args:
        width: of the frames, in pixels.
        height: likewise.
        fps: frames per second.
        num_frames: how many there are.
        turn: how the stored images are turned when they are read (display matrix, EXIF); that of the first.
    """

    width: int
    height: int
    fps: float | None
    num_frames: int | None
    turn: Turn = UPRIGHT
