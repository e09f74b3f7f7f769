"""Features of a frame that is part of a video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame

if TYPE_CHECKING:
    from .base import Backbone, FrameFeatures


@runtime_checkable
class SeesMotion(Protocol):
    """A backbone that makes use of images near the one to encode in time."""

    def encode_in_video(
        self, image: NDArray[np.uint8], nearby: Callable[[], Sequence[NDArray[np.uint8]]]
    ) -> FrameFeatures:
        """Features of an (H, W, 3) uint8 RGB image; ``nearby`` reads others, see :class:`vos.frame.Frame`."""
        ...


def encode_frame(backbone: Backbone, frame: Frame) -> FrameFeatures:
    """Features of a frame, with what the video tells of its motion where the backbone makes use of that."""
    if frame.nearby is not None and isinstance(backbone, SeesMotion):
        return backbone.encode_in_video(frame.image, frame.nearby)
    return backbone.encode(frame.image)
