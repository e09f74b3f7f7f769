"""The memory policy of SAMURAI."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from ...arrays import Doubles
from .bank import POINTER_REACH, Bank, MemoryEntry
from .motion import BoxFilter, corner_iou, mask_box
from .network import Attended
from .policy import Sam2Policy, past_pointers
from .preprocess import to_image


class SamuraiPolicy(Sam2Policy):
    """SAMURAI (Yang et al. 2024, arXiv 2411.11922): a motion model helps to choose masks and memories.

    Args:
        num_memories, max_pointers: see :class:`Sam2Policy`.
        stable_frames: the motion model has its say after this many good frames in a row.
        min_quality: a frame is good if the estimated IoU is above this.
        motion_weight: share of the motion model in the choice among candidates.
    """

    present_above = -1.0
    MEMORY_QUALITY = 0.5
    MAX_SELECTED = 15

    def __init__(
        self,
        num_memories: int = 7,
        max_pointers: int = POINTER_REACH + 1,
        *,
        stable_frames: int = 15,
        min_quality: float = 0.3,
        motion_weight: float = 0.25,
    ) -> None:
        super().__init__(num_memories, max_pointers)
        self.stable_frames, self.min_quality, self.motion_weight = stable_frames, min_quality, motion_weight

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """Conditioning frames, and the newest frames that are good by quality, presence and motion."""
        chosen = bank.attended_conditioning(t, bank.conditioning)
        others = {k: e for k, e in bank.conditioning.items() if k not in chosen} | bank.tracked
        frames = self._conditioning_frames(bank, chosen)
        frames += self._selected_frames(bank, self._selected(bank, t, direction))
        pointers = past_pointers(bank, chosen, t, direction)
        pointers += self._recent_pointers(others, t, direction)
        return Attended(frames, pointers, max(1, self.max_pointers - 1))

    def _selected(self, bank: Bank, t: int, direction: int) -> list[int]:
        return self._walk(bank, t, direction, self._is_good, 1, self.MAX_SELECTED)

    def _is_good(self, entry: MemoryEntry) -> bool:
        moves = entry.motion is None or entry.motion > 0
        return entry.quality > self.MEMORY_QUALITY and entry.score > 0 and moves

    def choose(self, bank: Bank, t: int, low_res: Tensor, quality: Tensor) -> tuple[int, float | None]:
        """By quality until the track is stable, then by quality and overlap with the predicted box."""
        boxes = [self._box(mask) for mask in low_res]
        stable, best = bank.state.get("stable", 0), int(quality.argmax())
        if stable == 0:
            self._store(bank, 1, BoxFilter.start(boxes[best]))
            return best, None
        predicted = BoxFilter(bank.state["mean"], bank.state["covariance"]).predict()
        motion = None
        if stable >= self.stable_frames:
            overlaps = [corner_iou(predicted.box, box) for box in boxes]
            weighed = self.motion_weight * torch.tensor(overlaps) + (1 - self.motion_weight) * quality.cpu()
            best = int(weighed.argmax())
            motion = overlaps[best]
            good = float(quality[best]) >= self.min_quality
        else:
            good = float(quality[best]) > self.min_quality
        if good:
            self._store(bank, min(stable + 1, self.stable_frames), predicted.update(boxes[best]))
        else:
            self._store(bank, 0, predicted)
        return best, motion

    def _box(self, low_res: Tensor) -> Doubles:
        """Box of a candidate, in pixels of the network's square."""
        side = low_res.shape[-1] * 4
        return mask_box((to_image(low_res[None], (side, side))[0] > 0).cpu().numpy())

    def _store(self, bank: Bank, stable: int, motion: BoxFilter) -> None:
        bank.state = bank.state | {"stable": stable} | motion.to_dict()

    def needed(self, bank: Bank, t: int, direction: int) -> tuple[Collection[int], Collection[int]]:
        """The newest good frames, and the last ones."""
        _, pointers = super().needed(bank, t, direction)
        selected = self._selected(bank, t + direction, direction)
        return selected[: self.num_memories], {*pointers, *selected}
