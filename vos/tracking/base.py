"""The second seam: a video engine."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from ..frame import Frame
from ..masks import Segmentation


@runtime_checkable
class Tracker(Protocol):
    """Follows objects from frame to frame; knows nothing of files.

    A tracker holds the state of one video at a time: ``begin`` forgets all that went before.
    """

    def begin(self, frame: Frame, given: Segmentation) -> Segmentation:
        """Start a video at ``frame`` with the masks of its objects.

        Returns ``given``'s labels, every object with score 1.
        """
        ...

    def step(self, frame: Frame, given: Segmentation | None = None) -> Segmentation:
        """Segment the next frame; frames come in order, forwards or backwards in time.

        ``given`` holds what the user says of this very frame: the objects in ``given.ids`` get exactly
        these masks here, known ones are corrected (and the correction is remembered like a first frame),
        unknown ones are new. Objects not in ``given.ids`` are tracked as usual.
        The result has a score for every object known so far.
        """
        ...

    def get_state(self) -> dict[str, Any]:
        """All that later steps depend on: nested dicts and lists of arrays, numbers, strings and None."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on exactly where ``get_state`` was taken."""
        ...
