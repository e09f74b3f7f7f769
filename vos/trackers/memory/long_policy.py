"""The memory policy of SAM2Long."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from .bank import Bank, MemoryEntry
from .network import Attended, MemoryPointer
from .policy import Sam2Policy, past_pointers


class LongPolicy(Sam2Policy):
    """SAM2Long (Ding et al. 2024, arXiv 2410.16268): several hypotheses per object, each with its own bank.

    What a hypothesis attends is decided here, which hypotheses live on by
    :func:`vos.trackers.memory.hypotheses.survivors`.
    """

    hypotheses = 3
    MIN_QUALITY = 0.1
    MAX_SELECTED = 15
    PROMPTED_SCORE = 10.0
    """What a conditioning frame counts among scores."""
    LOWEST, HIGHEST = 0.95, 1.05
    """Weights of the keys of the least and of the most confident of the memories attended."""

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """Conditioning frames, and the newest good frames; confident ones weigh more. Pointers by rank."""
        chosen = bank.attended_conditioning(t, bank.conditioning)
        selected = self._selected(bank, t, direction)
        frames = self._conditioning_frames(bank, chosen) + self._selected_frames(bank, selected)
        pointers = past_pointers(bank, chosen, t, direction)
        prompted = len(pointers)
        ranked = selected[: self.max_pointers][:-1]
        pointers += [MemoryPointer(bank.tracked[k].pointer, rank) for rank, k in enumerate(ranked, 1)]
        scores = {k: bank.tracked[k].score for k in selected}
        newest = [k for k in selected[: self.num_memories - 1] if bank.tracked[k].memory is not None]
        of_frames = [self.PROMPTED_SCORE] * len(chosen) + [scores[k] for k in reversed(newest)]
        of_pointers = [self.PROMPTED_SCORE] * prompted + [scores[k] for k in ranked]
        frames = [replace(f, weight=w) for f, w in zip(frames, self._weights(of_frames), strict=True)]
        pointers = [replace(p, weight=w) for p, w in zip(pointers, self._weights(of_pointers), strict=True)]
        return Attended(frames, pointers, max(1, self.max_pointers - 1))

    def _weights(self, scores: Sequence[float]) -> list[float]:
        """Linear in the rank of the score; of equals the one listed first is lower."""
        if len(scores) < 2:
            return [1.0] * len(scores)
        ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
        steps = np.linspace(self.LOWEST, self.HIGHEST, len(scores))
        return [float(steps[rank]) for rank in ranks]

    def _selected(self, bank: Bank, t: int, direction: int) -> list[int]:
        return self._walk(bank, t, direction, self._is_good, 0, self.MAX_SELECTED)

    def _is_good(self, entry: MemoryEntry) -> bool:
        return entry.quality > self.MIN_QUALITY and entry.score > 0

    def needed(self, bank: Bank, t: int, direction: int) -> tuple[Collection[int], Collection[int]]:
        """The newest good frames, and the last one."""
        selected = self._selected(bank, t + direction, direction)
        return selected[: self.num_memories], selected
