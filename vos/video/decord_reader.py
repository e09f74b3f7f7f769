"""Video files, read with decord: random access, for files that decord reads exactly as PyAV does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..frame import Frame, own_frame
from .base import existing
from .pyav_reader import PyAVReader

_BLOCK_BYTES = 64 * 2**20
"""Frames held at once while reading backwards."""


class DecordReader:
    """A video file as frames, by decord 0.6.

    decord numbers frames by their packets and turns nothing, so it is refused for files whose packets do
    not tell the frames (AVI, transport streams, edit lists) and for rotated ones: there it would give
    other frames than PyAV.

    Raises:
        MediaError: if decord is not installed or cannot read this file faithfully.
    """

    def __init__(self, path: Path) -> None:
        try:
            import decord
        except ImportError as error:
            raise MediaError(
                "the reader decord is not installed: pip install decord (there are packages for Linux on "
                "x86-64 and for Windows), or use --reader pyav"
            ) from error
        self.paths = (path,)
        self._path = path
        plain = PyAVReader(path)
        self.info = replace(plain.info, num_frames=plain.count_frames())
        reason = plain.why_not_exact or plain.timeline.damage
        if reason:
            raise self._refusal(reason)
        if plain.is_turned:
            raise self._refusal("its frames are marked to be rotated")
        self._times = [plain.seconds(pts) for pts in plain.timeline.pts.tolist()]
        try:
            # The smallest tolerance there is: an error at the first frame decord would make up.
            self._decoder = decord.VideoReader(str(path), ctx=decord.cpu(0), fault_tol=1e-9)
            found = len(self._decoder)
        except Exception as error:  # decord raises several families of errors, RuntimeError among them
            raise self._refusal(_first_line(error)) from error
        if found != self.info.num_frames:
            raise self._refusal(f"decord finds {found} frames, PyAV {self.info.num_frames}")

    def read(self, wanted: range) -> Iterator[Frame]:
        """See :meth:`vos.video.base.Reader.read`."""
        wanted = existing(wanted, self.count_frames())
        if wanted.step > 0:
            for number in wanted:
                yield self._frame(number)
            return
        # Every step back would make decord decode from the keyframe again: read forwards in blocks.
        block = max(1, _BLOCK_BYTES // (3 * self.info.width * self.info.height))
        while wanted:
            frames = [self._frame(number) for number in reversed(wanted[:block])]
            wanted = wanted[block:]
            while frames:
                yield frames.pop()

    def count_frames(self) -> int:
        """Number of frames."""
        return len(self._times)

    def estimate_frames(self) -> int:
        """Number of frames."""
        return len(self._times)

    def close(self) -> None:
        """Let go of the decoder; reading ends here."""
        self._decoder = None

    def _frame(self, number: int) -> Frame:
        try:
            image: NDArray[np.uint8] = self._decoder[number].asnumpy()
        except Exception as error:
            raise MediaError(
                f"decord cannot read frame {number} of {self._path}: {_first_line(error)}"
            ) from error
        return own_frame(number, image, time=self._times[number])

    def _refusal(self, reason: str) -> MediaError:
        return MediaError(f"decord does not read {self._path} faithfully: {reason}; use --reader pyav")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
