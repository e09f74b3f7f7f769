"""The only loop over frames."""

from __future__ import annotations

from collections import deque
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

    Args:
        frames: of one size, in order of time, forward or backward. Those before the first one that has
            prompts are yielded as background.
        tracker: where its results become final later (``info.delay``), frames are held until then.
        prompts: the prompts of a frame; none for most frames.
        started: the tracker already holds the state of the frames before (a resumed run).

    Raises:
        InputError: as of ``tracker``.
    """
    held: deque[tuple[Frame, FrameResult]] = deque()
    delay = tracker.info.delay
    for frame in frames:
        given = prompts(frame)
        if started:
            result = tracker.step(frame, given)
        elif given:
            started = True
            result = tracker.start(frame, given)
        else:
            result = FrameResult(frame.index, np.zeros(frame.size, dtype=np.uint8))
        held.append((frame, result))
        if len(held) > delay:
            yield _settled(tracker, delay, *held.popleft())
    while held:
        yield _settled(tracker, delay, *held.popleft())


def _settled(tracker: Tracker, delay: int, frame: Frame, result: FrameResult) -> tuple[Frame, FrameResult]:
    """The frame with its final result."""
    if not delay:
        return frame, result
    settle: Callable[[int], FrameResult | None] = tracker.settle  # type: ignore[attr-defined]
    return frame, settle(frame.index) or result
