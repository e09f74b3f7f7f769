"""Prompts and tracking of several objects in one video: a :class:`MemoryNetwork`, and a bank per object."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import torch
from torch import Tensor

from ...notices import NOTICE
from .bank import Bank, MemoryEntry
from .hypotheses import survivors
from .network import MASK_SCALE, Attended, DecoderOutput, Features, MemoryNetwork
from .policy import Policy, Sam2Policy

logger = logging.getLogger(__name__)

T = TypeVar("T")

PREVIOUS_LIMIT = 32.0
"""Logits fed back to the decoder are clamped to plus and minus this."""
HOLE_LOGIT = 0.1
"""What pixels of a filled hole get."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is known of one object in one frame."""

    entry: MemoryEntry
    """With low-res logits."""
    conditioning: bool
    """The frame is, or becomes, a conditioning frame of the object."""
    prompted_mask: bool = False
    """The mask is the user's own."""
    candidates: Tensor | None = None
    """(K, h, w) float32 logits that the mask was chosen from; None where nothing was decoded."""
    qualities: Tensor | None = None
    """(K,) float32 their estimated IoU."""
    attended: Attended | None = None
    """The memories attended; None where none was."""


@dataclass
class Points:
    """The points prompted for one object in one frame."""

    xy: Tensor
    """(P, 2) float32 in the network's square."""
    labels: Tensor
    """(P,) int64."""


@dataclass
class TrackedObject:
    """One object: its bank, and prompts that no memory was made of yet."""

    bank: Bank
    points: dict[int, Points] = field(default_factory=dict)
    pending: dict[int, Prediction] = field(default_factory=dict)

    def copy(self) -> TrackedObject:
        """A track that can change without this one changing."""
        return TrackedObject(self.bank.copy(), dict(self.points), dict(self.pending))


