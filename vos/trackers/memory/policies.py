"""Which memories a frame attends, and which of the candidates becomes its mask.

Only what a policy says differs between ``sam2`` and the training-free variants of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from .bank import POINTER_REACH, Bank, Entry
from .motion import BoxFilter, Floats, box_iou, mask_box
from .network import Attended, MemoryFrame, MemoryPointer
from .preprocess import to_image


class Policy(Protocol):
    """A memory policy; what it remembers of an object is in the bank's ``state``."""

    present_above: float
    """An object is there if its score is above this."""
    multimask_points: int
    """Prompts of at most so many points are decoded to three candidates."""
    hypotheses: int
    """So many banks are followed per object; where more than one, :meth:`choose` decides on prompts only."""

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
        return [memory(bank.conditioning[k], self.num_memories - 1) for k in chosen]

    def _recent_pointers(self, entries: Mapping[int, Entry], t: int, direction: int) -> list[MemoryPointer]:
        found = [(entries.get(t - direction * k), k) for k in range(1, self.max_pointers)]
        return [MemoryPointer(entry.pointer, k) for entry, k in found if entry is not None]

    def _walk(
        self, bank: Bank, t: int, direction: int, good: Callable[[Entry], bool], after: int, limit: int
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


class SamuraiPolicy(Sam2Policy):
    """SAMURAI (Yang et al. 2024, arXiv 2411.11922): a motion model helps to choose masks and memories.

    Args:
        num_memories, max_pointers: see :class:`Sam2Policy`.
        stable_frames: the motion model has its say after so many good frames in a row.
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

    def _is_good(self, entry: Entry) -> bool:
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
            overlaps = [box_iou(predicted.box, box) for box in boxes]
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

    def _box(self, low_res: Tensor) -> Floats:
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


class Sam3Policy(Sam2Policy):
    """SAM 3's own (Carion et al. 2025): frames are remembered by how sure the network was of them."""

    MIN_SCORE = 0.01
    MAX_SELECTED = 15

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """Conditioning frames, and the newest sure frames; pointers by their rank among these."""
        chosen = bank.attended_conditioning(t, bank.conditioning)
        selected = self._selected(bank, t, direction)
        frames = self._conditioning_frames(bank, chosen) + self._selected_frames(bank, selected)
        pointers = past_pointers(bank, chosen, t, direction)
        ranked = enumerate(selected[: self.max_pointers][:-1], 1)
        pointers += [MemoryPointer(bank.tracked[k].pointer, rank) for rank, k in ranked]
        return Attended(frames, pointers, max(1, self.max_pointers - 1))

    def _selected(self, bank: Bank, t: int, direction: int) -> list[int]:
        return self._walk(bank, t, direction, self._is_sure, 0, self.MAX_SELECTED)

    def _is_sure(self, entry: Entry) -> bool:
        return presence(entry.score) * entry.mean_quality > self.MIN_SCORE

    def needed(self, bank: Bank, t: int, direction: int) -> tuple[Collection[int], Collection[int]]:
        """The newest sure frames, and the last one."""
        selected = self._selected(bank, t + direction, direction)
        return selected[: self.num_memories], selected


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
        frames = [memory(entries[k], self.num_memories - 1) for k in times]
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
        # Until now the newest frame hides the one before, which counts if it lies on a fifth frame.
        memories = {*added, *recent[: self.num_memories + 1], t}
        return memories, {*pointers, *memories}


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
    """Weights of the keys of the least and of the most sure of the memories attended."""

    def select(self, bank: Bank, t: int, direction: int) -> Attended:
        """Conditioning frames, and the newest good frames; surer ones weigh more. Pointers by rank."""
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

    def _is_good(self, entry: Entry) -> bool:
        return entry.quality > self.MIN_QUALITY and entry.score > 0

    def needed(self, bank: Bank, t: int, direction: int) -> tuple[Collection[int], Collection[int]]:
        """The newest good frames, and the last one."""
        selected = self._selected(bank, t + direction, direction)
        return selected[: self.num_memories], selected


def _distractor(masks: NDArray[np.bool_], row: int) -> bool:
    """Whether one of the other (K, h, w) candidates reaches far out of the chosen one's box."""
    mask = masks[row]
    corner = np.array([0, 0, 1, 1])
    overlaps = []
    for other in np.delete(masks, row, axis=0):
        components, count = ndimage.label(other & ~mask, structure=np.ones((3, 3), np.int8))
        if count:
            largest = int(np.bincount(components.ravel())[1:].argmax()) + 1
            union = mask | (components == largest)
            overlaps.append(box_iou(mask_box(mask) + corner, mask_box(union) + corner))
    return min(overlaps, default=1.0) <= DamPolicy.MAX_OVERLAP


def presence(score: float) -> float:
    """0..1: how sure a score logit is that the object is there; 0 from even odds on down."""
    return max(0.0, 2 / (1 + math.exp(-score)) - 1) if score > 0 else 0.0


def memory(entry: Entry, row: int, weight: float = 1.0) -> MemoryFrame:
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


POLICIES: dict[str, Callable[[int, int], Policy]] = {
    "sam2": Sam2Policy,
    "samurai": SamuraiPolicy,
    "dam": DamPolicy,
    "sam3": Sam3Policy,
    "long": LongPolicy,
}
"""Name (``--memory`` of ``vos track``) -> policy, of the numbers of memories and of pointers."""
