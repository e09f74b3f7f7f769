"""Base of the formats that are video files: every frame at its own time, resumable, whole or absent."""

from __future__ import annotations

import contextlib
import heapq
import io
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..files import replacing
from ..frame import Frame
from ..results import FrameResult
from .audio import Audio, has_sound
from .base import Blocks, VideoFacts, Writer

TICKS = 90_000
"""Timestamps count 1/90000 s, which holds all usual frame rates exactly or to a hundredth of a frame."""
DEFAULT_FPS = 25.0
"""For folders of images whose rate is not known."""
LONGEST_STEP = 60.0
"""Seconds: times that go further ahead from one frame to the next have jumped."""
BT709 = 1

X264 = {
    "preset": "veryfast",
    # x264's output depends on the number of threads. One costs a 1280x720 frame 1.5 ms.
    "threads": "1",
    # With AVX-512 its macroblock tree reads past the last block of a frame whose width is no multiple of
    # 128: what other data left in memory there decides how finely blocks are coded, and the bytes differ.
    # Without the tree, files of the same quality (PSNR) are some 4% larger.
    "mbtree": "0",
    # Without B-frames packets leave in order of presentation: no reordering, no edit list.
    "bf": "0",
}


@dataclass(frozen=True)
class Encoding:
    """How images become a file."""

    codec: str
    """Encoder of FFmpeg."""
    pixels: str
    """Its pixel format."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the encoder."""
    container: str = "mp4"
    """Of the file."""
    piece: str = "nut"
    """Container of the pieces: NUT keeps any time base, but does not know every codec."""
    even: bool = False
    """Sizes must be even: the last row and column are repeated."""
    full_range: bool = False
    """Luma uses 0 to 255, not 16 to 235."""


class VideoWriter(Writer):
    """A video file of one image per frame, which :meth:`draw` makes.

    The video is encoded in pieces that end at checkpoints, each by an encoder of its own, and the pieces
    are joined without being encoded again: a resumed run gives the bytes of an uninterrupted one. The sound
    of the source is copied in sync, unless the times of its frames jump.

    Args:
        path: the file.
        encoding: how it is written.
        work: folder for pieces until :meth:`close`; None keeps them (compressed) in memory.
        facts: frames per second for frames without a time, the objects' names, the file with the sound.
        audio: whether to copy the sound.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        encoding: Encoding,
        *,
        work: Path | None = None,
        facts: VideoFacts | None = None,
        audio: bool = True,
    ) -> None:
        self.path = Path(path)
        self.facts = facts or VideoFacts()
        self.notes: list[str] = []
        """Sentences for people, after :meth:`close`."""
        self._audio = self.facts.audio if audio else None
        self._encoding = encoding
        self._blocks = Blocks(work, f".{encoding.piece}")
        self._piece: _Piece | None = None
        self._starts: list[int] = []
        """First tick of every piece."""
        self._last_tick: int | None = None
        self._shift = 0
        """Ticks to add to the times of the source, since they have jumped."""
        self._usual_step = round(TICKS / self._fps)
        """Ticks from one frame to the next that occurred twice in a row, or first."""
        self._last_step: int | None = None
        """Ticks between the last two frames whose times did not jump."""
        self._size: tuple[int, int] | None = None

    def draw(self, frame: Frame, segmentation: FrameResult) -> NDArray[np.uint8]:
        """(H, W, 3) RGB, (H, W, 4) RGBA with straight alpha, or (H, W) grey; the same for all frames."""
        raise NotImplementedError

    def write(self, frame: Frame, segmentation: FrameResult) -> None:
        """Draw and encode one frame.

        Raises:
            MediaError: for a frame of another size than the first.
        """
        if self._size is None:
            self._size = frame.size
        elif self._size != frame.size:
            (height, width), (first_height, first_width) = frame.size, self._size
            raise MediaError(
                f"frame {frame.name} is {width}x{height}, the first is {first_width}x{first_height}: "
                f"a video has one size. Give --size, or leave {self.path.name} out (--no-overlay)"
            )
        drawn = self.draw(frame, segmentation)
        drawn = pad_to_even(drawn) if self._encoding.even else drawn
        tick = self._tick(frame)
        if self._piece is None:
            self._piece = _Piece((drawn.shape[0], drawn.shape[1]), self._fps, self._encoding)
            self._starts = [*self._starts[: self._blocks.count], tick]
        self._piece.encode(drawn, tick - self._starts[-1])

    def checkpoint(self) -> dict[str, Any]:
        """End the current piece."""
        if self._piece is not None:
            self._blocks.append(self._piece.finish())
            self._piece = None
        size = None if self._size is None else list(self._size)
        return {"blocks": self._blocks.count, "starts": list(self._starts), "size": size, **self._clock()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue after the pieces counted in ``state``."""
        self._blocks.count, self._starts = state["blocks"], list(state["starts"])
        self._last_tick, self._shift = state["last_tick"], state["shift"]
        self._usual_step, self._last_step = state["usual_step"], state["last_step"]
        self._size = None if state["size"] is None else (state["size"][0], state["size"][1])
        self._piece = None

    def close(self) -> None:
        """Join the pieces. A video of no frames leaves no file."""
        if self._piece is not None:
            self.checkpoint()
        if self._blocks.count == 0:
            return
        audio = self._audio
        if audio is not None and self._shift:
            if has_sound(audio):
                self.notes.append("the times of the video's frames jump, so its sound was left out")
            audio = None
        with replacing(self.path) as temporary:
            try:
                with temporary.open("wb") as file:
                    self._join(file, audio)
            except av.FFmpegError as error:
                if audio is None:
                    raise
                # Damaged sound must not cost the images.
                self.notes = [f"sound was left out: {audio} has none that can be copied ({error.strerror})"]
                with temporary.open("wb") as file:
                    self._join(file, None)

    def _join(self, file: Any, audio: Path | None) -> None:
        """Copy the packets of all pieces and of the sound into one file, the first frame at time 0."""
        container = self._encoding.container
        assert self._last_tick is not None
        start, stop = self._starts[0], self._last_tick + (self._last_step or self._usual_step)
        with contextlib.ExitStack() as stack:
            # Without this flag Matroska files get random ids.
            out = stack.enter_context(av.open(file, "w", format=container, options={"fflags": "+bitexact"}))
            packets = _packets(self._blocks, self._starts)
            first, template, _ = next(packets)
            stream = out.add_stream_from_template(template)
            video = _timed(itertools.chain([(first, template, start)], packets), stream, start, stop)
            sound: Iterator[tuple[float, av.Packet]] = iter(())
            if audio is not None:
                source = stack.enter_context(Audio(audio))
                note = source.add_to(out, container)
                self.notes += [note] if note else []
                sound = source.packets(start / TICKS, stop / TICKS)
            for _, packet in heapq.merge(video, sound, key=lambda pair: pair[0]):
                out.mux(packet)

    def _clock(self) -> dict[str, int | None]:
        return {
            "last_tick": self._last_tick,
            "shift": self._shift,
            "usual_step": self._usual_step,
            "last_step": self._last_step,
        }

    @property
    def _fps(self) -> float:
        return self.facts.fps or DEFAULT_FPS

    def _tick(self, frame: Frame) -> int:
        """The frame's time in ticks, always later than the frame before.

        Where the times of the source jump, back or far ahead, as in joined recordings, the frame comes one
        usual step after the one before, and later times move along.
        """
        seconds = frame.index / self._fps if frame.time is None else frame.time
        tick = round(seconds * TICKS) + self._shift
        if self._last_tick is not None:
            step = tick - self._last_tick
            if not 0 < step <= LONGEST_STEP * TICKS:
                self._shift += self._usual_step - step
                tick = self._last_tick + self._usual_step
            else:
                if self._last_step is None or abs(step - self._last_step) <= step / 10:
                    self._usual_step = step
                self._last_step = step
        self._last_tick = tick
        return tick


