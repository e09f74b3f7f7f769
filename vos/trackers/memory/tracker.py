"""SAM 2.1 and its kin behind the tracker seam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError, PromptError, SettingsError
from ...frame import Frame, check_frame
from ...ops.overlap import label_lookup
from ...prompts import Target, check_targets_given, list_of_targets
from ...results import FrameResult, Labels, Source
from ..base import ALL_PROMPTS, TrackerInfo
from ..mask_tracker import MaskPrompts, check_size, mask_prompts
from .network import Features, MemoryNetwork
from .policies import POLICIES
from .policy import presence
from .preprocess import to_image, to_mask, to_points
from .session import Prediction, Session

CUDA_BATCH = 8
"""Objects per batch on a GPU, by default."""


@dataclass(frozen=True)
class MemorySettings:
    """Settings of trackers with a memory of their own."""

    memory: str = "sam2"
    """Memory policy: a name of :data:`vos.trackers.memory.policies.POLICIES`."""
    max_conditioning: int = 4
    """Prompted frames kept and attended per object: the first one, and the nearest."""
    num_memories: int | None = None
    """Memories attended, one of them the prompt's; fewer are faster, but not the published setting.
    None: as in training, 7."""
    clear_around: bool = True
    """A correction drops the memories of tracked frames near it, which hold the error."""
    fill_holes: int = 8
    """Holes of at most this many pixels of the low-res mask (256x256) are filled; 0: none."""
    memory_dtype: str = "bfloat16"
    """Data type of stored memories; published is bfloat16."""
    max_batch: int | None = None
    """Objects per batch. None: 1 on a CPU, where objects are independent to the bit and larger batches save
    nothing; 8 on a GPU."""
    hold_back: int = 0
    """With memory ``long``: results come this many frames late, from the ancestor of the hypothesis that is
    the best by then."""
    model_size: int | None = None
    """Side in pixels that frames are resized to: less is faster, but not the published setting. None:
    as in training, 1024."""
    compile: bool = False
    """Compile image encoder, mask decoder and memory encoder with torch.compile: minutes at the start, then
    faster."""

    def __post_init__(self) -> None:
        if self.memory not in POLICIES:
            raise ValueError(f"memory must be one of {', '.join(POLICIES)}, got {self.memory!r}")
        if self.max_conditioning < 1:
            raise ValueError(f"max_conditioning must be at least 1, got {self.max_conditioning}")
        if self.num_memories is not None and self.num_memories < 2:
            raise ValueError(f"num_memories must be at least 2, got {self.num_memories}")
        if self.hold_back < 0:
            raise ValueError(f"hold_back must not be negative, got {self.hold_back}")
        if self.hold_back and self.memory != "long":
            raise ValueError(
                f"hold_back is for memory long, which follows hypotheses; memory is {self.memory}"
            )
        if self.fill_holes < 0:
            raise ValueError(f"fill_holes must not be negative, got {self.fill_holes}")
        if self.max_batch is not None and self.max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {self.max_batch}")


@dataclass(frozen=True, eq=False)
class TrackerState:
    """Where a video stands. Replaced as a whole, never changed."""

    session: Session
    t: int
    """Counts the frames that the tracker saw: one more forward, one less backward."""
    direction: int
    """1 forward, -1 backward, 0 before the second frame."""
    frame_index: int
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Preview:
    """A step that was not committed: committing it next costs nothing more."""

    frame: Frame
    features: Features
    state: TrackerState
    answers: dict[int, Prediction]


class MemoryTracker:
    """A :class:`~vos.trackers.base.Tracker` over a :class:`MemoryNetwork`.

    The memory is bounded per object, and each direction has its own: when frames begin to come in the other
    direction, tracking starts from the prompted frames alone.
    """

    def __init__(self, network: MemoryNetwork, settings: MemorySettings | None = None) -> None:
        """
        Raises:
            SettingsError: if more memories are asked for than the network has encodings for.
        """
        self.network, self.settings = network, settings or MemorySettings()
        wanted = self.settings.num_memories or network.num_memories
        if wanted > network.num_memories:
            raise SettingsError(f"num_memories must be at most {network.num_memories}, got {wanted}")
        self._policy = POLICIES[self.settings.memory](wanted, network.max_pointers)
        self._num_memories = wanted
        self._state: TrackerState | None = None
        self._preview: _Preview | None = None

    @property
    def info(self) -> TrackerInfo:
        """See :class:`~vos.trackers.base.Tracker`."""
        return TrackerInfo(
            self.settings,
            accepts=ALL_PROMPTS,
            device=str(self.network.device),
            memory=(
                f"constant: per object the memories of {self._num_memories - 1} tracked and of at most "
                f"{self.settings.max_conditioning} prompted frames"
            ),
        )

    def start(self, frame: Frame, prompts: Sequence[Target]) -> FrameResult:
        """See :class:`~vos.trackers.base.Tracker`."""
        check_frame(frame)
        prompts = check_targets_given(prompts)
        self._state = self._preview = None
        state = TrackerState(self._new_session(), 0, 0, frame.index, frame.size)
        features = self.network.encode_image(frame.image)
        answers = self._prompt(state, frame, features, prompts)
        state.session.commit(state.t, features)
        self._state = state
        return self._result(frame, answers, prompts, ())

    def start_from(self, references: Sequence[tuple[Frame, Sequence[Target]]]) -> FrameResult:
        """See :class:`~vos.trackers.intervals.StartsFromSeveral`: frames are as far apart in time as their
        indices are.

        Objects that the last frame does not show are ignored.
        """
        frame, prompts = references[-1]
        result = self.start(frame, prompts)
        state = self._state
        assert state is not None
        known = {target.object_id for target in prompts}
        session = state.session.copy()
        for other, targets in references[:-1]:
            check_size(other, state.size)
            features = self.network.encode_image(other.image)
            there = TrackerState(session, other.index - frame.index, 0, other.index, state.size)
            self._prompt(there, other, features, [t for t in targets if t.object_id in known])
            session.commit(there.t, features)
        self._state = _replace_session(state, session)
        return result

    def step(self, frame: Frame, prompts: Sequence[Target] = (), *, commit: bool = True) -> FrameResult:
        """See :class:`~vos.trackers.base.Tracker`."""
        if self._state is None:
            raise InputError("step() before start(): the tracker needs a first frame with prompts")
        check_frame(frame)
        prompts = list_of_targets(prompts)
        check_size(frame, self._state.size)
        preview = self._preview
        if preview is None or preview.frame is not frame:
            preview = self._advance(self._state, frame)
        known = tuple(preview.answers)
        state = _replace_session(preview.state, preview.state.session.copy())
        answers = preview.answers | self._prompt(state, frame, preview.features, prompts)
        self._preview = None if commit else preview
        if commit:
            state.session.commit(state.t, preview.features)
            self._state = state
        return self._result(frame, answers, prompts, known)

    def remove(self, object_id: int) -> None:
        """See :class:`~vos.trackers.base.Tracker`."""
        if self._state is None or object_id not in self._state.session.tracks:
            return
        self._preview = None
        session = self._state.session.copy()
        session.remove(object_id)
        self._state = _replace_session(self._state, session) if session.tracks else None

    def save(self) -> dict[str, Any]:
        """See :class:`~vos.trackers.base.Tracker`; empty before ``start``."""
        state = self._to_save()
        if state is None:
            return {}
        return {
            "t": state.t,
            "direction": state.direction,
            "frame_index": state.frame_index,
            "size": list(state.size),
            "objects": {k: track.bank.to_dict() for k, track in state.session.tracks.items()},
        }

    def _to_save(self) -> TrackerState | None:
        return self._state

    def load(self, state: dict[str, Any]) -> None:
        """See :class:`~vos.trackers.base.Tracker`."""
        self._preview = None
        if not state:
            self._state = None
            return
        session = self._new_session()
        for object_id, bank in state["objects"].items():
            session.add(object_id).bank.load(bank, self.network.device)
        height, width = state["size"]
        self._state = TrackerState(
            session, state["t"], state["direction"], state["frame_index"], (height, width)
        )

    def _new_session(self) -> Session:
        settings = self.settings
        on_card = self.network.device.type == "cuda"
        return Session(
            self.network,
            self._policy,
            max_conditioning=settings.max_conditioning,
            clear_around=settings.clear_around,
            fill_holes=settings.fill_holes,
            max_batch=settings.max_batch or (CUDA_BATCH if on_card else 1),
            hold_back=settings.hold_back,
        )

    def _advance(self, state: TrackerState, frame: Frame) -> _Preview:
        """Track all objects to the frame, on a copy of the session."""
        ahead = (frame.index > state.frame_index) - (frame.index < state.frame_index)
        direction = ahead or state.direction or 1
        session = state.session.copy()
        if state.direction and direction != state.direction:
            session.turn()
        t = state.t + direction
        features = self.network.encode_image(frame.image)
        answers = session.track(t, features, direction)
        return _Preview(
            frame, features, TrackerState(session, t, direction, frame.index, state.size), answers
        )

    def _prompt(
        self, state: TrackerState, frame: Frame, features: Features, prompts: Sequence[Target]
    ) -> dict[int, Prediction]:
        """Answers of the prompted objects; their prompts wait in the state's session to be committed."""
        ids = [target.object_id for target in prompts]
        if len(set(ids)) < len(ids):
            raise ValueError(f"two prompts for one object: {ids}")
        for target in prompts:
            self._check(target, frame)
        return {t.object_id: self._answer(state, frame, features, t) for t in prompts}

    def _check(self, target: Target, frame: Frame) -> None:
        side = self.network.low_res_size
        if target.prompt.mask is not None:
            check_size(frame, target.prompt.mask.shape)
        if target.prompt.low_res is not None and target.prompt.low_res.shape != (side, side):
            raise PromptError(f"low_res must be ({side}, {side}), got {target.prompt.low_res.shape}")

    def _answer(self, state: TrackerState, frame: Frame, features: Features, target: Target) -> Prediction:
        prompt, side, t = target.prompt, self.network.image_size, state.t
        answer = None
        if prompt.mask is not None:
            mask = to_mask(prompt.mask, side)
            answer = state.session.prompt_mask(t, features, target.object_id, mask)
        if answer is None or prompt.points is not None or prompt.box is not None:
            xy, labels = to_points(prompt, frame.size, side)
            before = None if prompt.low_res is None else torch.from_numpy(np.float32(prompt.low_res))
            answer = state.session.prompt_points(t, features, target.object_id, xy, labels, previous=before)
        return answer

    def _result(
        self, frame: Frame, answers: dict[int, Prediction], prompts: Sequence[Target], known: tuple[int, ...]
    ) -> FrameResult:
        ids = sorted(answers)
        low_res = torch.stack([_low_res(answers[k]) for k in ids]) if ids else torch.zeros(0, 1, 1)
        given = mask_prompts(frame, [p for p in prompts if answers[p.object_id].prompted_mask], known)
        confidence = {k: confidence_of(answers[k]) for k in ids} | given.confidence
        source = dict.fromkeys(ids, Source.TRACKED)
        source |= {p.object_id: _decoded_source(p, known) for p in prompts} | given.source
        labels = _labels(low_res, ids, frame.size)
        return FrameResult(
            frame.index,
            given.over(labels) if given.ids else labels,
            confidence,
            source=source,
            probabilities=lambda: _probabilities(low_res, ids, frame.size, given),
        )


