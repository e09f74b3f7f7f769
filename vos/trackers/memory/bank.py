"""What is remembered of one object: plain tensors by frame number.

Frames are numbered by time ``t``, one per frame that the tracker sees.
``direction`` is 1 forward, -1 backward.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

POINTER_REACH = 15
"""Object pointers of this many frames before this one are attended, besides those of conditioning frames."""


@dataclass(frozen=True, eq=False)
class MemoryEntry:
    """One frame of one object."""

    score: float
    """Logit of the object being there."""
    quality: float
    """Estimated IoU of the mask."""
    pointer: Tensor
    """(C,) float32."""
    memory: Tensor | None = None
    """(T, M) in the memory's dtype; None where none was made yet, or it is no longer needed."""
    low_res: Tensor | None = None
    """(h, w) float32 logits; kept of conditioning frames only where the bank is bounded."""
    motion: float | None = None
    """How well the mask fits the motion model, where the policy has one: IoU with the predicted box."""
    visible: bool = True
    """Whether the mask has any pixel."""
    margin: float = 0.0
    """Estimated IoU of the mask minus that of the best other candidate."""
    mean_quality: float = 0.0
    """Mean of the estimated IoU of all candidates."""


@dataclass
class Bank:
    """The memory of one object.

    Args:
        max_conditioning: keep and attend this many conditioning frames; None: all.
        keep_first: the first prompt is always among them.
        bounded: forget what no later frame can attend. Unbounded banks keep everything, as the published
            program does.
    """

    max_conditioning: int | None = 4
    keep_first: bool = True
    bounded: bool = True
    conditioning: dict[int, MemoryEntry] = field(default_factory=dict)
    """Frames with a prompt, by time."""
    tracked: dict[int, MemoryEntry] = field(default_factory=dict)
    """Frames without, by time."""
    passed: dict[int, int] = field(default_factory=dict)
    """Times that the object was tracked through, with the direction."""
    first: int | None = None
    """Time of the first prompt."""
    state: dict[str, Any] = field(default_factory=dict)
    """What the memory policy keeps of this object: numbers, lists and arrays. Replaced, never changed."""
    log_score: float = 0.0
    """Cumulative log quality, where several hypotheses are followed."""
    rivals: tuple[Bank, ...] = ()
    """Hypotheses of lower score about the object, where several are followed. Replaced, never changed."""
    history: tuple[tuple[int, MemoryEntry], ...] = ()
    """Times and entries, with logits and without memories, of the newest tracked frames, where results are
    held back; not saved."""

    def copy(self) -> Bank:
        """A bank that can change without this one changing; tensors are shared."""
        return dataclasses.replace(
            self,
            conditioning=dict(self.conditioning),
            tracked=dict(self.tracked),
            passed=dict(self.passed),
            state=dict(self.state),
        )

    def condition(self, t: int, entry: MemoryEntry) -> None:
        """Remember a frame with a prompt, which ends the competition of hypotheses."""
        self.rivals, self.log_score = (), 0.0
        self.tracked.pop(t, None)
        self.conditioning[t] = entry
        if self.first is None:
            self.first = t
        if self.bounded and self.max_conditioning is not None:
            # The new one in any case: of few, the first and the one before it would leave it no place.
            kept = dict.fromkeys([t, *self.attended_conditioning(t, self.conditioning)])
            some = list(kept)[: self.max_conditioning]
            self.conditioning = {k: v for k, v in self.conditioning.items() if k in some}

    def track(self, t: int, entry: MemoryEntry, direction: int) -> None:
        """Remember a frame without a prompt."""
        self.tracked[t] = entry
        self.passed[t] = direction

    def note(self, t: int, entry: MemoryEntry, limit: int) -> None:
        """Keep the entry of this hypothesis for the frame at ``t``, and of ``limit`` frames before it."""
        seen = (*self.history, (t, dataclasses.replace(entry, memory=None)))
        self.history = seen[max(0, len(seen) - limit - 1) :]

    def pass_through(self, t: int, direction: int) -> None:
        """The frame at ``t`` was passed in tracking, and kept its prompted mask."""
        self.passed[t] = direction

    def clear_around(self, t: int, frames: int) -> None:
        """Forget tracked frames that are at most ``frames`` away from a correction: they hold the error."""
        self.tracked = {k: entry for k, entry in self.tracked.items() if abs(k - t) > frames}

    def turn(self) -> None:
        """The direction changes: only conditioning frames are remembered."""
        self.tracked = {}
        self.rivals, self.log_score = (), 0.0

    def attended_conditioning(self, t: int, times: Iterable[int]) -> list[int]:
        """Which conditioning frames a frame at ``t`` attends: all, or the nearest ones.

        The first prompt where :attr:`keep_first` says so; the nearest before ``t``, the nearest at or after
        it, then the nearest of the rest.
        """
        times = list(times)
        if self.max_conditioning is None or len(times) <= self.max_conditioning:
            return times
        before = max((k for k in times if k < t), default=None)
        after = min((k for k in times if k >= t), default=None)
        order = [self.first if self.keep_first else None, before, after]
        chosen = dict.fromkeys(k for k in order if k is not None and k in times)
        chosen |= dict.fromkeys(sorted(times, key=lambda k: abs(k - t)))
        return list(chosen)[: self.max_conditioning]

    def forget(self, t: int, memories: Collection[int], pointers: Collection[int]) -> None:
        """Drop, where the bank is bounded, what no frame after the one at ``t`` can attend, and the logits of
        tracked frames, which a prompt of the same frame refines.

        Args:
            t: time of the newest frame.
            memories: times of tracked frames whose memory is still needed.
            pointers: times of tracked frames whose pointer and scores are still needed.
        """
        if not self.bounded:
            return
        self.tracked = {
            k: dataclasses.replace(e, low_res=None, memory=e.memory if k in memories else None)
            for k, e in self.tracked.items()
            if k in memories or k in pointers
        }
        self.passed = {k: d for k, d in self.passed.items() if k in self.conditioning or k == t}

    def to_dict(self) -> dict[str, Any]:
        """Nested dicts of arrays, numbers and None."""
        return {
            "conditioning": {t: entry_to_dict(e) for t, e in self.conditioning.items()},
            "tracked": {t: entry_to_dict(e) for t, e in self.tracked.items()},
            "passed": dict(self.passed),
            "first": self.first,
            "state": dict(self.state),
            "log_score": self.log_score,
            "rivals": [rival.to_dict() for rival in self.rivals],
        }

    def load(self, state: Mapping[str, Any], device: Any) -> None:
        """Take over what :meth:`to_dict` gave."""
        self.conditioning = {t: entry_from_dict(e, device) for t, e in state["conditioning"].items()}
        self.tracked = {t: entry_from_dict(e, device) for t, e in state["tracked"].items()}
        self.passed, self.first = dict(state["passed"]), state["first"]
        self.state = dict(state["state"])
        self.log_score = state["log_score"]
        rivals = [Bank(self.max_conditioning, self.keep_first, self.bounded) for _ in state["rivals"]]
        for rival, saved in zip(rivals, state["rivals"], strict=True):
            rival.load(saved, device)
        self.rivals = tuple(rivals)


def entry_to_dict(entry: MemoryEntry) -> dict[str, Any]:
    """Its fields; tensors as arrays, bfloat16 as the bits in uint16."""
    import torch

    found: dict[str, Any] = {}
    for item in dataclasses.fields(entry):
        value = getattr(entry, item.name)
        if isinstance(value, Tensor):
            half = value.dtype == torch.bfloat16
            value = (value.view(torch.uint16) if half else value).cpu().numpy()
        found[item.name] = value
    return found


def entry_from_dict(fields: Mapping[str, Any], device: Any) -> MemoryEntry:
    """What :func:`entry_to_dict` took apart."""
    import numpy as np
    import torch

    values: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            tensor = torch.from_numpy(np.array(value)).to(device)
            value = tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
        values[name] = value
    return MemoryEntry(**values)
