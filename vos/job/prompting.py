"""What the user says of each frame, and which frames have to be tracked backwards for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import PromptError
from ..frame import Frame
from ..masks import Segmentation
from ..prompt import Target
from ..targets import first_segmentation, needs_segmenter

if TYPE_CHECKING:
    from ..segmenters.base import Segmenter
    from ..video import Video


class PromptSource:
    """Who is to be followed, as a run asks for it frame by frame.

    What is here is right for a source that knows everything from the start; see :class:`Prompting` and
    :class:`vos.job.naming.ClassPrompting`.
    """

    names: Mapping[int, str]
    """Names of the objects that have one, by id; may grow while the run goes on."""
    first_given: dict[int, int]
    """Id -> index of the first frame an object is given in, for those to be followed backwards from there."""

    def last_start(self) -> int:
        """The latest frame to follow somebody backwards from; -1 where there is none."""
        return max(self.first_given.values(), default=-1)

    def check(self, wanted: range) -> None:
        """Refuse what does not go with the frames that are read, ``wanted``; see :class:`Prompting`."""

    def prepare(self, video: Video, wanted: range, looked: Callable[[int, int | None], None]) -> None:
        """Find out what has to be known before the first frame is done; not asked of a run that goes on.

        ``looked`` is told how many frames were gone through so far, and of how many.
        """

    def needs_known(self, frame: Frame) -> bool:
        """Whether :meth:`forwards` has to see what tracking alone makes of this frame."""
        return False

    def forwards(self, frame: Frame, known: Segmentation | None = None) -> Segmentation | None:
        """Everything said of this frame, as masks; None where nothing is said.

        ``known`` is what tracking alone makes of the frame, where it was asked for.
        """
        raise NotImplementedError

    def backwards(self, frame: Frame) -> Segmentation | None:
        """What is said of this frame for those to be followed backwards; None where nothing is."""
        return None

    def saw(self, segmentation: Segmentation) -> None:
        """Take note of the result of a frame, in the forward pass."""

    def warnings(self, last_index: int) -> list[str]:
        """What the user should know at the end of a run up to frame ``last_index``."""
        return []

    def facts(self) -> dict[str, Any]:
        """Fields for ``run.json``."""
        return {}

    def get_state(self) -> Any:
        """All that later answers depend on, besides what the user said."""
        return None

    def set_state(self, state: Any) -> None:
        """Go on where ``get_state`` was taken."""


class Prompting(PromptSource):
    """Targets the user gave, by frame.

    An object is followed forwards from the first frame it is given in; frames before that one are covered
    by a pass backwards in time. Prompts for the same object at later frames are corrections.

    Args:
        targets: at least one.
        segmenter: makes the model that turns points and boxes into masks; called when one is needed.

    Raises:
        PromptError: without targets.
    """

    def __init__(self, targets: Sequence[Target], segmenter: Callable[[], Segmenter]) -> None:
        if not targets:
            raise PromptError("nobody to follow: give a mask, a point, a box or a prompt file")
        self._targets = tuple(targets)
        self._make_segmenter = segmenter
        self._segmenter: Segmenter | None = None
        self.first_given = {}
        for target in sorted(targets, key=lambda target: target.frame_index):
            self.first_given.setdefault(target.object_id, target.frame_index)
        self.names = {target.object_id: target.name for target in self._targets if target.name}

    @property
    def frame_indices(self) -> tuple[int, ...]:
        """Indices of all frames that something is said of, ascending."""
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

    def needs_known(self, frame: Frame) -> bool:
        """Whether points in this frame correct an object that is followed already: seen against what
        tracking alone gives."""
        return any(
            target.prompt.points is not None and self.first_given[target.object_id] < frame.index
            for target in self._at(frame)
        )

    def forwards(self, frame: Frame, known: Segmentation | None = None) -> Segmentation | None:
        """Everything said of this frame, as masks; None where nothing is said.

        ``known`` is what tracking alone makes of the frame: points correct that.
        """
        return self._told(frame, self._at(frame), known)

    def backwards(self, frame: Frame) -> Segmentation | None:
        """The objects given in this frame for the first time; None where there are none."""
        return self._told(frame, [t for t in self._at(frame) if self.first_given[t.object_id] == frame.index])

    def warnings(self, last_index: int) -> list[str]:
        """Prompts that were never reached."""
        return [
            f"a prompt is for frame {index}, after the last frame {last_index}: it was not used"
            for index in self.frame_indices
            if index > last_index
        ]

    def _at(self, frame: Frame) -> list[Target]:
        return [target for target in self._targets if target.frame_index == frame.index]

    def _told(
        self, frame: Frame, targets: Sequence[Target], known: Segmentation | None = None
    ) -> Segmentation | None:
        if not targets:
            return None
        if self._segmenter is None and any(map(needs_segmenter, targets)):
            self._segmenter = self._make_segmenter()
        return first_segmentation(frame, targets, self._segmenter, known)
