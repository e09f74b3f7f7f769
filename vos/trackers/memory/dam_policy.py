"""The memory policy of DAM4SAM."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ...ops.boxes import box_iou
from .bank import Bank
from .motion import mask_box
from .network import Attended, MemoryPointer
from .policy import PROMPTED_ROW, Sam2Policy, memory


class DamPolicy(Sam2Policy):
    """DAM4SAM (Videnovic et al. 2025, arXiv 2411.17576): frames with a distractor nearby are remembered.

    Two memories: frames that tell the object from distractors, prompted ones and those added here, and recent
    frames in which it is visible. Masks are compared on the low-res grid, where areas and boxes have the same
    proportions as in the frame.
    """

    multimask_points = 3
    MAX_DISTRACTOR_FRAMES = 4
    STRIDE = 5
    """Frames between recent memories, and between two added to the distractor memory."""
    MIN_QUALITY, MIN_RATIO, MAX_RATIO, MAX_OVERLAP = 0.8, 0.8, 1.2, 0.7
    MEDIAN_OF, HISTORY = 10, 300

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """At most four distractor-resolving frames, then recent ones with the object visible."""
        times = self._resolving(bank, t, direction)
        entries = bank.conditioning | bank.tracked
        resolving = {*times, *bank.state.get("added", [])}
        recent = self._recent(bank, t, direction, resolving)[: self.num_memories - len(times)]
        frames = [memory(entries[k], PROMPTED_ROW) for k in times]
        rows = [(entries[k], row) for row, k in enumerate(recent)]
        frames += [memory(entry, row) for entry, row in reversed(rows)]
        past = [k for k in times if direction * (t - k) >= 0]
        past += [
            t - direction * k
            for k in range(1, self.max_pointers)
            if t - direction * k in bank.tracked and t - direction * k not in times
        ]
        pointers = [MemoryPointer(entries[k].pointer, abs(t - k)) for k in past if entries[k].visible]
        return Attended(frames, pointers, max(1, self.max_pointers - 1))

    def _resolving(self, bank: Bank, t: int, direction: int) -> list[int]:
        """The nearest before the last frame, the first prompt, the nearest others; not the last frame."""
        last = t - direction
        added = [k for k in bank.state.get("added", []) if k in bank.tracked and k != last]
        times = [*bank.attended_conditioning(t, bank.conditioning), *added]
        by_distance = sorted(times, key=lambda k: abs(t - k))
        before = [k for k in by_distance if direction * k < direction * last][:1]
        first = [k for k in times if k == bank.first]
        return list(dict.fromkeys([*before, *first, *by_distance]))[: self.MAX_DISTRACTOR_FRAMES]

    def _recent(self, bank: Bank, t: int, direction: int, without: Collection[int]) -> list[int]:
        """Visible tracked frames: the last one, then those at every fifth frame from the first prompt on."""
        start = direction * (bank.first or 0)
        times = [
            k for k, e in bank.tracked.items()
            if e.visible and e.memory is not None and k not in without and direction * (t - k) > 0
        ]  # fmt: skip
        times.sort(key=lambda k: -direction * k)
        return times[:1] + [k for k in times[1:] if (direction * k - start) % self.STRIDE == 0]

    def remember(self, bank: Bank, t: int, direction: int, low_res: Tensor, row: int) -> None:
        """Add the frame to the distractor memory if the mask is steady and another candidate is elsewhere."""
        masks = (low_res > 0).cpu().numpy()
        size = int(masks[row].sum())
        sizes = [*bank.state.get("sizes", []), size][-self.HISTORY :]
        added = list(bank.state.get("added", []))
        since = abs(t - added[-1]) if added else self.STRIDE + 1
        if (
            since > self.STRIDE
            and self._is_steady(bank.tracked[t].quality, sizes)
            and _distractor(masks, row)
        ):
            added.append(t)
        bank.state = bank.state | {"sizes": sizes, "added": added[-self.MAX_DISTRACTOR_FRAMES - 1 :]}

    def _is_steady(self, quality: float, sizes: Sequence[int]) -> bool:
        """Whether the mask is good, and about as large as it was."""
        visible = [size for size in sizes if size][-self.MEDIAN_OF :]
        if len(sizes) < 2 or not sizes[-1] or quality <= self.MIN_QUALITY:
            return False
        return self.MIN_RATIO <= sizes[-1] / float(np.median(visible)) <= self.MAX_RATIO

    def needed(self, bank: Bank, t: int, direction: int) -> tuple[Collection[int], Collection[int]]:
        """Frames of the distractor memory, recent ones, and pointers of the last ones."""
        added = bank.state.get("added", [])
        _, pointers = super().needed(bank, t, direction)
        ahead = t + direction
        recent = self._recent(bank, ahead, direction, added)
        # A correction of the newest frame forgets it and up to two on fifth frames, and takes a place itself.
        memories = {*added, *recent[: self.num_memories + 1], t}
        return memories, {*pointers, *memories}


def _distractor(masks: NDArray[np.bool_], row: int) -> bool:
    """Whether one of the other (K, h, w) candidates reaches far out of the chosen one's box."""
    mask = masks[row]
    overlaps = []
    for other in np.delete(masks, row, axis=0):
        components, count = ndimage.label(other & ~mask, structure=np.ones((3, 3), np.int8))
        if count:
            largest = int(np.bincount(components.ravel())[1:].argmax()) + 1
            union = mask | (components == largest)
            overlaps.append(box_iou(mask_box(mask).tolist(), mask_box(union).tolist()))
    return min(overlaps, default=1.0) <= DamPolicy.MAX_OVERLAP
