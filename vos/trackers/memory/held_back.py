"""Results that come some frames late, when it is clearer which hypothesis is right (SAM2Long)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...frame import Frame
from ...prompts import Target
from ...results import FrameResult
from ..base import TrackerInfo
from .network import MemoryNetwork
from .session import Prediction
from .tracker import MemorySettings, MemoryTracker, TrackerState


@dataclass(frozen=True, eq=False)
class _Held:
    """A frame whose result is not final."""

    state: TrackerState
    """After it."""
    frame: Frame
    answers: dict[int, Prediction]
    prompts: Sequence[Target]
    known: tuple[int, ...]


class HeldBackTracker(MemoryTracker):
    """A :class:`MemoryTracker` whose results are final ``hold_back`` frames later.

    ``step`` gives what is best at that frame; :meth:`settle` gives what the hypothesis that is the best by
    then said of an earlier frame. What is saved is the state after the last frame that was settled, so that a
    resumed run takes the frames after it again.
    """

    def __init__(self, network: MemoryNetwork, settings: MemorySettings) -> None:
        super().__init__(network, settings)
        self._held: dict[int, _Held] = {}
        self._settled: TrackerState | None = None
        self._last: tuple[Frame, dict[int, Prediction], Sequence[Target], tuple[int, ...]] | None = None

    @property
    def info(self) -> TrackerInfo:
        """See :class:`~vos.trackers.base.Tracker`."""
        return dataclasses.replace(super().info, delay=self.settings.hold_back)

    def start(self, frame: Frame, prompts: Sequence[Target]) -> FrameResult:
        """See :class:`~vos.trackers.base.Tracker`."""
        self._held, self._settled = {}, None
        result = super().start(frame, prompts)
        self._hold(frame)
        return result

    def start_from(self, references: Sequence[tuple[Frame, Sequence[Target]]]) -> FrameResult:
        """See :class:`~vos.trackers.intervals.StartsFromSeveral`."""
        result = super().start_from(references)
        self._hold(references[-1][0])
        return result

    def step(self, frame: Frame, prompts: Sequence[Target] = (), *, commit: bool = True) -> FrameResult:
        """See :class:`~vos.trackers.base.Tracker`."""
        result = super().step(frame, prompts, commit=commit)
        if commit:
            self._hold(frame)
        return result

    def settle(self, frame_index: int) -> FrameResult | None:
        """See :class:`~vos.trackers.base.TrackerInfo`."""
        held = self._held.pop(frame_index, None)
        if held is None:
            return None
        self._settled = held.state
        tracks = {} if self._state is None else self._state.session.tracks
        answers = dict(held.answers)
        for object_id, answer in held.answers.items():
            track = tracks.get(object_id)
            said = None if track is None else dict(track.bank.history).get(held.state.t)
            if said is not None and not answer.conditioning:
                answers[object_id] = dataclasses.replace(answer, entry=said)
        return self._result(held.frame, answers, held.prompts, held.known)

    def load(self, state: dict[str, Any]) -> None:
        """See :class:`~vos.trackers.base.Tracker`."""
        super().load(state)
        self._held, self._settled = {}, self._state

    def _to_save(self) -> TrackerState | None:
        return self._settled

    def _hold(self, frame: Frame) -> None:
        assert self._state is not None
        assert self._last is not None
        self._held[frame.index] = _Held(self._state, *self._last)
        for index in list(self._held)[: -self.settings.hold_back - 1]:
            del self._held[index]

    def _result(
        self, frame: Frame, answers: dict[int, Prediction], prompts: Sequence[Target], known: tuple[int, ...]
    ) -> FrameResult:
        self._last = frame, answers, prompts, known
        return super()._result(frame, answers, prompts, known)
