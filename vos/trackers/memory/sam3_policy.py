"""The memory policy of SAM 3."""

from __future__ import annotations

from collections.abc import Collection

from .bank import Bank, MemoryEntry
from .network import Attended, MemoryPointer
from .policy import Sam2Policy, past_pointers, presence


class Sam3Policy(Sam2Policy):
    """SAM 3's own (Carion et al. 2025): frames are remembered by the confidence of their masks."""

    MIN_SCORE = 0.01
    MAX_SELECTED = 15

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """Conditioning frames, and the newest confident frames; pointers by their rank among these."""
        chosen = bank.attended_conditioning(t, bank.conditioning)
        selected = self._selected(bank, t, direction)
        frames = self._conditioning_frames(bank, chosen) + self._selected_frames(bank, selected)
        pointers = past_pointers(bank, chosen, t, direction)
        ranked = enumerate(selected[: self.max_pointers][:-1], 1)
        pointers += [MemoryPointer(bank.tracked[k].pointer, rank) for rank, k in ranked]
        return Attended(frames, pointers, max(1, self.max_pointers - 1))

    def _selected(self, bank: Bank, t: int, direction: int) -> list[int]:
        return self._walk(bank, t, direction, self._is_confident, 0, self.MAX_SELECTED)

    def _is_confident(self, entry: MemoryEntry) -> bool:
        return presence(entry.score) * entry.mean_quality > self.MIN_SCORE

    def needed(self, bank: Bank, t: int, direction: int) -> tuple[Collection[int], Collection[int]]:
        """The newest confident frames, and the last one."""
        selected = self._selected(bank, t + direction, direction)
        return selected[: self.num_memories], selected
