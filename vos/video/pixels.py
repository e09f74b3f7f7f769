"""From a decoded image to an (H, W, 3) uint8 RGB array: colour and orientation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from ..errors import MediaError


class Orientation(NamedTuple):
    """How a stored image is turned for display: first transposed, then mirrored."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def degrees(self) -> int:
        """The clockwise turn: 0, 90, 180 or 270, after mirroring left-right if :attr:`mirrored`."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    @property
    def mirrored(self) -> bool:
        """Whether left and right are swapped."""
        return self.transpose ^ self.flip_x ^ self.flip_y

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The (H, W, 3) image as displayed."""
        if self.transpose:
            image = cv2.transpose(image)
        if self.flip_x or self.flip_y:
            # OpenCV's flip codes: 0 swaps rows, 1 columns, -1 both.
            image = cv2.flip(image, -1 if self.flip_x and self.flip_y else int(self.flip_x))
        return image

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as displayed, of an image stored as ``width`` x ``height``."""
        return (height, width) if self.transpose else (width, height)


UPRIGHT = Orientation()


def orientation_of(av_frame: av.VideoFrame) -> Orientation:
    """The image's display matrix, where it is made of quarter turns and mirroring; upright otherwise.

    The matrix is 3x3, int32 in 16.16 fixed point, and maps (x, y) to (a x + c y, b x + d y):
    ``a b u / c d v / x y w`` in memory (FFmpeg, libavutil/display.h).
    """
    matrix = display_matrix(av_frame)
    if matrix is None:
        return UPRIGHT
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    if b == c == 0 and a and d:
        return Orientation(transpose=False, flip_x=bool(a < 0), flip_y=bool(d < 0))
    if a == d == 0 and b and c:
        return Orientation(transpose=True, flip_x=bool(c < 0), flip_y=bool(b < 0))
    return UPRIGHT


def display_matrix(av_frame: av.VideoFrame) -> NDArray[np.int32] | None:
    """(3, 3) int32, or None where the image has none."""
    data = av_frame.side_data.get("DISPLAYMATRIX")
    return None if data is None else np.frombuffer(bytes(data), dtype=np.int32).reshape(3, 3)


class ToRGB:
    """Converts images of one video, with FFmpeg's colour conversion.

    The matrix and range are those the image is marked with; an unmarked image is taken for BT.601,
    limited range, as FFmpeg does. More than 8 bits are reduced to 8, grey is repeated, alpha is dropped.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reformatter = VideoReformatter()  # keeps its tables from image to image
        self._turn: tuple[int, Orientation] | None = None

    def __call__(self, av_frame: av.VideoFrame) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, upright, contiguous.

        Raises:
            MediaError: for a pixel format that cannot be converted.
        """
        try:
            rgb: Any = self._reformatter.reformat(av_frame, format="rgb24").to_ndarray()
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"{self._path} has pixels ({av_frame.format.name}) that cannot be converted to RGB: {error}"
            ) from error
        # Side data and its image refer to each other: looking at it keeps the image until the next
        # garbage collection, hundreds of images later. The angle alone does not.
        if self._turn is None or self._turn[0] != av_frame.rotation:
            self._turn = av_frame.rotation, orientation_of(av_frame)
        # Rows may be padded; most sizes need no copy here.
        return np.ascontiguousarray(self._turn[1].apply(rgb))
