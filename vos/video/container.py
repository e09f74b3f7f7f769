"""Opening a video file with FFmpeg, its packets, and the images they decode to."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from ..errors import MediaError
from .playlists import playlist_kind, self_contained_formats
from .truncation import missing_bytes

NO_TIME = int(np.iinfo(np.int64).min)
"""Stands for a missing timestamp."""
_NOT_VIDEO = frozenset(("tty", "bin", "xbin", "adf", "idf"))
"""FFmpeg's readers of text as an image of a terminal."""


def _options() -> dict[str, str]:
    """Nothing but the file itself is opened."""
    return {"protocol_whitelist": "file", "format_whitelist": self_contained_formats()}


class Damage(Exception):
    """Decoding cannot go on; the message says why. Every image before it has been yielded."""


@contextlib.contextmanager
def open_container(path: Path) -> Iterator[av.container.InputContainer]:
    """The open file.

    Raises:
        MediaError: if FFmpeg cannot read it, saying why as far as that is known.
    """
    kind = playlist_kind(path)
    if kind is not None:
        raise MediaError(
            f"cannot read {path}: it is {kind}, which names other files or addresses and holds no video; "
            f"give the video file, or make one with: ffmpeg -i {path.name} -c copy clip.mkv"
        )
    try:
        # "file:" keeps FFmpeg from taking a colon in the name for a protocol.
        container = av.open(f"file:{path}", metadata_errors="replace", options=_options())
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"cannot read {path}: {_why_not(path, error)}") from error
    with container:
        if container.format.name in _NOT_VIDEO:
            raise MediaError(f"cannot read {path}: it is text, not a video")
        yield container


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The stream FFmpeg calls the best, set to decode on all cores.

    Raises:
        MediaError: if there is none, or no decoder for it.
    """
    stream = container.streams.best("video")
    if stream is None or is_cover(stream):
        found = ", ".join(sorted({other.type for other in container.streams} - {"video"})) or "nothing"
        cover = " and a cover image" if stream is not None else ""
        raise MediaError(f"{path} has no video, only {found}{cover}")
    if stream.codec_context is None:
        raise MediaError(f"{path} is coded in a way this FFmpeg cannot decode")
    stream.thread_type = "AUTO"
    return stream


def is_cover(stream: av.VideoStream) -> bool:
    """Whether the stream is an image that goes with music and not a video."""
    return bool(stream.disposition & Disposition.attached_pic)


@dataclass(frozen=True, eq=False)
class Packets:
    """What a file says of its video packets, in the order of the file. Nothing is decoded for it."""

    pts: NDArray[np.int64]
    """(N,) presentation time in ticks of the stream, NO_TIME where missing."""
    dts: NDArray[np.int64]
    """(N,) decoding time, likewise."""
    size: NDArray[np.int64]
    """(N,) bytes."""
    is_key: NDArray[np.bool_]
    """(N,) decoding can start here."""
    is_hidden: NDArray[np.bool_]
    """(N,) outside the edit list: decoded and not shown."""
    is_corrupt: NDArray[np.bool_]
    """(N,) marked as damaged by the file reader."""
    damage: str | None
    """Why packets are missing at the end of the file, if they are."""

    def __len__(self) -> int:
        return len(self.pts)

    def find(self, packet: av.Packet) -> int | None:
        """The number of a packet, if it is the only one with its times and size."""
        same = (
            (self.pts == _ticks(packet.pts)) & (self.dts == _ticks(packet.dts)) & (self.size == packet.size)
        )
        numbers = np.flatnonzero(same)
        return int(numbers[0]) if len(numbers) == 1 else None


def read_packets(path: Path) -> Packets:
    """Go through the file once without decoding, as far as it can be read.

    Raises:
        MediaError: if the file cannot be opened.
    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        feed = _Feed(container.demux(stream))
        rows = [
            (_ticks(p.pts), _ticks(p.dts), p.size, p.is_keyframe, p.is_discard, p.is_corrupt) for p in feed
        ]
        damage = _cut_short(path, stream, feed.num_packets) or feed.damage
    table = np.array(rows, dtype=np.int64).reshape(-1, 6).T
    flags = table[3:].astype(np.bool_)
    return Packets(table[0], table[1], table[2], flags[0], flags[1], flags[2], damage)