class Session:
    """Objects prompted and tracked in one video.

    Prompts are answered at once; memories of prompted frames are made by :meth:`commit`. Every object is
    independent of the others, to the bit where ``max_batch`` is 1.

    Args:
        network: of the SAM 2 family.
        policy: which memories are attended.
        max_conditioning, keep_first, bounded: see :class:`Bank`.
        sticky: a correction of a tracked frame makes it a conditioning frame; else it is stored like a
            tracked frame and overwritten by the next pass, as published.
        clear_around: a correction drops memories of tracked frames near it.
        fill_holes: holes of this many low-res pixels at most are filled.
        max_batch: objects computed at once.
        hold_back: frames of which hypotheses remember what they said.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        policy: Policy | None = None,
        *,
        max_conditioning: int | None = 4,
        keep_first: bool = True,
        bounded: bool = True,
        sticky: bool = True,
        clear_around: bool = True,
        fill_holes: int = 0,
        max_batch: int = 1,
        hold_back: int = 0,
    ) -> None:
        self.network = network
        self.hold_back = hold_back
        self.policy: Policy = policy or Sam2Policy(network.num_memories, network.max_pointers)
        self.max_conditioning, self.keep_first, self.bounded = max_conditioning, keep_first, bounded
        self.sticky, self.clear_around = sticky, clear_around
        self.fill_holes, self.max_batch = fill_holes, max_batch
        self.tracks: dict[int, TrackedObject] = {}

    def copy(self) -> Session:
        """A copy that can be continued without changing this session; tensors are shared."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.tracks = {k: track.copy() for k, track in self.tracks.items()}
        return other

    def add(self, object_id: int) -> TrackedObject:
        """The object's track; an unknown object gets an empty one."""
        if object_id not in self.tracks:
            bank = Bank(self.max_conditioning, self.keep_first, self.bounded)
            self.tracks[object_id] = TrackedObject(bank)
        return self.tracks[object_id]

    def prompt_points(
        self,
        t: int,
        features: Features,
        object_id: int,
        xy: Tensor,
        labels: Tensor,
        *,
        append: bool = False,
        previous: Tensor | None = None,
    ) -> Prediction:
        """Prompt an object with points, box corners first.

        Args:
            t: time of the frame.
            features: of the frame.
            object_id: known or new.
            xy: (P, 2) float32 in the network's square.
            labels: (P,): 0 off, 1 on the object, 2 and 3 the corners of a box.
            append: to the points that the object has in this frame; else instead of them.
            previous: (h, w) logits to refine, instead of those of the object's last answer for this frame.
        """
        track = self.add(object_id)
        bank = track.bank
        if append and t in track.points:
            xy = torch.cat((track.points[t].xy, xy))
            labels = torch.cat((track.points[t].labels, labels))
        track.points[t] = Points(xy, labels)
        xy, labels = self._limited(xy, labels, object_id)
        first = t not in bank.passed
        before = previous if previous is not None else self._previous(track, t)
        dense = None if before is None else before.clamp(-PREVIOUS_LIMIT, PREVIOUS_LIMIT)[None]
        attended = None
        if first:
            fused = self.network.without_memory(features)
        else:
            attended = self.policy.select(bank, t, bank.passed[t])
            fused = self.network.fuse(features, [attended])
        decoded = self.network.decode(
            features,
            fused,
            points=xy[None] if len(labels) else None,
            labels=labels[None] if len(labels) else None,
            dense=dense,
            multimask=len(labels) <= self.policy.multimask_points,
            present_above=self.policy.present_above,
        )
        row, motion = 0, None
        if decoded.quality.shape[1] > 1:
            row, motion = self.policy.choose(bank, t, decoded.low_res[0], decoded.quality[0])
        entry = self._entry(decoded, 0, row, motion)
        answer = Prediction(
            self._filled(entry), first or self.sticky, False, decoded.low_res[0], decoded.quality[0], attended
        )
        track.pending[t] = answer
        return answer

    def _limited(self, xy: Tensor, labels: Tensor, object_id: int) -> tuple[Tensor, Tensor]:
        """The first and the last points where there are more than the network takes, as SAM 3 does."""
        limit = self.network.max_points
        if limit is None or len(labels) <= limit:
            return xy, labels
        first, last = limit // 2, limit - limit // 2
        logger.log(
            NOTICE, "object %d has %d points, and %s takes %d: the first %d and the last %d are used",
            object_id, len(labels), self.network.name, limit, first, last,
        )  # fmt: skip
        return torch.cat((xy[:first], xy[-last:])), torch.cat((labels[:first], labels[-last:]))

    def prompt_mask(self, t: int, features: Features, object_id: int, mask: Tensor) -> Prediction:
        """Prompt an object with a mask, (S, S) float32 of 0 and 1 in the network's square."""
        track = self.add(object_id)
        track.points.pop(t, None)
        pointer, quality = self.network.mask_pointer(features, mask, present_above=self.policy.present_above)
        there = bool(mask.any())
        score = MASK_SCALE / 2 if there else -MASK_SCALE / 2
        entry = MemoryEntry(score, 1.0, pointer, None, self.network.mask_logits(mask), None, there)
        first = t not in track.bank.passed
        answer = Prediction(self._filled(entry), first or self.sticky, True, None, quality, None)
        track.pending[t] = answer
        return answer

    def _previous(self, track: TrackedObject, t: int) -> Tensor | None:
        """The object's last logits in this frame, if it has any."""
        places = (track.pending.get(t), track.bank.conditioning.get(t), track.bank.tracked.get(t))
        for place in places:
            if place is not None:
                return place.entry.low_res if isinstance(place, Prediction) else place.low_res
        return None

    def commit(self, t: int, features: Features) -> None:
        """Make memories of the prompts of the frame at ``t``, and forget what no later frame can attend."""
        waiting = [track for track in self.tracks.values() if t in track.pending]
        for some in _chunks(waiting, self.max_batch):
            entries = [track.pending[t].entry for track in some]
            memories = self._encode(features, entries, prompted=True)
            for track, entry, memory in zip(some, entries, memories, strict=True):
                answer = track.pending.pop(t)
                entry = dataclasses.replace(entry, memory=memory)
                corrected = t in track.bank.passed
                if answer.conditioning:
                    track.bank.condition(t, entry)
                elif t not in track.bank.conditioning:  # whose first answer stays, as published
                    track.bank.tracked[t] = entry
                track.points = {k: p for k, p in track.points.items() if k == t or not self.bounded}
                if corrected and self.clear_around:
                    track.bank.clear_around(t, self.network.num_memories)
        for track in self.tracks.values():
            track.bank = self._forget(track.bank, t)

    def _forget(self, bank: Bank, t: int) -> Bank:
        """The bank and its rivals with what frames after ``t`` can attend; all if ``t`` was not passed."""
        if t not in bank.passed:
            return bank
        kept = bank.copy()
        kept.rivals = tuple(self._forget(rival, t) for rival in bank.rivals)
        kept.forget(t, *self.policy.needed(kept, t, kept.passed[t]))
        return kept

    def track(
        self, t: int, features: Features, direction: int, ids: Iterable[int] | None = None
    ) -> dict[int, Prediction]:
        """Track objects (all, unless ``ids`` says which) to the frame at ``t``.

        Objects without a conditioning frame are left out. A conditioning frame keeps its mask.
        """
        wanted = list(self.tracks) if ids is None else list(ids)
        found: dict[int, Prediction] = {}
        running: list[tuple[int, Attended]] = []
        for k in wanted:
            bank = self.tracks[k].bank
            if t in bank.conditioning:
                bank.pass_through(t, direction)
                found[k] = Prediction(bank.conditioning[t], True)
            elif bank.conditioning and self.policy.hypotheses > 1:
                found[k] = self._track_hypotheses(t, features, direction, k)
            elif bank.conditioning:
                running.append((k, self.policy.select(bank, t, direction)))
        for group in _groups(running, self.max_batch):
            found.update(self._track_group(t, features, direction, group))
        return {k: found[k] for k in wanted if k in found}

    def _track_group(
        self, t: int, features: Features, direction: int, group: Sequence[tuple[int, Attended]]
    ) -> dict[int, Prediction]:
        fused = self.network.fuse(features, [attended for _, attended in group])
        decoded = self.network.decode(features, fused, present_above=self.policy.present_above)
        banks = [self.tracks[k].bank for k, _ in group]
        chosen = [
            self.policy.choose(bank, t, decoded.low_res[n], decoded.quality[n])
            for n, bank in enumerate(banks)
        ]
        entries = [self._entry(decoded, n, row, motion) for n, (row, motion) in enumerate(chosen)]
        memories = self._encode(features, entries, prompted=False)
        answers: dict[int, Prediction] = {}
        for n, (k, attended) in enumerate(group):
            entry = self._filled(dataclasses.replace(entries[n], memory=memories[n]))
            banks[n].track(t, entry, direction)
            self.policy.remember(banks[n], t, direction, decoded.low_res[n], chosen[n][0])
            answers[k] = Prediction(entry, False, False, decoded.low_res[n], decoded.quality[n], attended)
        return answers

    def _track_hypotheses(self, t: int, features: Features, direction: int, object_id: int) -> Prediction:
        """Track all hypotheses about an object; the best of their candidates are the next hypotheses."""
        bank = self.tracks[object_id].bank
        parents = [dataclasses.replace(bank, rivals=()), *bank.rivals]
        attended = [self.policy.select(parent, t, direction) for parent in parents]
        decoded: dict[int, tuple[DecoderOutput, int]] = {}
        for group in _groups(list(enumerate(attended)), self.max_batch):
            fused = self.network.fuse(features, [one for _, one in group])
            found = self.network.decode(features, fused, present_above=self.policy.present_above)
            decoded |= {parent: (found, n) for n, (parent, _) in enumerate(group)}
        answers = [decoded[parent] for parent in range(len(parents))]
        chosen = survivors(
            [parent.log_score for parent in parents],
            [float(found.score[n]) for found, n in answers],
            [found.quality[n].tolist() for found, n in answers],
            self.policy.hypotheses,
        )
        children: list[Bank] = []
        entries: list[MemoryEntry] = []
        for some in _chunks(chosen, self.max_batch):
            plain = [self._entry(*decoded[parent], row, None) for parent, row, _ in some]
            memories = self._encode(features, plain, prompted=False)
            for (parent, _, log_score), entry, memory in zip(some, plain, memories, strict=True):
                child = dataclasses.replace(parents[parent].copy(), log_score=log_score)
                entries.append(self._filled(dataclasses.replace(entry, memory=memory)))
                child.track(t, entries[-1], direction)
                if self.hold_back:
                    child.note(t, entries[-1], self.hold_back)
                children.append(child)
        self.tracks[object_id].bank = dataclasses.replace(children[0], rivals=tuple(children[1:]))
        parent = chosen[0][0]
        found, n = decoded[parent]
        return Prediction(entries[0], False, False, found.low_res[n], found.quality[n], attended[parent])

    def _encode(self, features: Features, entries: Sequence[MemoryEntry], *, prompted: bool) -> list[Tensor]:
        low_res = torch.stack([entry.low_res for entry in entries if entry.low_res is not None])
        scores = torch.tensor([entry.score for entry in entries])
        memories = self.network.encode_memory(features, low_res, scores, prompted=prompted)
        return [one.clone() for one in memories]  # each on its own, not a view of all

    def _entry(self, decoded: DecoderOutput, n: int, row: int, motion: float | None) -> MemoryEntry:
        """Candidate ``row`` of object ``n``, without a memory."""
        quality = decoded.quality[n]
        tokens = decoded.tokens[n]
        pointer = self.network.pointers(tokens[row][None], decoded.present[n][None])[0]
        low_res = decoded.low_res[n, row].clone()
        others = torch.cat((quality[:row], quality[row + 1 :]))
        best = float(quality[row])
        margin = best - float(others.max()) if len(others) else best
        score = float(decoded.score[n])
        visible = bool((low_res > 0).any())
        mean = float(quality.mean())
        return MemoryEntry(score, best, pointer, None, low_res, motion, visible, margin, mean)

    def _filled(self, entry: MemoryEntry) -> MemoryEntry:
        if not self.fill_holes or entry.low_res is None:
            return entry
        return dataclasses.replace(entry, low_res=fill_holes(entry.low_res, self.fill_holes))

    def remove(self, object_id: int) -> None:
        """Forget an object; unknown ids are ignored."""
        self.tracks.pop(object_id, None)

    def turn(self) -> None:
        """Tracking continues in the other direction: from the conditioning frames alone."""
        for track in self.tracks.values():
            track.bank.turn()


def fill_holes(low_res: Tensor, max_area: int) -> Tensor:
    """(h, w) logits: background components (8-connected) of at most ``max_area`` pixels become foreground."""
    background = (low_res <= 0).to(torch.uint8).cpu().numpy()
    _, components, facts, _ = cv2.connectedComponentsWithStats(background, connectivity=8)
    small = facts[:, cv2.CC_STAT_AREA] <= max_area
    small[0] = False  # everything else
    if not small.any():
        return low_res
    holes = torch.from_numpy(small[components]).to(low_res.device)
    return torch.where(holes, HOLE_LOGIT, low_res)


def _groups(
    running: Sequence[tuple[int, Attended]], max_batch: int
) -> Iterable[Sequence[tuple[int, Attended]]]:
    """Objects with equally many keys, in groups of at most ``max_batch``."""
    by_length: dict[tuple[int, int], list[tuple[int, Attended]]] = {}
    for item in running:
        key = len(item[1].frames), len(item[1].pointers)
        by_length.setdefault(key, []).append(item)
    for group in by_length.values():
        yield from _chunks(group, max_batch)


def _chunks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
