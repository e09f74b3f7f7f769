"""Tracking of a live source: every frame that can be kept up with, shown as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..formats.drawing import draw_overlay
from ..frame import Frame
from ..prompts import Target
from ..results import FrameResult
from ..trackers.base import Tracker
from ..video.live import LiveFrames
from .stream import track


@dataclass(frozen=True)
class LiveSummary:
    """How a live run went."""

    frames: int
    """Frames that were tracked."""
    dropped: int
    """Frames of the source that came faster than they could be tracked."""
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rate = self.frames / self.seconds if self.seconds else 0.0
        return {
            "frames": self.frames,
            "dropped": self.dropped,
            "seconds": round(self.seconds, 3),
            "frames_per_second": round(rate, 2),
        }


def track_live(
    source: LiveFrames,
    prompts: Sequence[Target],
    show: Callable[[Frame, FrameResult], object],
    *,
    tracker: str | Tracker = "classical",
    seconds: float | None = None,
    **options: Any,
) -> LiveSummary:
    """Track objects through a live source until it ends, or until ``show`` returns False.

    Args:
        source: see :func:`vos.video.live.open_live`.
        prompts: of the first frame that comes, at least one; their ``frame_index`` is 0.
        show: called with every frame that was tracked, and its result.
        tracker, options: as of :func:`vos.track`.
        seconds: stop after this many; None: never.

    Raises:
        PromptError, ModelError, SettingsError: as of :func:`vos.track`.
        MediaError: the source fails.
    """
    start, count = time.monotonic(), 0
    latest: list[Frame] = []

    def frames() -> Iterator[Frame]:
        for frame in _until(source, start, seconds):
            latest[:] = [frame]
            yield frame

    for result in track(frames(), prompts, tracker=tracker, **options):
        count += 1
        if show(latest[0], result) is False:
            break
    return LiveSummary(count, source.dropped, time.monotonic() - start)


def overlay_of(frame: Frame, result: FrameResult, names: dict[int, str] | None = None) -> Any:
    """(H, W, 3) uint8 RGB: the frame with its masks, in distinguishable colours."""
    return draw_overlay(frame.image, result, names=names or {})


def _until(frames: Iterable[Frame], start: float, seconds: float | None) -> Iterator[Frame]:
    for frame in frames:
        if seconds is not None and time.monotonic() - start > seconds:
            return
        yield frame
