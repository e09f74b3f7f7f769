"""The sound of a video for videos made of its frames: copied, or encoded where a container refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.audio.resampler import AudioResampler

_ENCODERS = {"webm": "libopus", "mp4": "aac", "mov": "aac", "matroska": "libopus"}
"""By container, for sound that it cannot hold as it is."""
_RATE = 48_000
"""Samples per second of encoded sound: one that all of these encoders take."""


def has_sound(path: Path) -> bool:
    """Whether a file has an audio stream; no where it cannot be read."""
    try:
        with av.open(str(path)) as container:
            return bool(container.streams.audio)
    except (av.FFmpegError, OSError):
        return False


class Audio:
    """The first audio stream of a file, as a stream of another. A context manager.

    A file that cannot be read has no sound; :meth:`add_to` says so.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._container: Any = None
        self._unreadable: str | None = None
        self._source: Any = None
        try:
            self._container = av.open(str(path))
            self._source = next(iter(self._container.streams.audio), None)
        except (av.FFmpegError, OSError) as error:
            self._unreadable = error.strerror or str(error)
        self._target: Any = None
        self._encodes = False

    def add_to(self, output: Any, container: str) -> str | None:
        """Make a stream in ``output``, an open container of the format ``container``.

        Returns:
            A sentence where the sound is not copied as it is.
        """
        if self._unreadable is not None:
            return f"there is no sound, since its file cannot be read: {self._unreadable}"
        if self._source is None:
            return None
        codec = self._source.codec_context.name
        if self._source.codec_context.codec.canonical_name in output.supported_codecs:
            self._target = output.add_stream_from_template(self._source)
            return None
        name = _ENCODERS[container]
        self._target = output.add_stream(name, rate=_RATE)
        self._target.layout = "mono" if self._source.channels == 1 else "stereo"
        self._encodes = True
        return f"sound was encoded as {name}: .{container} files cannot hold {codec}"

    def packets(self, start: float, stop: float) -> Iterator[tuple[float, av.Packet]]:
        """Packets from ``start`` to ``stop`` (seconds of the source), and their times, both from 0."""
        if self._target is None:
            return
        assert self._source is not None
        last = -1
        for time, packet in self._encoded(start, stop) if self._encodes else self._copied(start, stop):
            if packet.dts is not None and packet.dts > last:  # damaged files repeat times
                last = packet.dts
                yield time, packet

    def _copied(self, start: float, stop: float) -> Iterator[tuple[float, av.Packet]]:
        for packet in self._container.demux(self._source):
            if packet.pts is None:
                continue
            base = packet.time_base
            time = float(packet.pts * base) - start
            if time < 0:
                continue
            if time >= stop - start:
                return
            shift = round(start / base)
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = self._target
            yield time, packet

    def _encoded(self, start: float, stop: float) -> Iterator[tuple[float, av.Packet]]:
        context = self._target.codec_context
        context.open()
        resampler = AudioResampler(context.format, context.layout, _RATE, frame_size=context.frame_size)
        for frame in self._frames(start, stop):
            for resampled in resampler.resample(frame):
                yield from self._timed(self._target.encode(resampled))
        for resampled in resampler.resample(None):
            yield from self._timed(self._target.encode(resampled))
        yield from self._timed(self._target.encode(None))

    def _frames(self, start: float, stop: float) -> Iterator[av.AudioFrame]:
        for frame in self._container.decode(self._source):
            if frame.pts is None or frame.time < start:
                continue
            if frame.time >= stop:
                return
            frame.pts -= round(start / frame.time_base)
            yield frame

    def _timed(self, packets: list[av.Packet]) -> Iterator[tuple[float, av.Packet]]:
        for packet in packets:
            yield float((packet.pts or 0) * packet.time_base), packet

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is not None:
            self._container.close()