def pad_to_even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``image`` with its last row and column repeated where the size is odd: no pixel moves."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.pad(image, ((0, height % 2), (0, width % 2)) + ((0, 0),) * (image.ndim - 2), mode="edge")


_LAYOUTS = {2: "gray", 3: "rgb24", 4: "rgba"}


class _Piece:
    """A run of frames encoded by one encoder, kept in memory (compressed) until it is whole."""

    def __init__(self, size: tuple[int, int], fps: float, encoding: Encoding) -> None:
        self._encoding = encoding
        self._buffer = io.BytesIO()
        self._container = av.open(self._buffer, "w", format=encoding.piece)
        rate = Fraction(fps).limit_denominator(1001)
        stream = self._container.add_stream(encoding.codec, rate=rate, options=dict(encoding.options))
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = encoding.pixels
        context = stream.codec_context
        context.time_base = stream.time_base = Fraction(1, TICKS)
        ranges = av.video.reformatter.ColorRange
        context.color_range = ranges.JPEG if encoding.full_range else ranges.MPEG
        if encoding.pixels.startswith("yuv"):
            context.colorspace = context.color_primaries = context.color_trc = BT709
        self._stream = stream

    def encode(self, image: NDArray[np.uint8], tick: int) -> None:
        layout = _LAYOUTS[2 if image.ndim == 2 else image.shape[2]]
        av_frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=layout)
        # With several threads swscale now and then spoils a row of formats with more than 8 bits.
        if self._encoding.pixels.startswith("yuv"):
            av_frame = av_frame.reformat(format=self._encoding.pixels, dst_colorspace=BT709, threads=1)
        elif self._encoding.pixels != layout:
            av_frame = av_frame.reformat(format=self._encoding.pixels, threads=1)
        av_frame.pts, av_frame.time_base = tick, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(av_frame))

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue()


def _timed(
    packets: Iterator[tuple[av.Packet, Any, int]], stream: Any, start: int, stop: int
) -> Iterator[tuple[float, av.Packet]]:
    """Packets for ``stream``, each lasting until the next or ``stop``, and their seconds from ``start``."""
    held: av.Packet | None = None
    for packet, _, tick in packets:
        packet.time_base = Fraction(1, TICKS)
        packet.pts = packet.dts = tick - start
        packet.stream = stream
        if held is not None:
            assert held.pts is not None
            held.duration = packet.pts - held.pts
            yield held.pts / TICKS, held
        held = packet
    assert held is not None
    assert held.pts is not None
    held.duration = stop - start - held.pts
    yield held.pts / TICKS, held


def _packets(pieces: Blocks, starts: list[int]) -> Iterator[tuple[av.Packet, Any, int]]:
    """Packets of all pieces in order, with the stream each comes from and its tick."""
    for piece, start in zip(pieces, starts, strict=True):
        with av.open(io.BytesIO(piece), "r") as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                # The last, empty one says that the piece has ended. Decoding times are no sign of it: they
                # are missing in all packets of a piece too short for FFmpeg to see that nothing is reordered.
                if packet.pts is None:
                    continue
                yield packet, stream, start + round(packet.pts * packet.time_base * TICKS)
