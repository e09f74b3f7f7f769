"""The objects tinted, outlined and labelled over the frames, as a video."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame
from ..results import FrameResult
from .base import VideoFacts
from .drawing import OverlaySettings, draw_overlay
from .video_writer import X264, Encoding, VideoWriter


class OverlayWriter(VideoWriter):
    """``overlay.mp4``: every frame at its own time, sizes made even by repeating the last column or row.

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
        self._settings = settings or OverlaySettings()
        encoding = Encoding("libx264", "yuv420p", {**X264, "crf": str(self._settings.crf)}, even=True)
        super().__init__(path, encoding, work=work, facts=facts)

    def draw(self, frame: Frame, segmentation: FrameResult) -> NDArray[np.uint8]:
        """The frame with the objects drawn."""
        return draw_overlay(frame.image, segmentation, settings=self._settings, names=self.facts.names)
