"""The only loop over frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..frame import Frame
from ..masks import Segmentation
from .base import Tracker

Given = Callable[[Frame], Segmentation | None]
"""What the user says of a frame: None for most frames."""


def propagate(
    frames: Iterable[Frame], tracker: Tracker, given: Given, *, begun: bool = False
) -> Iterator[tuple[Frame, Segmentation]]:
    """Yield every frame with its segmentation, in the order of ``frames``.

    Frames before the first one that ``given`` knows something of are yielded as background.
    ``begun`` says that the tracker already holds the state of the frames before (a resumed run).
    """
    for frame in frames:
        told = given(frame)
        if begun:
            yield frame, tracker.step(frame, told)
        elif told is not None:
            begun = True
            yield frame, tracker.begin(frame, told)
        else:
            yield frame, _background(frame)


def _background(frame: Frame) -> Segmentation:
    return Segmentation(frame.index, np.zeros(frame.size, dtype=np.uint8), {})
