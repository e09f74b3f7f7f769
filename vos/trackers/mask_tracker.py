"""What trackers that are prompted with masks have in common."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from ..errors import InputError
from ..frame import Frame
from ..ops.overlap import paint_small_on_top
from ..prompts import Target
from ..results import FrameResult, Labels, Source, label_dtype
from .base import TrackerInfo

S = TypeVar("S")


@dataclass(frozen=True, eq=False)
class MaskPrompts:
    """The masks prompted in one frame."""

    labels: Labels
    """(H, W); where the masks of two prompts overlap the smaller is in front."""
    confidence: dict[int, float]
    source: dict[int, Source]

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the prompted objects, ascending."""
        return tuple(sorted(self.confidence))

    def over(self, labels: Labels) -> Labels:
        """``labels`` where the prompted objects have exactly the masks prompted, and others keep the rest."""
        result: Labels = labels.astype(label_dtype([*self.ids, int(labels.max(initial=0))]))
        result[np.isin(labels, self.ids)] = 0
        claimed = np.isin(self.labels, self.ids)
        result[claimed] = self.labels[claimed]
        return result


def mask_prompts(frame: Frame, prompts: Sequence[Target], known: Iterable[int] = ()) -> MaskPrompts:
    """The masks of targets, at least one; objects in ``known`` are corrected by them.

    Raises:
        InputError: for a mask of another size than the frame.
        ValueError: for a target without a mask, or two of one object.
    """
    masks = []
    for target in prompts:
        if target.prompt.mask is None:
            raise ValueError(f"object {target.object_id}: this tracker takes masks only")
        check_size(frame, target.prompt.mask.shape)
        masks.append(target.prompt.mask)
    ids = [target.object_id for target in prompts]
    if len(set(ids)) < len(ids):
        raise ValueError(f"two prompts for one object: {ids}")
    corrected = set(known)
    source = {
        t.object_id: Source.CORRECTED
        if t.object_id in corrected and t.source != Source.DETECTED
        else t.source
        for t in prompts
    }
    labels = paint_small_on_top(masks, ids) if masks else np.zeros(frame.size, np.uint8)
    return MaskPrompts(labels, {t.object_id: t.confidence for t in prompts}, source)


class MaskTracker(ABC, Generic[S]):
    """A :class:`~vos.trackers.base.Tracker` over an immutable state ``S`` of one video.

    Subclasses say how the state advances by a frame and learns from prompted masks; this class keeps it.
    """

    def __init__(self) -> None:
        self._state: S | None = None
        self._preview: tuple[Frame, S] | None = None
        """The frame and state of a step that was not committed: committing it next costs nothing more."""

    @property
    @abstractmethod
    def info(self) -> TrackerInfo:
        """See :class:`~vos.trackers.base.Tracker`."""

    @abstractmethod
    def _learn(self, state: S | None, frame: Frame, prompts: MaskPrompts) -> S:
        """The state at ``frame`` after the masks of ``prompts``; None: the first frame."""

    @abstractmethod
    def _advance(self, state: S, frame: Frame) -> S:
        """The state one frame later."""

    @abstractmethod
    def _without(self, state: S, object_id: int) -> S:
        """The state without one of its objects, which is not the last."""

    @abstractmethod
    def _known(self, state: S) -> tuple[int, ...]:
        """Ids of all objects, ascending."""

    @abstractmethod
    def _result(self, state: S, frame: Frame) -> FrameResult:
        """The result of the newest frame; confidence and source as for tracked objects."""

    @abstractmethod
    def _to_dict(self, state: S) -> dict[str, Any]:
        """The state as nested dicts and lists of arrays, numbers, strings and None."""

    @abstractmethod
    def _from_dict(self, state: dict[str, Any]) -> S:
        """The state that :meth:`_to_dict` took apart."""

    def start(self, frame: Frame, prompts: Sequence[Target]) -> FrameResult:
        """See :class:`~vos.trackers.base.Tracker`."""
        given = mask_prompts(frame, prompts)
        self._state = self._preview = None
        self._state = self._learn(None, frame, given)
        return prompted_result(self._result(self._state, frame), given)

    def step(self, frame: Frame, prompts: Sequence[Target] = (), *, commit: bool = True) -> FrameResult:
        """See :class:`~vos.trackers.base.Tracker`."""
        if self._state is None:
            raise InputError("step() before start(): the tracker needs a first frame with masks")
        given = mask_prompts(frame, prompts, self._known(self._state)) if prompts else None
        if self._preview is not None and self._preview[0] is frame:
            state = self._preview[1]
        else:
            state = self._advance(self._state, frame)
        self._preview = None if commit else (frame, state)
        if given is not None:
            state = self._learn(state, frame, given)
        if commit:
            self._state = state
        result = self._result(state, frame)
        return result if given is None else prompted_result(result, given)

    def remove(self, object_id: int) -> None:
        """See :class:`~vos.trackers.base.Tracker`."""
        if self._state is None or object_id not in self._known(self._state):
            return
        self._preview = None
        last = self._known(self._state) == (object_id,)
        self._state = None if last else self._without(self._state, object_id)

    def save(self) -> dict[str, Any]:
        """See :class:`~vos.trackers.base.Tracker`; empty before ``start``."""
        return {} if self._state is None else self._to_dict(self._state)

    def load(self, state: dict[str, Any]) -> None:
        """See :class:`~vos.trackers.base.Tracker`."""
        self._preview = None
        self._state = self._from_dict(copy.deepcopy(state)) if state else None


def check_size(frame: Frame, size: tuple[int, ...]) -> None:
    """Refuse masks that do not cover the frame pixel by pixel.

    Raises:
        InputError: naming the frame and both sizes.
    """
    if frame.size != size:
        raise InputError(
            f"frame {frame.name!r} is {frame.size[1]}x{frame.size[0]} pixels, the masks are "
            f"{size[1]}x{size[0]}; all frames and masks of a video must have one size"
        )


def prompted_result(result: FrameResult, given: MaskPrompts) -> FrameResult:
    """The result of a frame with prompts: prompted objects have their own confidence and source."""
    return FrameResult(
        result.frame_index,
        result.labels,
        {**result.confidence, **given.confidence},
        source={**result.source, **given.source},
        probabilities=lambda: _given_rows(result, given),
    )


def _given_rows(result: FrameResult, given: MaskPrompts) -> Any:
    rows = result.probabilities.copy()
    for row, object_id in enumerate(result.ids):
        if object_id in given.confidence:
            rows[row] = result.labels == object_id
    return rows
