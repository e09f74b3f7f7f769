"""Video files, read with PyAV (FFmpeg)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import av

from ..errors import MediaError
from ..frame import Frame, Turn, VideoInfo, own_frame
from .base import existing
from .container import Damage, Packets, decode, open_container, read_packets, video_stream
from .losses import at_cuts, find_losses
from .pixels import UPRIGHT, ToRGB, orientation_of
from .timeline import (
    Entry,
    Timeline,
    frames_expected,
    timeline_of_frames,
    timeline_of_packets,
    why_not_exact,
)

_SKIP_BY_DECODING = 250
"""A start before this frame is reached by decoding up to it; going through the file first pays only later."""
_BLOCK_BYTES = 64 * 2**20
"""Decoded images held at once while reading backwards."""
_FINE_CLOCK = 1000
"""Ticks per second from which on a clock does not count frames."""
_STREAMS = frozenset(("mpegts", "mpeg"))
"""Containers that can be cut and joined anywhere."""
_GUESSED_TIMES = frozenset(("avi",))
"""Files without presentation times, for which FFmpeg makes some up."""


class PyAVReader:
    """A video file as frames, in order of presentation.

    Rotation is applied, the edit list followed, and every image FFmpeg decodes is one frame: none is
    dropped or repeated to keep a rate.

    Raises:
        MediaError: if the file holds no video of which at least one frame can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.paths = (path,)
        self._path = path
        self._num_decoded: int | None = None
        """Number of frames, once the file was read to its end."""
        with open_container(path) as container:
            stream = video_stream(container, path)
            self.container_name: str = container.format.name
            self.codec_name: str = stream.codec_context.codec.canonical_name
            self.guesses_times = self.container_name in _GUESSED_TIMES
            self._time_base = None if self.guesses_times else stream.time_base
            self._estimate = _estimated_frames(container, stream)
            fps = _frame_rate(stream)
        av_frame = self._decode_first()
        self._first_pts = av_frame.pts
        self._frame_bytes = sum(plane.buffer_size for plane in av_frame.planes)
        orientation = orientation_of(av_frame)
        self.is_turned = orientation != UPRIGHT
        """Whether frames are stored otherwise than they are shown."""
        height, width = ToRGB(path)(av_frame).shape[:2]
        self.info = VideoInfo(
            width, height, fps, num_frames=None, turn=Turn(orientation.degrees, orientation.mirrored)
        )

    def read(self, wanted: range) -> Iterator[Frame]:
        """See :meth:`vos.video.base.Reader.read`."""
        return self._read_forwards(wanted) if wanted.step > 0 else self._read_backwards(wanted[::-1])

    def count_frames(self) -> int:
        """Number of frames that can be decoded; without decoding where the packets tell for certain."""
        self.info = replace(self.info, num_frames=len(self.timeline))
        return len(self.timeline)

    def estimate_frames(self) -> int | None:
        """From the counted frames if they are, else from the header."""
        return self.info.num_frames or self._estimate

    def losses(self) -> tuple[str, ...]:
        """See :meth:`vos.video.Video.losses`."""
        decoded = self._num_decoded
        expected = None if decoded is None else self._num_expected
        if decoded is None or expected is None or decoded >= expected:
            return self._losses
        return (*self._losses, f"only {decoded} of its {expected} frames can be decoded")

    @cached_property
    def _num_expected(self) -> int | None:
        """The number of frames by the packets, where they tell."""
        if self.why_not_exact is None:
            return len(self.packets)
        return frames_expected(self.packets, self.codec_name)

    def entries(self) -> list[int]:
        """See :meth:`vos.video.Video.entries`."""
        return [entry.frame for entry in self.timeline.entries]

    def times(self) -> list[float | None]:
        """See :meth:`vos.video.Video.times`."""
        known = self.timeline.has_times
        return [self.seconds(pts) if known else None for pts in self.timeline.pts.tolist()]

    @cached_property
    def _losses(self) -> tuple[str, ...]:
        try:
            return find_losses(self._path, self.packets, self.seconds)
        except OSError as error:
            raise MediaError(f"cannot read {self._path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Nothing is held between reads."""

    @cached_property
    def packets(self) -> Packets:
        """What the file says of its packets; goes through the file once."""
        return read_packets(self._path)

    @cached_property
    def why_not_exact(self) -> str | None:
        """Why frames cannot be numbered without decoding; None where they can."""
        reason = why_not_exact(self.packets, self.container_name, self.codec_name)
        if reason is None and self._losses:
            reason = "it is damaged"
        if reason is None and self._first_pts != self.packets.pts[0]:
            reason = "its first frames cannot be decoded"
        return reason

    @cached_property
    def timeline(self) -> Timeline:
        """All frames; goes through the file once, decoding only where that is the only way to know."""
        if self.why_not_exact is None:
            return timeline_of_packets(self.packets)
        return self.decoded_timeline()

    def decoded_timeline(self) -> Timeline:
        """The timeline from decoding everything: what reading will give, whatever the file says."""
        times: list[int | None] = []
        damaged = []
        damage = None
        try:
            for number, av_frame, is_damaged in self._with_damage(enumerate(decode(self._path))):
                times.append(av_frame.pts if self._time_base else None)
                if is_damaged:
                    damaged.append(number)
        except Damage as error:
            damage = str(error)
        return replace(timeline_of_frames(times, self.packets, damage), damaged=tuple(damaged))

    def seconds(self, pts: int | None) -> float | None:
        """A time of the stream in seconds; None where it is unknown or made up."""
        return None if self._time_base is None or pts is None else float(pts * self._time_base)

    def _read_forwards(self, wanted: range) -> Iterator[Frame]:
        if not wanted:
            return
        to_rgb = ToRGB(self._path)
        number = -1
        try:
            for number, av_frame, is_damaged in self._with_damage(self._decode_from(wanted.start)):
                if number in wanted:
                    yield self._frame(number, av_frame, to_rgb, is_damaged)
                if number >= wanted[-1]:
                    return
        except Damage as damage:
            raise self._damaged(number + 1, damage) from damage
        self._num_decoded = number + 1

    def _read_backwards(self, wanted: range) -> Iterator[Frame]:
        """The frames of ``wanted``, which is ascending, last to first.

        They are decoded forwards in blocks that fit in memory; a block begins behind a keyframe, and a
        long way behind it where keyframes are far apart.
        """
        beyond = wanted.stop > self.count_frames()
        wanted = existing(wanted, len(self.timeline))
        to_rgb = ToRGB(self._path)
        block = max(1, _BLOCK_BYTES // self._frame_bytes)
        while wanted:
            entry = self.timeline.entry_before(wanted[-1])
            cut = max(len(wanted) - block, len(existing(wanted, entry.frame)))
            av_frames = self._block(wanted[cut:])
            wanted = wanted[:cut]
            while av_frames:
                number, av_frame, is_damaged = av_frames.pop()
                yield self._frame(number, av_frame, to_rgb, is_damaged)
        if beyond and self.timeline.damage:
            raise self._damaged(len(self.timeline), self.timeline.damage)

    def _decode_from(self, start: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Numbered images, beginning at ``start`` or before it.

        Entering late is checked up to ``start``; from there on images are counted, as from the beginning.
        """
        if start >= _SKIP_BY_DECODING:
            try:
                yield from self._enter(self.timeline.entry_before(start), check_until=start)
                return
            except _UnexpectedFrameError:  # before `start`, so nothing that is wanted was given
                self.timeline = self.timeline.without_entries()
        yield from enumerate(decode(self._path))

    def _block(self, wanted: range) -> list[_NumberedFrame]:
        """The images of ``wanted``, ascending."""
        entry = self.timeline.entry_before(wanted[-1])
        try:
            return self._decode_block(wanted, entry)
        except _UnexpectedFrameError:
            self.timeline = self.timeline.without_entries()
        try:
            return self._decode_block(wanted, self.timeline.entries[0])
        except _UnexpectedFrameError as error:
            raise MediaError(
                f"{self._path} cannot be read backwards: frame {error.number} does not match its packets. "
                "Re-encode it, for example with: ffmpeg -i IN -c:v libx264 -crf 12 OUT.mp4"
            ) from error

    def _decode_block(self, wanted: range, entry: Entry) -> list[_NumberedFrame]:
        number = entry.frame
        av_frames = []
        try:
            for number, av_frame, is_damaged in self._with_damage(self._enter(entry, check_until=wanted[-1])):
                if number in wanted:
                    av_frames.append(_NumberedFrame(number, av_frame, is_damaged))
                if number >= wanted[-1]:
                    return av_frames
        except Damage as damage:
            raise self._damaged(number + 1, damage) from damage
        return av_frames

    def _enter(self, entry: Entry, check_until: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Numbered images from an entry on.

        Raises:
            _UnexpectedFrameError: for an image up to ``check_until`` that is not the one the timeline has.
        """
        pts = self.timeline.pts if self.timeline.has_times else None
        av_frames = decode(self._path, self.packets, entry.packet)
        if entry.packet and pts is not None:
            # Images that are shown before their keyframe refer to what was before it.
            begin = int(pts[entry.frame])
            av_frames = itertools.dropwhile(lambda p: p.pts is not None and p.pts < begin, av_frames)
        number = entry.frame - 1
        try:
            for number, av_frame in enumerate(av_frames, entry.frame):
                if pts is not None and number <= check_until:
                    expected = number < len(pts) and av_frame.pts == pts[number]
                    if entry.packet and number == entry.frame:
                        expected = expected and av_frame.key_frame
                    if not expected:
                        raise _UnexpectedFrameError(number)
                yield number, av_frame
        except Damage as damage:
            if entry.packet and number < check_until:  # the entry may be to blame, and not the data
                raise _UnexpectedFrameError(number + 1) from damage
            raise
        if number < min(check_until, len(self.timeline) - 1):
            raise _UnexpectedFrameError(number + 1)

    def _decode_first(self) -> av.VideoFrame:
        try:
            av_frame = next(decode(self._path), None)
        except Damage as damage:
            raise MediaError(f"no frame of {self._path} can be decoded: {damage}") from damage
        if av_frame is None:
            raise MediaError(f"no frame of {self._path} can be decoded ({self.codec_name})")
        return av_frame

    def _with_damage(self, numbered: Iterator[tuple[int, av.VideoFrame]]) -> Iterator[_NumberedFrame]:
        """Images with whether they are damaged: damage goes on in what is predicted from it, up to a
        keyframe. Streams are cut and joined anywhere: that the last frame is there in part is usual."""
        is_damaged = False
        for number, av_frame in numbered:
            is_made_up = av_frame.is_corrupt and av_frame.pts not in self._times_of_cuts
            is_damaged = is_made_up or (is_damaged and not av_frame.key_frame)
            yield _NumberedFrame(number, av_frame, is_damaged)

    @cached_property
    def _times_of_cuts(self) -> frozenset[int]:
        """Presentation times of the last frames before a cut, where streams are cut without a trace."""
        if self.container_name not in _STREAMS:
            return frozenset()
        return frozenset(self.packets.pts[at_cuts(self.packets)].tolist())

    def _frame(self, number: int, av_frame: av.VideoFrame, to_rgb: ToRGB, is_damaged: bool) -> Frame:
        image = to_rgb(av_frame)
        height, width = image.shape[:2]
        if (width, height) != (self.info.width, self.info.height):
            raise MediaError(
                f"frame {number} of {self._path} is {width}x{height}, the first is "
                f"{self.info.width}x{self.info.height}; a video has one size. Cut it there, or re-encode it"
            )
        return own_frame(number, image, time=self.seconds(av_frame.pts), is_damaged=is_damaged)

    def _damaged(self, number: int, reason: object) -> MediaError:
        return MediaError(f"{self._path} cannot be read at frame {number} and after it: {reason}")


class _NumberedFrame(NamedTuple):
    number: int
    av_frame: av.VideoFrame
    is_damaged: bool


class _UnexpectedFrameError(Exception):
    """Entering the file gave another image than expected."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _frame_rate(stream: av.VideoStream) -> float | None:
    """Frames per second, None where unknown."""
    rate = stream.average_rate
    if stream.start_time is None:  # a raw stream: no times, but its codec may tell a rate
        rate = stream.guessed_rate
        if rate == 25:  # FFmpeg's word for "unknown"
            return None
    if rate and _is_tick_rate(rate, stream):
        rate = stream.guessed_rate
    return float(rate) if rate and not _is_tick_rate(rate, stream) else None


def _is_tick_rate(rate: Fraction, stream: av.VideoStream) -> bool:
    """Whether a rate is one frame per tick of a fine clock: FFmpeg knows none."""
    return rate > _FINE_CLOCK and stream.time_base is not None and rate * stream.time_base == 1


def _estimated_frames(container: av.container.InputContainer, stream: av.VideoStream) -> int | None:
    """The number of frames by the header, or by duration and rate."""
    if stream.frames:
        return int(stream.frames)
    rate = _frame_rate(stream)
    seconds = (
        float(stream.duration * stream.time_base)
        if stream.duration
        else (container.duration or 0) / av.time_base
    )
    return round(seconds * rate) or None if rate else None
