"""The prompts of each frame, and which frames have to be tracked backward for them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import PromptError
from ..frame import Frame
from ..prompts import Target, check_targets_given
from ..results import FrameResult
from .checks import refuse_only_negative
from .merge import merge_targets

if TYPE_CHECKING:
    from ..video import Video


class PromptSchedule:
    """The prompts of a run, as it asks for them frame by frame.

    What is here is right for a source that knows everything from the start; see :class:`UserPrompts` and
    :class:`vos.prompting.class_schedule.ClassPrompts`.
    """

    names: Mapping[int, str]
    """Names of the objects that have one, by id; may grow during the run."""
    first_given: dict[int, int]
    """Id -> index of the first frame of its prompts, for objects to be tracked backward from there."""

    def last_start(self) -> int:
        """The latest frame to track an object backward from; -1 where there is none."""
        return max(self.first_given.values(), default=-1)

    def check(self, wanted: range) -> None:
        """Refuse what does not go with the frames that are read, ``wanted``; see :class:`UserPrompts`."""

    def prepare(self, video: Video, wanted: range, searched: Callable[[int, int | None], None]) -> None:
        """Find out what has to be known before the first frame is done; not called when a run resumes.

        ``searched`` gets how many frames were searched so far, and of how many.
        """

    def needs_known(self, frame: Frame) -> bool:
        """Whether :meth:`forward` has to see what tracking alone makes of this frame."""
        return False

    def forward(self, frame: Frame, known: FrameResult | None = None) -> Sequence[Target]:
        """The prompts of this frame; none for most frames.

        ``known`` is what tracking alone makes of the frame, where it was asked for.
        """
        raise NotImplementedError

    def backward(self, frame: Frame) -> Sequence[Target]:
        """The prompts of this frame for objects to be tracked backward from it."""
        return ()

    def observe(self, result: FrameResult) -> None:
        """Take note of the result of a frame, in the forward pass."""

    def warnings(self, last_index: int) -> list[str]:
        """What the user should know at the end of a run up to frame ``last_index``."""
        return []

    def facts(self) -> dict[str, Any]:
        """Fields for ``run.json``."""
        return {}

    def get_state(self) -> Any:
        """All that later answers depend on, besides the user's prompts."""
        return None

    def set_state(self, state: Any) -> None:
        """Continue where ``get_state`` was called."""


class UserPrompts(PromptSchedule):
    """Targets that the user gave, by frame.

    An object is tracked forward from the first frame it is prompted in; frames before that one are covered
    by a backward pass. Prompts for the same object at later frames are corrections.

    Args:
        targets: at least one.
        backward: cover the frames before an object's first prompt, too.

    Raises:
        PromptError: without targets, or where all that is said of a new object is where it is
            not; for anything else than targets.
    """

    def __init__(self, targets: Sequence[Target], *, backward: bool = True) -> None:
        self._targets = tuple(check_targets_given(targets))
        refuse_only_negative(merge_targets(self._targets))
        self._backward = backward
        self.first_given = {}
        for target in sorted(self._targets, key=lambda target: target.frame_index):
            self.first_given.setdefault(target.object_id, target.frame_index)
        self.names = {target.object_id: target.name for target in self._targets if target.name}

    def last_start(self) -> int:
        """See :class:`PromptSchedule`."""
        return super().last_start() if self._backward else -1

    @property
    def frame_indices(self) -> tuple[int, ...]:
        """Indices of all frames that have prompts, ascending."""
        return tuple(sorted({target.frame_index for target in self._targets}))

    def check(self, wanted: range) -> None:
        """Refuse prompts for frames that are not read.

        Args:
            wanted: indices of the frames that will be read, as far as it is known how many there are.

        Raises:
            PromptError: naming the frames that are read.
        """
        for index in self.frame_indices:
            if index in wanted:
                continue
            step = f", every {wanted.step}" if wanted.step > 1 else ""
            last = f"to {wanted[-1]}" if wanted.stop < sys.maxsize else "on"
            nearest = wanted[min(max(round((index - wanted.start) / wanted.step), 0), len(wanted) - 1)]
            raise PromptError(
                f"a prompt is for frame {index}, but the frames read are {wanted.start} {last}{step}: "
                f"give it for one of these, such as {nearest}, or read other frames"
            )

    def forward(self, frame: Frame, known: FrameResult | None = None) -> Sequence[Target]:
        """The user's prompts for this frame."""
        return [target for target in self._targets if target.frame_index == frame.index]

    def backward(self, frame: Frame) -> Sequence[Target]:
        """The objects that are prompted for the first time in this frame."""
        return [t for t in self.forward(frame) if self.first_given[t.object_id] == frame.index]

    def warnings(self, last_index: int) -> list[str]:
        """Prompts that were never reached."""
        return [
            f"a prompt is for frame {index}, after the last frame {last_index}: it was not used"
            for index in self.frame_indices
            if index > last_index
        ]
