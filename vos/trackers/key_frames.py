"""Key frames: a strong tracker on some frames of a video, and another one that fills the frames between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..frame import Frame
from ..results import FrameResult, Source
from .base import Tracker
from .flow_filling import fill_gap
from .propagate import PromptsAt


class KeyFrames:
    """Tracks key frames, and fills the frames between along optical flow from both sides.

    Key frames are every n-th frame, frames with prompts, and the last one. The frames between two of
    them are in memory at a time; see :func:`vos.trackers.flow_filling.fill_gap`.

    Args:
        tracker: of the key frames, which to it are consecutive.
        every: from one key frame to the next, where no prompt comes before.
    """

    def __init__(self, tracker: Tracker, every: int) -> None:
        self.tracker, self.every = tracker, every
        self.at_key = True
        """Whether the frame yielded last is a key frame: only there :meth:`save` has all there is."""
        self.resumes = False
        """Whether the frames must begin with the last key frame, which was yielded before :meth:`save`."""
        self._key: FrameResult | None = None

    def propagate(
        self, frames: Iterable[Frame], prompts: PromptsAt, *, started: bool = False
    ) -> Iterator[tuple[Frame, FrameResult]]:
        """As :func:`vos.trackers.propagate.propagate`; results come once the next key frame is tracked."""
        frames, between = iter(frames), list[Frame]()
        previous = next(frames, None) if self.resumes else None
        self.resumes = False
        for frame in frames:
            given = prompts(frame)
            if not (started or given):
                yield frame, FrameResult(frame.index, np.zeros(frame.size, np.uint8))
            elif started and not given and len(between) + 1 < self.every:
                between.append(frame)
            else:
                result = self.tracker.step(frame, given) if started else self.tracker.start(frame, given)
                yield from self._interval(previous, between, frame, result)
                started, previous, between = True, frame, []
        if between:
            last = between.pop()
            yield from self._interval(previous, between, last, self.tracker.step(last))

    def _interval(
        self, previous: Frame | None, between: Sequence[Frame], frame: Frame, result: FrameResult
    ) -> Iterator[tuple[Frame, FrameResult]]:
        """The frames between the key frame before and this one, and this one."""
        self.at_key = False
        if between and previous is not None and self._key is not None:
            known = self._key.ids  # objects that join at this frame are not followed back
            for one, filled in zip(
                between, fill_gap([previous, *between, frame], self._key, result), strict=True
            ):
                yield one, _only(filled.result, known)
        self.at_key, self._key = True, result
        yield frame, result

    def reset(self) -> None:
        """Another video, or the same in another direction, comes next."""
        self.at_key, self.resumes, self._key = True, False, None

    def save(self) -> dict[str, Any]:
        """All that later results depend on, besides the state of the tracker."""
        key = self._key
        if key is None:
            return {}
        source = {k: str(source) for k, source in key.source.items()}
        return {
            "frame_index": key.frame_index,
            "labels": key.labels,
            "confidence": dict(key.confidence),
            "source": source,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue where :meth:`save` was called; the frames to come begin with the last key frame."""
        self.reset()
        if state:
            source = {k: Source(name) for k, name in state["source"].items()}
            self._key, self.resumes = FrameResult(**{**state, "source": source}), True


def _only(result: FrameResult, ids: Sequence[int]) -> FrameResult:
    """The result with these objects only."""
    kept = [k for k in result.ids if k in ids]
    labels = np.where(np.isin(result.labels, kept), result.labels, 0).astype(result.labels.dtype)
    return FrameResult(result.frame_index, labels, {k: result.confidence[k] for k in kept})
