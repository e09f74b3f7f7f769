"""Tiny clips in many formats, each frame of which says its own number.

The picture is eight upright stripes, dark for a 0 and bright for a 1 of the number in binary: no codec can
blur 50 into 200, so a frame that is lost, doubled or out of place is always seen.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

BITS = 8
DARK, BRIGHT = 50, 200
os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 talks on stderr


def numbered_image(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """(height, width, 3) uint8 showing ``number`` < 256."""
    bits = number >> (np.arange(width) * BITS // width) & 1
    row = np.where(bits, BRIGHT, DARK).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def number_of(image: np.ndarray) -> int:
    """The number that an image of :func:`numbered_image` shows."""
    columns = image.mean(axis=(0, 2))
    width = len(columns)
    centres = (np.arange(BITS) * 2 + 1) * width // (2 * BITS)
    return sum(int(columns[centre] > 125) << bit for bit, centre in enumerate(centres))


def write_clip(
    path: Path,
    count: int = 30,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (64, 48),
    pixels: str = "yuv420p",
    rate: int = 25,
    pts: Sequence[int] | None = None,
    gop: int = 12,
    b_frames: int = 0,
    first: int = 0,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    setup: Any = None,
) -> Path:
    """Write frames ``first``, ``first + 1``, ... shown at ``pts`` (in frame durations).

    ``setup`` gets the stream before the first frame.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        if setup is not None:
            setup(stream)
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(numbered_image(first + i, *size), "rgb24").reformat(
                format=pixels
            )
            frame.pts = i if pts is None else pts[i]
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def x264(**parameters: Any) -> dict[str, str]:
    """Options for libx264, with names as x264 has them and _ for -."""
    return {
        "x264-params": ":".join(f"{name.replace('_', '-')}={value}" for name, value in parameters.items())
    }


STEADY_B = x264(keyint=12, min_keyint=12, scenecut=0, bframes=3, b_adapt=0)
GAPS = [i + 3 * (i > 4) + 17 * (i > 9) + 2 * (i > 20) for i in range(30)]

CLIPS: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {"options": STEADY_B, "b_frames": 3},
    "one_keyframe.mkv": {"gop": 300},
    "open_gop.mp4": {"options": {"x264-params": STEADY_B["x264-params"] + ":open-gop=1"}, "b_frames": 3},
    "intra_refresh.mp4": {"options": x264(keyint=12, scenecut=0, intra_refresh=1)},
    "variable_rate.mkv": {"pts": GAPS},
    "variable_rate.mp4": {"pts": GAPS, "options": STEADY_B, "b_frames": 3},
    "late_start.mp4": {"pts": range(50, 80)},
    "hidden_start.mp4": {"pts": range(-5, 25)},
    "transport.ts": {"options": STEADY_B, "b_frames": 3},
    "raw.h264": {"options": STEADY_B, "b_frames": 3},
    "h264.avi": {"options": STEADY_B, "b_frames": 3},
    "mpeg4.avi": {"codec": "mpeg4", "b_frames": 2},
    "mpeg4.mp4": {"codec": "mpeg4", "b_frames": 2},
    "mpeg2.mpg": {"codec": "mpeg2video", "b_frames": 2},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "hevc_10_bit.mp4": {
        "codec": "libx265",
        "pixels": "yuv420p10le",
        "options": {"x265-params": "log-level=none"},
    },
    "vp8.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}},
    "vp9_odd.webm": {"codec": "libvpx-vp9", "size": (63, 47)},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12"}},
    "prores.mov": {"codec": "prores", "pixels": "yuv422p10le"},
    "grey.mkv": {"codec": "ffv1", "pixels": "gray"},
    "alpha.mkv": {"codec": "ffv1", "pixels": "bgra", "gop": 5},
    "animation.gif": {"codec": "gif", "pixels": "rgb8"},
}
"""Name -> how :func:`write_clip` makes it."""

SHOWN: dict[str, range] = {"hidden_start.mp4": range(5, 30)}
"""The numbers that are seen, where they are not 0 to 29."""


def make_clip(name: str, folder: Path) -> Path:
    """The clip of :data:`CLIPS`, written once to ``folder``."""
    path = folder / name
    if not path.exists():
        recipe = CLIPS[name]
        encoder = recipe.get("codec", "libx264")
        try:
            av.Codec(encoder, "w")
        except av.codec.codec.UnknownCodecError:
            import pytest

            pytest.skip(f"this FFmpeg has no encoder {encoder}")
        write_clip(path, **recipe)
    return path


def rewrite(source: Path, target: Path, change: Any) -> Path:
    """Copy the packets of ``source``; ``change(number, packet)`` gives the packet to write, or None."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        number = 0
        for packet in reading.demux(reading.streams.video[0]):
            if packet.size:
                packet = change(number, packet)
                number += 1
                if packet is not None:
                    packet.stream = stream
                    writing.mux(packet)
    return target
