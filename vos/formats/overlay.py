"""The frames with their masks drawn on, as an H.264 video."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
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
from .base import Blocks, VideoFacts, Writer
from .drawing import OverlaySettings, draw_overlay

TICKS = 90_000
"""Timestamps count 1/90000 s, which holds all usual frame rates exactly or to a hundredth of a frame."""
DEFAULT_FPS = 25.0
"""For folders of images whose rate is not known."""
LONGEST_STEP = 60.0
"""Seconds: times that go further ahead from one frame to the next have jumped."""
BT709 = 1

_ENCODER = {
    "preset": "veryfast",
    # x264's output depends on the number of threads: a fixed number gives the same bytes everywhere.
    "threads": "2",
    # Without B-frames packets leave in order of presentation: no reordering, no edit list.
    "bf": "0",
}


class OverlayWriter(Writer):
    """``overlay.mp4``: every frame at its own time, sizes made even by repeating the last column or row.

    The video is encoded in pieces that end at checkpoints, each by an encoder of its own, and the pieces
    are joined without being encoded again: a resumed run gives the bytes of an uninterrupted one.

    Args:
        path: the file.
        work: folder for pieces until :meth:`close`; None keeps them (compressed) in memory.
        facts: frames per second for frames without a time, and the objects' names.
        settings: how it looks.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        work: Path | None = None,
        facts: VideoFacts | None = None,
        settings: OverlaySettings | None = None,
    ) -> None:
        self.path = Path(path)
        self._facts = facts or VideoFacts()
        self._settings = settings or OverlaySettings()
        self._blocks = Blocks(work, ".nut")
        self._piece: _Piece | None = None
        self._last_tick: int | None = None
        self._shift = 0
        """Ticks to add to the times of the source, since they have jumped."""
        self._usual_step = round(TICKS / self._fps)
        """Ticks between the last two frames whose times did not jump."""
        self._size: tuple[int, int] | None = None

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
                "a video has one size. Give --size, or --no-overlay"
            )
        drawn = draw_overlay(frame.image, segmentation, settings=self._settings, names=self._facts.names)
        if self._piece is None:
            self._piece = _Piece(pad_to_even(drawn).shape[:2], self._fps, self._settings.crf)
        self._piece.encode(pad_to_even(drawn), self._tick(frame))

    def checkpoint(self) -> dict[str, Any]:
        """End the current piece."""
        if self._piece is not None:
            self._blocks.append(self._piece.finish())
            self._piece = None
        size = None if self._size is None else list(self._size)
        return {"blocks": self._blocks.count, "size": size, **self._clock()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the pieces counted in ``state``."""
        self._blocks.count = state["blocks"]
        self._last_tick, self._shift = state["last_tick"], state["shift"]
        self._usual_step = state["usual_step"]
        self._size = None if state["size"] is None else (state["size"][0], state["size"][1])
        self._piece = None

    def close(self) -> None:
        """Join the pieces. A video of no frames leaves no file."""
        if self._piece is not None:
            self.checkpoint()
        if self._blocks.count == 0:
            return
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            _join(self._blocks, file, round(TICKS / self._fps))

    def _clock(self) -> dict[str, int | None]:
        return {"last_tick": self._last_tick, "shift": self._shift, "usual_step": self._usual_step}

    @property
    def _fps(self) -> float:
        return self._facts.fps or DEFAULT_FPS

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
                self._usual_step = step
        self._last_tick = tick
        return tick


def pad_to_even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``image`` with its last row and column repeated where the size is odd: no pixel moves."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


class _Piece:
    """A run of frames encoded by one encoder, kept in memory (compressed) until it is whole."""

    def __init__(self, size: tuple[int, int], fps: float, crf: int) -> None:
        self._buffer = io.BytesIO()
        # NUT keeps absolute timestamps on any time base, which MP4 and Matroska do not.
        self._container = av.open(self._buffer, "w", format="nut")
        rate = Fraction(fps).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate, options={**_ENCODER, "crf": str(crf)})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = stream.time_base = Fraction(1, TICKS)
        context.color_range = av.video.reformatter.ColorRange.MPEG
        context.colorspace = context.color_primaries = context.color_trc = BT709
        self._stream = stream
        self._first_tick: int | None = None

    def encode(self, image: NDArray[np.uint8], tick: int) -> None:
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=BT709)
        picture.pts, picture.time_base = tick, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(picture))

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue()


def _join(pieces: Blocks, file: Any, usual_duration: int) -> None:
    """Copy the packets of all pieces into one MP4, the first at time 0, each lasting until the next."""
    with av.open(file, "w", format="mp4") as out:
        stream = None
        held: av.Packet | None = None
        start = 0
        duration = usual_duration
        for packet, template in _packets(pieces):
            if stream is None:
                stream = out.add_stream_from_template(template)
                start = packet.pts
            packet.pts = packet.dts = packet.pts - start
            packet.stream = stream
            if held is not None:
                duration = packet.pts - held.pts
                held.duration = duration
                out.mux(held)
            held = packet
        assert held is not None
        held.duration = duration
        out.mux(held)


def _packets(pieces: Blocks) -> Iterator[tuple[av.Packet, Any]]:
    """Packets of all pieces in order, with the stream each comes from."""
    for piece in pieces:
        with av.open(io.BytesIO(piece), "r", format="nut") as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                if packet.dts is not None:  # the last, empty one says that the piece has ended
                    yield packet, stream
