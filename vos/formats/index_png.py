"""Index masks: one PNG per frame, its pixel values the object ids: 8 bit with a palette, or 16 bit grey."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import make_folder, write_bytes_atomic
from ..frame import Frame
from ..results import VOID, FrameResult, Labels, davis_palette
from .base import VideoFacts, Writer

COMPRESSION = 1
"""zlib's fastest: masks are so flat that higher levels save little and cost several times as long."""


def encode_index_png(labels: Labels) -> bytes:
    """(H, W) ids as a PNG: 8-bit palette with the DAVIS colours up to id 254, 16-bit grey beyond."""
    if labels.dtype == np.uint16 and labels.max(initial=0) <= VOID:
        labels = labels.astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(labels))
    if labels.dtype == np.uint8:
        image.putpalette(davis_palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=COMPRESSION)
    return buffer.getvalue()


class IndexPngWriter(Writer):
    """A folder of ``<frame name>.png``; every file is final as soon as its frame is written.

    Args:
        path: the folder, made where absent.
        work: not needed.
        facts: not needed.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, work: Path | None = None, facts: VideoFacts | None = None
    ) -> None:
        self.path = make_folder(path)

    def write(self, frame: Frame, segmentation: FrameResult) -> None:
        """Write one mask, or leave what was there."""
        write_bytes_atomic(self.path / f"{frame.name}.png", encode_index_png(segmentation.labels))