def _replace_session(state: TrackerState, session: Session) -> TrackerState:
    return TrackerState(session, state.t, state.direction, state.frame_index, state.size)


def _low_res(answer: Prediction) -> Tensor:
    assert answer.entry.low_res is not None
    return answer.entry.low_res


def confidence_of(answer: Prediction) -> float:
    """Expected J of a mask: the estimated IoU, times the rescaled probability that the object is there.

    0 where it is absent (SAM 3 calls this the effective IoU).
    """
    return min(1.0, max(0.0, presence(answer.entry.score) * answer.entry.quality))


def _decoded_source(target: Target, known: tuple[int, ...]) -> Source:
    if target.source == Source.DETECTED:
        return Source.DETECTED
    return Source.CORRECTED if target.object_id in known else Source.DECODED


def _labels(low_res: Tensor, ids: Sequence[int], size: tuple[int, int]) -> Labels:
    """(H, W) labels: the highest logit wins, background counts 0; the lower id of equals.

    One object at a time, so that many objects need no more memory than one.
    """
    highest = torch.zeros(size, device=low_res.device)
    rows = torch.zeros(size, dtype=torch.long, device=low_res.device)
    for row, one in enumerate(low_res):
        logits = to_image(one[None], size)[0]
        wins = logits > highest
        highest[wins] = logits[wins]
        rows[wins] = row + 1
    return label_lookup(ids)[rows.cpu().numpy()]


def _probabilities(
    low_res: Tensor, ids: Sequence[int], size: tuple[int, int], given: MaskPrompts
) -> NDArray[np.float32]:
    if not ids:
        return np.zeros((0, *size), np.float32)
    # One by one: the last digit of a sigmoid depends on a pixel's place in the tensor.
    rows = [to_image(one[None], size)[0].sigmoid() for one in low_res]
    found: NDArray[np.float32] = torch.stack(rows).cpu().numpy()
    for row, object_id in enumerate(ids):
        if object_id in given.confidence:
            found[row] = given.labels == object_id
    return found