def decode(path: Path, packets: Packets | None = None, first: int = 0) -> Iterator[av.VideoFrame]:
    """Images in order of presentation, decoded from packet number ``first`` on.

    ``packets`` is needed where ``first`` is not 0. Errors before the first image are passed over: a
    recording may begin between keyframes.

    Raises:
        MediaError: if the file cannot be opened.
        Damage: where the data is damaged or the file ends too early, after the images before it.
    """
    with _opened_at(path, packets, first) as (stream, feed):
        context = stream.codec_context
        begun = False
        for packet in feed:
            try:
                av_frames = context.decode(packet)
            except av.FFmpegError as error:
                if begun:
                    raise Damage(f"the data is damaged ({error.strerror})") from error
                continue
            begun = begun or bool(av_frames)
            yield from av_frames
        try:
            av_frames = context.decode(None)
        except av.FFmpegError as error:
            raise Damage(f"the data is damaged ({error.strerror})") from error
        yield from av_frames
        damage = _cut_short(path, stream, feed.num_packets) or feed.damage
        if damage:
            raise Damage(damage)


def _cut_short(path: Path, stream: av.VideoStream, num_packets: int) -> str | None:
    """What is missing at the end of a file whose last packet has been read, or None."""
    missing = missing_bytes(path)
    if not missing or 0 < stream.frames <= num_packets:
        return None
    return f"the file is cut short, {missing} bytes are missing at its end"


class _Feed:
    """Packets as they come, without empty ones, which would end decoding, and without a last one that is
    there only in part."""

    def __init__(self, packets: Iterable[av.Packet], number: int = 0) -> None:
        self.num_packets = number
        """Number of the packet that comes next."""
        self.damage: str | None = None
        """Why there are no more packets, where that is not the regular end of the file."""
        self._packets = self._read(packets)

    def __iter__(self) -> Iterator[av.Packet]:
        return self._packets

    def skip_to(self, number: int) -> None:
        """Pass over packets until ``number`` comes next."""
        for _ in itertools.islice(self._packets, number - self.num_packets):
            pass

    def close(self) -> None:
        """Close the container. Nothing else would: the iteration and this object hold each other."""
        self._packets.close()

    def _read(self, packets: Iterable[av.Packet]) -> Generator[av.Packet, None, None]:
        held: av.Packet | None = None
        try:
            for packet in packets:
                if packet.size:
                    if held is not None:
                        self.num_packets += 1
                        yield held
                    held = packet
        except av.FFmpegError as error:
            self.damage = f"the file cannot be read further ({error.strerror})"
        if held is not None and held.is_corrupt:
            self.damage = self.damage or "its last frame is not there in full"
        elif held is not None:
            self.num_packets += 1
            yield held


@contextlib.contextmanager
def _opened_at(path: Path, packets: Packets | None, first: int) -> Iterator[tuple[av.VideoStream, _Feed]]:
    """The stream, and its packets from number ``first`` on."""
    if packets is not None and first > 0:
        with open_container(path) as container:
            stream = video_stream(container, path)
            feed = _seek(container, stream, packets, first)
            if feed is not None:
                with contextlib.closing(feed):
                    yield stream, feed
                return
    with open_container(path) as container:
        stream = video_stream(container, path)
        with contextlib.closing(_Feed(container.demux(stream))) as feed:
            feed.skip_to(first)
            yield stream, feed


def _seek(
    container: av.container.InputContainer, stream: av.VideoStream, packets: Packets, first: int
) -> _Feed | None:
    """Packets from number ``first`` on by way of a seek, which saves reading the file up to there.

    Where a seek lands is up to the file: None if that is not known for certain, or is too late.
    """
    time = int(packets.dts[first] if packets.dts[first] != NO_TIME else packets.pts[first])
    try:
        container.seek(time, stream=stream)
        rest = container.demux(stream)
        landed = next((packet for packet in rest if packet.size), None)
    except av.FFmpegError:
        return None
    number = None if landed is None else packets.find(landed)
    if number is None or number > first:
        return None
    feed = _Feed(itertools.chain([landed], rest), number)
    feed.skip_to(first)
    return feed


def _ticks(time: int | None) -> int:
    return NO_TIME if time is None else time


def _why_not(path: Path, error: Exception) -> str:
    """The reason why FFmpeg cannot open a file."""
    if isinstance(error, av.InvalidDataError | av.EOFError | av.ArgumentError):
        if path.stat().st_size == 0:
            return "the file is empty (0 bytes)"
        missing = missing_bytes(path)
        if missing:
            return f"the file is cut short, {missing} bytes are missing at its end; copy or download it again"
        return "it is not a video, or it is damaged at its beginning"
    return str(getattr(error, "strerror", None) or error)
