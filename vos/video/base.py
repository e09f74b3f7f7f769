"""What every way of reading a video has in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from ..frame import Frame, VideoInfo


@runtime_checkable
class Reader(Protocol):
    """A whole video, at its own size; selection and resizing are :class:`~vos.video.Video`'s.

    Opening a reader reads the first frame, so that what cannot be read fails there. Reading starts afresh
    each time it is asked for: readers hold no position.
    """

    paths: tuple[Path, ...]
    """The file, or the images in order."""

    @property
    def info(self) -> VideoInfo:
        """Size after rotation, rate, and the number of frames once it is known for certain."""
        ...

    def read(self, wanted: range) -> Iterator[Frame]:
        """The frames of ``wanted`` that exist, in its order; a negative step reads backwards.

        Memory is bounded whatever the direction and the length of the video.

        Raises:
            MediaError: where the video is damaged. All wanted frames that can be read have been yielded.
        """
        ...

    def count_frames(self) -> int:
        """Number of frames that reading yields. May have to go through the whole file; remembered."""
        ...

    def estimate_frames(self) -> int | None:
        """An estimate of the number of frames without decoding, for progress bars only."""
        ...

    def close(self) -> None:
        """Let go of files and memory."""
        ...


def existing(wanted: range, num_frames: int) -> range:
    """The part of ``wanted`` below ``num_frames``, in the same direction.

    >>> existing(range(2, 100, 3), 9)
    range(2, 9, 3)
    >>> existing(range(2, 100, 3)[::-1], 9)
    range(8, -1, -3)
    """
    upwards = wanted if wanted.step > 0 else wanted[::-1]
    upwards = range(upwards.start, min(upwards.stop, num_frames), upwards.step)
    return upwards if wanted.step > 0 else upwards[::-1]
