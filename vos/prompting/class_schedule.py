"""Prompts from class names: where objects first appear, and which tracks to continue from there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PromptError
from ..frame import Frame
from ..prompts import Prompt, Target
from ..results import MAX_OBJECTS, FrameResult, Source, object_ids
from .association import associate, centre
from .class_names import ClassInstance, ClassNames, ClassSettings, class_instances, label_instances
from .schedule import PromptSchedule

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..detectors.base import Detector
    from ..video import Video

logger = logging.getLogger(__name__)


HINT = (
    "check the names, look at more frames (--search-every, --search-frames, --start), accept weaker "
    "detections (--min-score), or show the object with --box or --point"
)
"""What to try where nothing of a name was found."""


class ClassPrompts(PromptSchedule):
    """Looks for objects by name, first to begin with, then for those that come later.

    The search goes through the video until some class is found, looking at every ``search_every``-th frame
    and, once there is something, at the frames just before: the run begins where the first object appears.
    A class that is still missing then is looked for at the same pace within the frames to be searched, and
    with ``detect_every`` new objects of all classes are looked for to the end. An object that is followed
    keeps its id and the tracker's mask: finds are matched to tracks, see :mod:`vos.prompting.association`.

    Args:
        queries: the classes.
        settings: see :class:`~vos.prompting.class_names.ClassSettings`.
        detector: knows what the names look like.
        make_backbone: makes the model that turns finds into masks; called once, when there is one.
        hint: what to try where nothing is found.

    Raises:
        PromptError: for exemplars, where the detector takes none.
    """

    def __init__(
        self,
        queries: ClassNames,
        settings: ClassSettings,
        detector: Detector,
        make_backbone: Callable[[], Backbone],
        *,
        hint: str = HINT,
    ) -> None:
        if queries.exemplars and not getattr(detector, "takes_exemplars", False):
            raise PromptError(
                "exemplars are boxes for a detector that takes them; use sam3, or leave them out"
            )
        self.names: dict[int, str] = {}
        self.first_given = {}
        self.hint = hint
        self._queries = queries.names
        self._exemplars = queries.exemplars
        self._exemplar_frame = queries.frame_index
        self._settings = settings
        self._detector = detector
        self._make_backbone = make_backbone
        self._backbone: Backbone | None = None
        self._wanted = range(0)
        self._first: list[Target] = []
        """The prompts that the run begins with."""
        self._found: dict[str, dict[str, Any]] = {}
        """Id -> where the object was found."""
        self._returned: list[dict[str, Any]] = []
        self._last_place: dict[int, tuple[float, float]] = {}
        self._warnings: list[str] = []

    def check(self, wanted: range) -> None:
        """Remember which frames are read.

        Raises:
            PromptError: if the frame of the exemplars is not among them.
        """
        self._wanted = wanted
        if self._exemplars and self._exemplar_frame is None:
            self._exemplar_frame = wanted.start
        if self._exemplar_frame is not None and self._exemplar_frame not in wanted:
            raise PromptError(f"the exemplars are of frame {self._exemplar_frame}, which is not read")

    def prepare(self, video: Video, wanted: range, searched: Callable[[int, int | None], None]) -> None:
        """Search for the first frame that shows some object of the classes.

        Raises:
            PromptError: if there is none in the frames to be searched, or a name cannot be known.
        """
        every, most = self._settings.search_every, self._settings.search_frames
        if self._exemplar_frame is not None:
            wanted = range(self._exemplar_frame, self._exemplar_frame + 1)
        stop = min(wanted.stop, wanted.start + most * wanted.step)
        total = video.estimate_frames()
        missed, seen = wanted.start - wanted.step, wanted.start
        for number, frame in enumerate(video.frames(wanted.start, stop)):
            seen = frame.index
            if number % every:
                continue
            instances = self._look(frame)
            searched(number + 1, most if total is None else min(total, most))
            if instances:
                for earlier in video.frames(missed + wanted.step, frame.index):
                    before = self._look(earlier)
                    if before:
                        frame, instances = earlier, before
                        break
                self._begin(frame, instances)
                return
            missed = frame.index
        raise PromptError(
            f"found no {_any_of(self._queries)} in frames {wanted.start} to {seen}, looking at "
            f"{_every(every * wanted.step)}; {self.hint}"
        )

    def needs_known(self, frame: Frame) -> bool:
        """Whether this is a frame to look for more objects in."""
        if not self._first or frame.index <= self._first[0].frame_index:
            return False
        return self._is_detection(frame) or bool(self._to_search(frame))

    def forward(self, frame: Frame, known: FrameResult | None = None) -> Sequence[Target]:
        """The objects that begin, or come back, in this frame, as masks."""
        if self._first and frame.index == self._first[0].frame_index:
            return self._first
        if known is None or not self.needs_known(frame):
            return ()
        instances = self._look(frame)
        if not self._is_detection(frame):
            instances = [entry for entry in instances if entry.name in self._to_search(frame)]
        return self._prompts(frame, instances, known)

    def observe(self, result: FrameResult) -> None:
        """Remember where every object is seen."""
        if self._settings.detect_every is not None and self._settings.reidentify:
            for object_id in object_ids(result.labels):
                self._last_place[object_id] = centre(result.mask(object_id))

    def warnings(self, last_index: int) -> list[str]:
        """Classes of which nothing was found, and objects beyond what a label map holds."""
        missing = self._missing()
        return [*self._warnings, *([f"found no {_any_of(missing)}"] if missing else [])]

    def facts(self) -> dict[str, Any]:
        """Where every object was found, and where a lost one came back."""
        return {"found": self._found, "returned": self._returned}

    def get_state(self) -> dict[str, Any]:
        """The beginning, and the objects so far."""
        return {
            "first": [[t.frame_index, t.object_id, t.prompt.mask, t.confidence] for t in self._first],
            "names": dict(self.names),
            "found": self._found,
            "returned": self._returned,
            "last_place": {k: list(place) for k, place in self._last_place.items()},
            "warnings": list(self._warnings),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue where ``get_state`` was called, without searching again."""
        self._first = [_detected(*entry) for entry in state["first"]]
        self.names.clear()
        self.names.update(state["names"])
        self._found, self._returned = state["found"], state["returned"]
        self._last_place = {k: (x, y) for k, (x, y) in state["last_place"].items()}
        self._warnings = state["warnings"]

    def _look(self, frame: Frame) -> list[ClassInstance]:
        if self._backbone is None:
            self._backbone = self._make_backbone()
        shown = self._exemplars if frame.index == self._exemplar_frame else ()
        return class_instances(frame, self._queries, self._detector, self._backbone, self._settings, shown)

    def _begin(self, frame: Frame, instances: Sequence[ClassInstance]) -> None:
        nothing = FrameResult(frame.index, np.zeros(frame.size, dtype=np.uint8))
        self._first = self._prompts(frame, instances, nothing)
        for object_id, name in self.names.items():
            logger.info("object %d is a %s, found in frame %d", object_id, name, frame.index)

    def _prompts(self, frame: Frame, instances: Sequence[ClassInstance], known: FrameResult) -> list[Target]:
        """Returned and new objects as masks, with ids; tracks keep the pixels they have."""
        if not instances:
            return []
        result = associate(
            instances, known, self.names, self._last_place, reidentify=self._settings.reidentify
        )
        rows = [*result.returned, *self._accepted(result.new, instances, known)]
        free = (id_ for id_ in range(1, MAX_OBJECTS + 1) if id_ not in self.names)
        given = [(row, result.returned.get(row) or next(free, 0)) for row in rows]
        if any(object_id == 0 for _, object_id in given):
            self._warnings = [f"more than {MAX_OBJECTS} objects were found; the others are not tracked"]
            given = [(row, object_id) for row, object_id in given if object_id]
        if not given:
            return []
        labels = label_instances([instances[row] for row, _ in given], [object_id for _, object_id in given])
        labels[known.labels > 0] = 0
        targets = []
        for row, object_id in given:
            mask = labels == object_id
            if mask.any():
                self._note(frame, object_id, instances[row], is_new=object_id not in self.names)
                targets.append(_detected(frame.index, object_id, mask, instances[row].score))
        return sorted(targets, key=lambda target: target.object_id)

    def _accepted(
        self, rows: Sequence[int], instances: Sequence[ClassInstance], known: FrameResult
    ) -> list[int]:
        """Of new objects, those to track: confident ones, and only so many visible ones of each class."""
        rows = [row for row in rows if self._is_confident(instances[row])]
        most = self._settings.instances
        if most is None:
            return rows
        visible = [self.names[object_id] for object_id in object_ids(known.labels)]
        accepted = []
        for row in rows:
            name = instances[row].name
            if visible.count(name) < most:
                visible.append(name)
                accepted.append(row)
        return accepted

    def _is_confident(self, instance: ClassInstance) -> bool:
        """Whether a detection has enough of a score to begin a track, given those of its class that did."""
        if instance.point is None:
            return True
        scores = (entry["score"] for entry in self._found.values() if entry["name"] == instance.name)
        return instance.score >= self._settings.new_track * max(scores, default=0.0)

    def _note(self, frame: Frame, object_id: int, instance: ClassInstance, *, is_new: bool) -> None:
        entry = {"frame": frame.index, "score": round(instance.score, 6)}
        if is_new:
            self.names[object_id] = instance.name
            self._found[str(object_id)] = {"name": instance.name, **entry}
        else:
            self._returned.append({"id": object_id, **entry})

    def _position(self, frame: Frame) -> int:
        """How many frames were read before this one."""
        return (frame.index - self._wanted.start) // self._wanted.step

    def _is_detection(self, frame: Frame) -> bool:
        every = self._settings.detect_every
        if every is None or not self._first:
            return False
        begun = (self._first[0].frame_index - self._wanted.start) // self._wanted.step
        return (self._position(frame) - begun) % every == 0

    def _to_search(self, frame: Frame) -> tuple[str, ...]:
        """Classes that were not found yet, if this is a frame to search for them in."""
        position = self._position(frame)
        if position >= self._settings.search_frames or position % self._settings.search_every:
            return ()
        return self._missing()

    def _missing(self) -> tuple[str, ...]:
        return tuple(name for name in self._queries if name not in self.names.values())


def _detected(frame_index: int, object_id: int, mask: NDArray[np.bool_], confidence: float) -> Target:
    prompt = Prompt(mask=mask)
    return Target(object_id, prompt, frame_index, source=Source.DETECTED, confidence=confidence)


def _any_of(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


def _every(number: int) -> str:
    """ "every 5th", "every one"."""
    if number == 1:
        return "every one"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"every {number}{'th' if number % 100 in (11, 12, 13) else ending}"


def reference_hint(*, has_features: bool) -> str:
    """What to try where nothing like a reference was found; other features, unless they were chosen."""
    better = "compare better features (--features dinov2-s --features-weights DIR), "
    return (
        "look at more frames (--search-every, --search-frames, --start), accept less similar ones "
        f"(--min-score), {'' if has_features else better}or show the object with --box or --point"
    )
