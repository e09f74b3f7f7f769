"""The seam of memory policies, and the published policy of SAM 2 that the others build on.

A policy decides which memories a frame attends, and which of the candidates becomes its mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from .bank import POINTER_REACH, Bank, MemoryEntry
from .network import Attended, MemoryFrame, MemoryPointer

PROMPTED_ROW = -1
"""Row of the temporal encoding of frames with a prompt: the last, however few memories are attended."""


class Policy(Protocol):
    """A memory policy; what it remembers of an object is in the bank's ``state``."""

    present_above: float
    """An object is there if its score is above this."""
    multimask_points: int
    """Prompts of at most this many points are decoded to three candidates."""
    hypotheses: int
    """Banks that are followed per object; where more than one, :meth:`choose` decides on prompts only."""

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """What the frame at ``t`` attends; the only place that knows which memories count."""
        ...

    def choose(self, bank: Bank, t: int, low_res: Tensor, quality: Tensor) -> tuple[int, float | None]:
        """Row of the mask among (K, h, w) candidates with (K,) qualities, and how well it fits the motion.

        Called with K > 1 only. May replace entries of the bank's state.
        """
        ...

    def remember(self, bank: Bank, t: int, direction: int, low_res: Tensor, row: int) -> None:
        """The frame at ``t`` was tracked and stored: ``row`` of the (K, h, w) candidates was taken."""
        ...

    def needed(self, bank: Bank, t: int, direction: int) -> tuple[Collection[int], Collection[int]]:
        """Times of tracked frames whose memory, and whose pointer, frames after ``t`` may attend."""
        ...


class Sam2Policy:
    """As published (Ravi et al. 2024): the prompted frames, and the last ones before this.

    Args:
        num_memories: memories attended besides further prompts, one of them the prompt's.
        max_pointers: object pointers attended of frames without prompt, plus one.
    """

    present_above = 0.0
    multimask_points = 1
    hypotheses = 1

    def __init__(self, num_memories: int = 7, max_pointers: int = POINTER_REACH + 1) -> None:
        self.num_memories, self.max_pointers = num_memories, max_pointers

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """All conditioning frames that the bank attends, then the frames t - 6 .. t - 1 that are stored."""
        chosen = bank.attended_conditioning(t, bank.conditioning)
        others = {k: e for k, e in bank.conditioning.items() if k not in chosen} | bank.tracked
        recent = [(others.get(t - direction * k), k - 1) for k in range(self.num_memories - 1, 0, -1)]
        frames = self._conditioning_frames(bank, chosen)
        frames += [memory(e, row) for e, row in recent if e is not None and e.memory is not None]
        pointers = past_pointers(bank, chosen, t, direction)
        pointers += self._recent_pointers(others, t, direction)
        return Attended(frames, pointers, max(1, self.max_pointers - 1))

    def choose(self, bank: Bank, t: int, low_res: Tensor, quality: Tensor) -> tuple[int, float | None]:
        """The candidate with the highest estimated IoU."""
        return int(quality.argmax()), None

    def remember(self, bank: Bank, t: int, direction: int, low_res: Tensor, row: int) -> None:
        """Nothing besides what the bank keeps."""

    def needed(self, bank: Bank, t: int, direction: int) -> tuple[Collection[int], Collection[int]]:
        """The last frames."""
        return (
            {t - direction * k for k in range(self.num_memories - 1)},
            {t - direction * k for k in range(self.max_pointers - 1)},
        )

    def _conditioning_frames(self, bank: Bank, chosen: Sequence[int]) -> list[MemoryFrame]:
        return [memory(bank.conditioning[k], PROMPTED_ROW) for k in chosen]

    def _recent_pointers(
        self, entries: Mapping[int, MemoryEntry], t: int, direction: int
    ) -> list[MemoryPointer]:
        found = [(entries.get(t - direction * k), k) for k in range(1, self.max_pointers)]
        return [MemoryPointer(entry.pointer, k) for entry, k in found if entry is not None]

    def _walk(
        self, bank: Bank, t: int, direction: int, good: Callable[[MemoryEntry], bool], after: int, limit: int
    ) -> list[int]:
        """Times of tracked frames before ``t`` that are good, newest first, and of the last one in any case.

        Frames must lie more than ``after`` frames after the first prompt; at most ``limit`` are good.
        """
        start = direction * (bank.first or 0)
        past = [k for k in bank.tracked if start < direction * k < direction * t]
        past.sort(key=lambda k: -direction * k)
        found = [k for k in past if direction * k - start > after and good(bank.tracked[k])][:limit]
        last = t - direction
        return found if last in found or last not in bank.tracked else [last, *found]

    def _selected_frames(self, bank: Bank, times: Sequence[int]) -> list[MemoryFrame]:
        """Memories of the newest of ``times`` (newest first), oldest first; the newest has row 0."""
        newest = list(enumerate(times[: self.num_memories - 1]))
        entries = [(bank.tracked[k], row) for row, k in reversed(newest)]
        return [memory(entry, row) for entry, row in entries if entry.memory is not None]


def presence(score: float) -> float:
    """0..1: the probability of a score logit that the object is there, rescaled; 0 from even odds on down."""
    return max(0.0, 2 / (1 + math.exp(-score)) - 1) if score > 0 else 0.0


def memory(entry: MemoryEntry, row: int, weight: float = 1.0) -> MemoryFrame:
    """An entry that has a memory, as a memory to attend."""
    if entry.memory is None:
        raise ValueError("a conditioning frame has no memory yet: commit its prompts before tracking")
    return MemoryFrame(entry.memory, row, weight)


def past_pointers(bank: Bank, chosen: Sequence[int], t: int, direction: int) -> list[MemoryPointer]:
    """Pointers of the chosen conditioning frames that lie before ``t`` in the direction, or at it."""
    return [
        MemoryPointer(bank.conditioning[k].pointer, direction * (t - k))
        for k in chosen
        if direction * (t - k) >= 0
    ]
