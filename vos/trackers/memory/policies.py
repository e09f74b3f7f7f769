"""Which memories a frame attends, and which of the candidates becomes its mask.

Only what a policy says differs between ``sam2`` and the training-free variants of it.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from .bank import POINTER_REACH, Bank, Entry
from .network import Attended, MemoryFrame, MemoryPointer


class Policy(Protocol):
    """A memory policy; what it remembers of an object is in the bank's ``state``."""

    present_above: float
    """An object is there if its score is above this."""
    reach: int
    """Memories of so many tracked frames are needed."""

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """What the frame at ``t`` attends; the only place that knows which memories count."""
        ...

    def choose(self, bank: Bank, t: int, low_res: Tensor, quality: Tensor) -> tuple[int, float | None]:
        """Row of the mask among (K, h, w) candidates with (K,) qualities, and how well it fits the motion.

        Called with K > 1 only. May replace entries of the bank's state.
        """
        ...

    def remember(self, bank: Bank, t: int, entry: Entry, low_res: Tensor, row: int) -> None:
        """The frame at ``t`` was tracked and stored: ``row`` of the (K, h, w) candidates was taken."""
        ...


class Sam2Policy:
    """As published (Ravi et al. 2024): the prompted frames, and the last ones before this.

    Args:
        num_memories: memories attended besides further prompts, one of them the prompt's.
        max_pointers: object pointers attended of frames without prompt, plus one.
    """

    present_above = 0.0

    def __init__(self, num_memories: int = 7, max_pointers: int = POINTER_REACH + 1) -> None:
        self.num_memories, self.max_pointers = num_memories, max_pointers
        self.reach = num_memories - 1

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """All conditioning frames that the bank attends, then the frames t - 6 .. t - 1 that are stored."""
        chosen = bank.attended_conditioning(t, bank.conditioning)
        others = {k: e for k, e in bank.conditioning.items() if k not in chosen} | bank.tracked
        frames = [memory(bank.conditioning[k], self.num_memories - 1) for k in chosen]
        for k in range(self.num_memories - 1, 0, -1):
            entry = others.get(t - direction * k)
            if entry is not None and entry.memory is not None:
                frames.append(memory(entry, k - 1))
        pointers = past_pointers(bank, chosen, t, direction)
        for k in range(1, self.max_pointers):
            entry = others.get(t - direction * k)
            if entry is not None:
                pointers.append(MemoryPointer(entry.pointer, k))
        return Attended(frames, pointers, max(1, self.max_pointers - 1))

    def choose(self, bank: Bank, t: int, low_res: Tensor, quality: Tensor) -> tuple[int, float | None]:
        """The candidate with the highest estimated IoU."""
        return int(quality.argmax()), None

    def remember(self, bank: Bank, t: int, entry: Entry, low_res: Tensor, row: int) -> None:
        """Nothing besides what the bank keeps."""


def memory(entry: Entry, row: int, weight: float = 1.0) -> MemoryFrame:
    """An entry that has a memory, as a memory to attend."""
    if entry.memory is None:
        raise ValueError("a conditioning frame has no memory yet: commit its prompts before tracking")
    return MemoryFrame(entry.memory, row, weight)


def past_pointers(bank: Bank, chosen: list[int], t: int, direction: int) -> list[MemoryPointer]:
    """Pointers of the chosen conditioning frames that lie before ``t`` in the direction, or at it."""
    return [
        MemoryPointer(bank.conditioning[k].pointer, direction * (t - k))
        for k in chosen
        if direction * (t - k) >= 0
    ]


POLICIES = ("sam2",)
"""Names of the memory policies: ``--memory`` of ``vos track``."""


def make_policy(name: str, num_memories: int, max_pointers: int) -> Policy:
    """The policy of that name, which is in :data:`POLICIES`."""
    return Sam2Policy(num_memories, max_pointers)
