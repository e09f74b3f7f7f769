"""The second seam: a tracker, which segments objects through a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..frame import Frame
from ..prompts import Target
from ..results import FrameResult

if TYPE_CHECKING:
    from ..backbones.base import Backbone

MASKS = frozenset({"mask"})
ALL_PROMPTS = frozenset({"mask", "points", "box"})


@dataclass(frozen=True, eq=False)
class TrackerInfo:
    """What others may ask of a tracker."""

    settings: object
    """A dataclass: what a run is recorded with."""
    accepts: frozenset[str] = MASKS
    """Kinds of prompts: of ``mask``, ``points``, ``box``. Others are decoded to masks first, see
    :class:`vos.prompting.decoding.PromptDecodingTracker`."""
    device: str = "cpu"
    """Where its network runs."""
    backbone: Backbone | None = None
    """The promptable model that it works with, for others to use as well."""
    memory: str = "constant: does not grow with the number of frames"
    """What it keeps of past frames, for people."""
    delay: int = 0
    """Results become final this many frames later. Where it is not 0 the tracker has ``settle(frame_index)``,
    to be called once per frame in their order: the final result (None before the first prompt), after which
    ``save`` gives the state after that frame."""


@runtime_checkable
class Tracker(Protocol):
    """Tracks objects from frame to frame; knows nothing of files.

    A tracker holds the state of one video at a time. Frames come in order, forward or backward in time.
    """

    @property
    def info(self) -> TrackerInfo:
        """Settings, prompts that it accepts, device, memory bound."""
        ...

    def start(self, frame: Frame, prompts: Sequence[Target]) -> FrameResult:
        """Forget all that went before, and start a video at ``frame`` with the objects prompted there.

        Raises:
            InputError: if a mask has another size than the frame.
        """
        ...

    def step(self, frame: Frame, prompts: Sequence[Target] = (), *, commit: bool = True) -> FrameResult:
        """Segment the next frame.

        Args:
            frame: the frame after the last committed one.
            prompts: what is known of this frame. A known object is corrected, and the correction is
                remembered like a first frame; an unknown one joins. Others are tracked as usual.
            commit: False shows what the tracker would say, and leaves its state as it was.

        Returns:
            The frame's result, with every object known so far.

        Raises:
            InputError: before ``start``, or if frame or masks have another size than the first frame.
        """
        ...

    def remove(self, object_id: int) -> None:
        """Stop tracking an object; the others keep their ids. Unknown ids are ignored."""
        ...

    def save(self) -> dict[str, Any]:
        """All that later steps depend on: nested dicts and lists of arrays, numbers, strings and None."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Continue exactly where :meth:`save` was called."""
        ...
