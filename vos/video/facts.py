"""What :func:`vos.video.probe` reports for a video: facts, and a list of what is unusual."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

CountedBy = Literal["decoding", "packets", "estimate", "files"]


@dataclass(frozen=True)
class Probe:
    """What was found. ``None`` means unknown, or that there is no such thing here."""

    source: str
    kind: Literal["file", "images"]
    width: int
    """Of the frames as they are read: after rotation."""
    height: int
    stored_width: int
    """Before rotation."""
    stored_height: int
    rotation: int
    """Clockwise turn for display in degrees: 0, 90, 180, 270."""
    mirrored: bool
    """Left and right are swapped for display, before the turn."""
    num_frames: int
    counted_by: CountedBy
    """``decoding`` and ``files``: counted; ``packets``: counted, in a file whose packets are its frames;
    ``estimate``: the number of packets of a file where that need not be the number of frames."""
    fps: float | None
    """Average frames per second."""
    nominal_fps: float | None
    """The rate the file declares."""
    variable_rate: bool | None
    """Whether frames last differently long."""
    duration: float | None
    """Seconds."""
    start_time: float | None
    """Presentation time of the first frame, seconds."""
    container: str | None
    codec: str
    pixel_format: str
    bit_depth: int
    b_frames: bool | None
    """Whether frames are stored in another order than they are shown."""
    keyframes: int | None
    missing_timestamps: int | None
    """Packets without a presentation time."""
    streams: tuple[str, ...] = ()
    """Everything in the file, such as ``0 video h264``."""
    unusual: tuple[str, ...] = field(default=())
    """Sentences on what may surprise."""
