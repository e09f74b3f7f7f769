"""What is in a video: facts for people and programs, and a list of what is unusual."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Literal

from ..errors import MediaError
from .fetch import Fetched, is_address
from .source import find_source

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


def probe(source: str | os.PathLike[str], *, count: bool = False, allow_url: bool = False) -> Probe:
    """Look at a video file, folder of images, or glob.

    Goes through a file once without decoding it; with ``count``, decodes all of it, or reads all images.

    Args:
        source: as in :func:`vos.open_video`.
        count: count the frames by decoding them.
        allow_url: whether an address may be opened, see :func:`vos.open_video`.

    Raises:
        MediaError: if there is no video, or its first frame cannot be read.
    """
    if is_address(os.fspath(source)):
        fetched = Fetched(os.fspath(source), allowed=allow_url)
        try:
            return replace(probe(fetched.path, count=count), source=fetched.name)
        except MediaError as error:
            raise MediaError(str(error).replace(str(fetched.path), fetched.name)) from error
        finally:
            fetched.close()
    found = find_source(source)
    if found.is_images:
        from .image_facts import probe_images

        return probe_images(found.text, found.paths, check=count)
    from .file_facts import probe_file

    return probe_file(found.text, found.paths[0], count=count)
