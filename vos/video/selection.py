"""What a caller holds: the chosen frames of a video, at the chosen size."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from numbers import Integral
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MediaError
from ..frame import Frame, VideoInfo, own_frame
from .base import Reader
from .fetch import Fetched
from .sizes import Size, resize, target_size
from .source import IMAGE_KINDS

NEARBY = (1, 2, 4, 8)
"""Distances in frames of the images that :attr:`vos.frame.Frame.nearby` reads."""


class Video:
    """Frames ``start``, ``start + stride``, ... before ``end`` of a reader's video.

    Selecting does not renumber: ``Frame.index`` counts the frames of the whole video. Every iteration
    reads afresh, one frame at a time. A context manager; :meth:`close` is idempotent.

    Args:
        reader: where frames come from.
        start: index of the first frame.
        end: index after the last frame; None for all.
        stride: take every ``stride``-th frame from ``start`` on.
        size: (width, height), or the length of the shorter side; None for the video's own size.
        fetched: the temporary file that is read, where the video is at an address; closed with the video.

    Raises:
        InputError: if nothing can be selected like this.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        start: int = 0,
        end: int | None = None,
        stride: int = 1,
        size: Size | None = None,
        fetched: Fetched | None = None,
    ) -> None:
        self._wanted = _wanted(start, end, stride)
        self._reader = reader
        self._fetched = fetched
        self._size = target_size(size, reader.info.width, reader.info.height)
        if reader.info.num_frames is not None:
            _check_start(self._wanted, reader.info.num_frames)

    @property
    def info(self) -> VideoInfo:
        """Size of the frames as given, rate of the source (not divided by stride), and number of selected
        frames if it is known: for a file it is not until :meth:`count_frames` was asked."""
        known = self._reader.info
        width, height = self._size
        count = None if known.num_frames is None else len(self._selected(known.num_frames))
        return dataclasses.replace(known, width=width, height=height, num_frames=count)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file, or the images in order."""
        return self._reader.paths

    @property
    def location(self) -> str:
        """Absolute path of the file, or of the folder that holds all images; or the address of the video."""
        if self._fetched is not None:
            return self._fetched.name
        shared = os.path.commonpath([path.parent for path in self.paths]) if self.is_images else self.paths[0]
        return os.path.abspath(shared)

    @property
    def is_images(self) -> bool:
        """Whether the frames are image files, and not in a video file."""
        return self.paths[0].suffix.lower() in IMAGE_KINDS

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    @property
    def selection(self) -> dict[str, int | None]:
        """``start``, ``end`` and ``stride``, as given."""
        stop = self._wanted.stop
        return {
            "start": self._wanted.start,
            "end": None if stop == sys.maxsize else stop,
            "stride": self._wanted.step,
        }

    def frames(self, start: int = 0, stop: int | None = None, *, reverse: bool = False) -> Iterator[Frame]:
        """The selected frames with ``start <= Frame.index < stop``, last to first if ``reverse``.

        They are exactly those that iterating from the beginning gives. Starting late and reading
        backwards decode no more than they need to where the file can be trusted to be entered in its
        middle, and memory stays bounded in any case.

        Raises:
            InputError: if the video ends before the first selected frame.
            MediaError: where the video is damaged, after all frames that can be read have been yielded.
        """
        stop = self._wanted.stop if stop is None else min(stop, self._wanted.stop)
        # The first selected index that is not before `start`.
        behind = max(0, start - self._wanted.start)
        first = self._wanted.start + -(-behind // self._wanted.step) * self._wanted.step
        wanted = range(first, max(first, stop), self._wanted.step)
        return self._read(wanted[::-1] if reverse else wanted)

    def count_frames(self) -> int:
        """Number of selected frames. For a file this may go through all of it once."""
        count = self._reader.count_frames()
        _check_start(self._wanted, count)
        return len(self._selected(count))

    def estimate_frames(self) -> int | None:
        """About how many frames there are, for a progress bar; None where even that is unknown."""
        estimate = self._reader.estimate_frames()
        return None if estimate is None else len(self._selected(estimate))

    def entries(self) -> Sequence[int]:
        """Indices of the frames that reading can begin at without decoding others, ascending; at least one.

        Of a file these are keyframes; finding them goes through it once without decoding.
        """
        entries = getattr(self._reader, "entries", None)  # a reader of others need not have it
        found = entries() if entries else (self._wanted.start,)
        return [index for index in found if index in self._wanted] or [self._wanted.start]

    def observe(self, callback: Callable[[Path, bytes], None]) -> None:
        """Have ``callback`` called with the bytes of every image file that is read; not for video files."""
        if self.is_images and hasattr(self._reader, "observe"):
            self._reader.observe = callback

    def losses(self) -> tuple[str, ...]:
        """Sentences on frames that are lost in the middle of a damaged file; none for most videos.

        Goes through the file once without decoding.
        """
        losses = getattr(self._reader, "losses", None)  # a reader of others need not have it
        return tuple(losses()) if losses else ()

    def times(self) -> Mapping[int, float | None]:
        """``Frame.time`` of the selected frames by index, as far as it is known without the images.

        Of a file this goes through it once, decoding only where that is the only way to know.
        """
        times = getattr(self._reader, "times", None)  # a reader of others need not have it
        found = times() if times else ()
        return {index: time for index, time in enumerate(found) if index in self._wanted}

    def close(self) -> None:
        """Let go of files and memory."""
        self._reader.close()
        if self._fetched is not None:
            self._fetched.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, wanted: range) -> Iterator[Frame]:
        seen = False
        for frame in self._reader.read(wanted):
            seen = True
            image = resize(frame.image, self._size)
            nearby = partial(self._nearby, frame.index)
            yield own_frame(**{**vars(frame), "image": image, "nearby": nearby})
        if not seen and self._wanted.start in wanted:
            _check_start(self._wanted, self._reader.count_frames())

    def _nearby(self, index: int) -> list[NDArray[np.uint8]]:
        """The images at distances :data:`NEARBY` after a frame, whatever is selected; at the end of the video
        those before it. Fewer where they cannot be read."""
        last = max(NEARBY)
        for wanted in (range(index + 1, index + last + 1), range(index - 1, max(-1, index - last - 1), -1)):
            found: dict[int, NDArray[np.uint8]] = {}
            with contextlib.suppress(InputError, MediaError):
                for frame in self._reader.read(wanted) if wanted else ():
                    if abs(frame.index - index) in NEARBY:
                        found[abs(frame.index - index)] = resize(frame.image, self._size)
            if found:
                return [found[step] for step in sorted(found)]
        return []

    def _selected(self, num_frames: int) -> range:
        return range(self._wanted.start, min(self._wanted.stop, num_frames), self._wanted.step)


def select(num_frames: int, start: int = 0, end: int | None = None, stride: int = 1) -> range:
    """Which of this many frames or images :class:`Video` would select.

    Raises:
        InputError: if nothing can be selected like this.
    """
    wanted = _wanted(start, end, stride)
    _check_start(wanted, num_frames)
    return range(num_frames)[wanted.start : wanted.stop : wanted.step]


def _wanted(start: int, end: int | None, stride: int) -> range:
    for name, value in (("start", start), ("end", 0 if end is None else end), ("stride", stride)):
        if not isinstance(value, Integral):
            raise InputError(f"{name} must be a whole number of frames, got {value!r:.60}")
    if start < 0:
        raise InputError(f"start {start} is negative; frames are counted from 0")
    if end is not None and end <= start:
        raise InputError(f"end {end} is not after start {start}; the frame at end is not read")
    if stride < 1:
        raise InputError(f"stride {stride} is not positive; 1 reads every frame, 2 every other")
    return range(start, sys.maxsize if end is None else end, stride)


def _check_start(wanted: range, num_frames: int) -> None:
    if wanted.start >= num_frames:
        raise InputError(
            f"start {wanted.start} is after the last frame; "
            f"the video has {num_frames} frame{'s' * (num_frames != 1)}, 0 to {num_frames - 1}"
        )
