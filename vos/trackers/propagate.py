"""The only loop over frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from ..frame import Frame
from ..prompts import Target
from ..results import FrameResult
from .base import Tracker

PromptsAt = Callable[[Frame], Sequence[Target]]
"""The prompts of a frame: none for most frames."""


def propagate(
    frames: Iterable[Frame], tracker: Tracker, prompts: PromptsAt, *, started: bool = False
) -> Iterator[tuple[Frame, FrameResult]]:
    """Yield every frame with its result, in the order of ``frames``.

    Frames before the first one that has prompts are yielded as background.
    ``started`` says that the tracker already holds the state of the frames before (a resumed run).
    """
    for frame in frames:
        given = prompts(frame)
        if started:
            yield frame, tracker.step(frame, given)
        elif given:
            started = True
            yield frame, tracker.start(frame, given)
        else:
            yield frame, FrameResult(frame.index, np.zeros(frame.size, dtype=np.uint8))
