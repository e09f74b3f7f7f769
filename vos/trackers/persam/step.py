"""One frame of the PerSAM tracker, from the state before it to the state after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...arrays import Floats, Image, Masks
from ...backbones.base import Backbone, Candidates, FrameFeatures
from ...backbones.classical.descriptors import to_lab
from ...backbones.grid_mask import grid_mask
from ...backbones.refinement import RefinementPass, keep, keep_mix, refine
from ...backbones.scale_weights import fit_scale_weights
from ...ops.crop import choose_crop
from ...ops.overlap import logits_to_labels
from ...results import Labels, labels_to_masks
from ..flow_warping import WarpingSettings, warp_masks
from ..knn_matching import knn_similarity, sample_columns, soft_assignment
from ..mask_tracker import MaskPrompts
from .memory import ObjectMemory
from .track_prompts import TrackPrompt, TrackPromptSettings, track_prompt

FLOW_MARGIN = 0.6
"""Room around the objects where flow is computed, as a fraction of the longest side of the largest."""
FLOW_MARGIN_PIXELS = 40
PLAUSIBLE = 5.0
"""Largest factor between the sizes of a lost object before and after."""


@dataclass(frozen=True)
class PersamTrackerSettings:
    """Settings of the PerSAM tracker. What each is worth on real video: ``docs/target.md``."""

    RENAMED: ClassVar = {
        "max_given": "max_references",
        "compete": "soft_assignment",
        "sure_above": "confident_above",
        "aim": "prompts",
        "carry": "warping",
    }

    recent: int = 4
    """Confident frames stored beside the prompted ones; 0: the prompted ones alone, as published."""
    remember_every: int = 5
    """Frames between two that are stored."""
    max_references: int = 4
    """Reference frames (the first and the newest corrections) stored per object."""
    columns: int = 256
    """Feature columns stored per object and frame; of the background four times as many."""
    soft_assignment: bool = True
    """Normalise similarities over objects and background; else match each object by itself."""
    temperature: float = 0.05
    """Softmax temperature of the cosine similarities."""
    agree: float = 1.0
    """Weight of the IoU with the warped mask, beside the predicted quality, in the choice of a candidate; 0:
    quality alone, as published."""
    reacquire: bool = True
    """Search lost objects in the whole frame; else where they were last visible, as published."""
    refinement: int = 2
    """Passes after the first: 0 to 2."""
    tune: bool = False
    """PerSAM-F: fit two scale weights per object on its prompted frame."""
    tune_steps: int = 800
    """Steps of that fit, as in the published video script."""
    learning_rate: float = 4e-4
    """Of that fit, as in the published video script."""
    lost_below: float = 0.3
    """Confidence by appearance below which a visible object counts as lost."""
    found_above: float = 0.6
    """Confidence by appearance above which a lost object counts as found."""
    confident_above: float = 0.7
    """Confidence by appearance above which a frame may be stored."""
    features: str | None = None
    """Features for matching, a key of :data:`vos.backbones.features.FEATURES`; None: the
    backbone's."""
    features_weights: str | None = None
    """Folder with the weights of these features; None: the local cache."""
    flow_pixels: int = 100_000
    """Size of the image that optical flow is computed on."""
    prompts: TrackPromptSettings = field(default_factory=TrackPromptSettings)
    warping: WarpingSettings = field(default_factory=WarpingSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.refinement <= 2:
            raise ValueError(f"refinement must be 0, 1 or 2, got {self.refinement}")
        for name in ("remember_every", "max_references", "columns", "tune_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.recent < 0:
            raise ValueError(f"recent must be 0 or more, got {self.recent}")
        if self.temperature <= 0 or self.learning_rate <= 0:
            raise ValueError("temperature and learning_rate must be positive")


@dataclass(frozen=True, eq=False)
class PersamState:
    """All that a step needs from the frames before."""

    image: Image
    labels: Labels
    background: ObjectMemory
    objects: tuple[ObjectMemory, ...]
    """In the order in which they were given; a slot is never taken by another object."""
    since: int = 0
    """Frames since one was remembered."""
    logits: Tensor | None = None
    """(N, H, W) of the newest frame, -inf for objects that are not visible; None right after a prompted
    frame, and after loading. No step needs it."""

    def without(self, object_id: int) -> PersamState:
        """Without one of its objects."""
        objects = tuple(slot for slot in self.objects if slot.object_id != object_id)
        labels = np.where(self.labels == object_id, 0, self.labels).astype(self.labels.dtype)
        return replace(self, objects=objects, labels=labels, logits=None)

    def probabilities(self) -> Floats:
        """(N, H, W) float32 in 0..1, objects in the order of their ids."""
        ids = [slot.object_id for slot in self.objects]
        rows = np.argsort(ids)
        if self.logits is None:
            return labels_to_masks(self.labels, np.array(ids)[rows].tolist()).astype(np.float32)
        soft: Floats = self.logits.sigmoid().cpu().numpy()
        return soft[rows]


def advance(
    backbone: Backbone,
    video: PersamState,
    image: Image,
    features: FrameFeatures,
    settings: PersamTrackerSettings,
) -> PersamState:
    """The video one frame later; ``features`` are of ``image``, (H, W, 3) uint8 RGB."""
    if not video.objects:
        return replace(video, image=image, labels=np.zeros_like(video.labels))
    shares = assignment_shares(features, video, settings)
    track_prompts = _track_prompts(video, image, features, shares, settings)
    found = _cascade(backbone, features, video.objects, track_prompts, settings)
    scores = [_confidence(features, mask, share) for mask, share in zip(found.masks, shares[1:], strict=True)]
    # Predicted qualities are not bounded, and in half precision may be NaN.
    qualities = found.scores.float().nan_to_num(0.0).clamp(0, 1).tolist()
    seen = [
        _is_seen(*row, settings)
        for row in zip(video.objects, track_prompts, found.masks, scores, strict=True)
    ]
    planes = found.logits.clone()
    planes[[n for n, visible in enumerate(seen) if not visible]] = -torch.inf
    labels = logits_to_labels(planes.cpu().numpy(), [slot.object_id for slot in video.objects])
    objects = []
    for slot, score, quality, visible in zip(video.objects, scores, qualities, seen, strict=True):
        mask = labels == slot.object_id
        if visible and mask.any():
            objects.append(
                replace(slot, last_mask=mask, last_score=score, last_quality=quality, frames_lost=0)
            )
        else:
            objects.append(replace(slot, last_score=0.0, frames_lost=slot.frames_lost + 1))
    after = replace(
        video, image=image, labels=labels, objects=tuple(objects), since=video.since + 1, logits=planes
    )
    return _remember(after, features, settings) if after.since >= settings.remember_every else after


def learn(
    backbone: Backbone,
    video: PersamState | None,
    image: Image,
    features: FrameFeatures,
    labels: Labels,
    given: MaskPrompts,
    settings: PersamTrackerSettings,
) -> PersamState:
    """The video after the user has said ``given`` of this frame, with which (H, W) ``labels`` agree."""
    slots = {slot.object_id: slot for slot in video.objects} if video else {}
    off = sample_columns(features.grid, _cells_off(features, labels), 4 * settings.columns)
    for object_id in given.ids:
        mask = labels == object_id
        cells = _cells(features, mask)
        columns = sample_columns(features.grid, cells, settings.columns)
        known = slots.get(object_id)
        if known is None:
            embedding = features.columns[:, cells].mean(dim=1) if bool(cells.any()) else _nothing(features)
            known = ObjectMemory(object_id, (columns,), embedding)
        else:
            known = known.is_corrected(columns, off, settings.max_references)
        known = replace(
            known,
            last_mask=mask,
            last_score=1.0,
            last_quality=1.0,
            reference_confidence=given.confidence[object_id],
            frames_lost=0,
        )
        if settings.tune and mask.any():
            known = replace(known, weights=_tuned(backbone, features, known, settings))
        slots[object_id] = known
    if video is None:
        background = ObjectMemory(0, (off,), _nothing(features))
    else:
        on = torch.cat([slots[object_id].permanent[-1] for object_id in given.ids], dim=1)
        background = video.background.is_corrected(off, on, settings.max_references)
    # What a correction took from another object is no longer where that object was seen last.
    objects = tuple(
        replace(slot, last_mask=labels == slot.object_id) if (labels == slot.object_id).any() else slot
        for slot in slots.values()
    )
    return PersamState(image, labels, background, objects)


def assignment_shares(features: FrameFeatures, video: PersamState, settings: PersamTrackerSettings) -> Tensor:
    """(1 + N, h, w) probability that a cell is the background's, or each object's, by appearance."""
    assignment = (video.background, *video.objects)
    similar = [knn_similarity(features.grid, torch.cat(owner.columns(), dim=1)) for owner in assignment]
    return soft_assignment(torch.stack(similar), settings.temperature)


def _track_prompts(
    video: PersamState, image: Image, features: FrameFeatures, shares: Tensor, settings: PersamTrackerSettings
) -> list[TrackPrompt]:
    """Where to look for each object."""
    warped, qualities = _warped(video, image, settings)
    track_prompts = []
    for n, slot in enumerate(video.objects):
        lost = slot.frames_lost > 0 and settings.reacquire
        if settings.soft_assignment:
            similarity = shares[n + 1]
        else:
            similarity = knn_similarity(features.grid, torch.cat(slot.columns(), dim=1))
        expected = None if lost else warped[n]
        track_prompts.append(
            track_prompt(features, similarity, slot.embedding, expected, qualities[n], settings.prompts)
        )
    return track_prompts


def _warped(
    video: PersamState, image: Image, settings: PersamTrackerSettings
) -> tuple[Sequence[Floats], Sequence[float]]:
    """(H, W) float32 masks in 0..1 of all objects, warped to this frame, and the quality of each."""
    last = [np.zeros(video.labels.shape, bool) if o.last_mask is None else o.last_mask for o in video.objects]
    if not settings.prompts.warped_mask:
        return [mask.astype(np.float32) for mask in last], [1.0] * len(last)
    crop = choose_crop(video.labels, FLOW_MARGIN, FLOW_MARGIN_PIXELS, settings.flow_pixels)
    before, now = crop.cut(video.image), crop.cut(image)
    masks = np.stack([crop.cut(mask.astype(np.float32)) for mask in last])
    moved = warp_masks(before, now, (to_lab(before), to_lab(now)), masks, settings.warping)
    whole = np.zeros((len(last), *video.labels.shape), np.float32)
    whole[:, crop.y0 : crop.y1, crop.x0 : crop.x1] = crop.enlarge(moved.masks)
    return list(whole), moved.qualities


def _cascade(
    backbone: Backbone,
    features: FrameFeatures,
    objects: Sequence[ObjectMemory],
    track_prompts: Sequence[TrackPrompt],
    settings: PersamTrackerSettings,
) -> RefinementPass:
    """All passes, all objects in one batch each."""

    def choose(candidates: Candidates) -> RefinementPass:
        return keep(candidates, _agreeing(candidates, track_prompts, settings.agree))

    guidance = [a.guidance for a in track_prompts if a.guidance is not None]
    candidates = backbone.decode(features, [a.first for a in track_prompts], guidance=guidance or None)
    weights = [slot.weights for slot in objects if slot.weights is not None]
    found = keep_mix(candidates, torch.stack(weights)) if settings.tune else choose(candidates)
    for _ in range(settings.refinement):
        found = refine(backbone, features, [a.points for a in track_prompts], found, choose=choose)
    return found


def _agreeing(candidates: Candidates, track_prompts: Sequence[TrackPrompt], weight: float) -> Tensor:
    """(N,) int64: the candidate of the best predicted quality and agreement with motion."""
    merit = candidates.scores.clone()
    if weight:
        masks = candidates.logits > 0
        for n, one in enumerate(track_prompts):
            if one.expected is not None:
                where = torch.from_numpy(one.expected).to(masks.device)
                common = (masks[n] & where).flatten(1).sum(dim=1)
                union = (masks[n] | where).flatten(1).sum(dim=1).clamp_min(1)
                merit[n] += weight * one.warp_quality * common / union
    return merit.argmax(dim=1)


def _confidence(features: FrameFeatures, mask: Masks, share: Tensor) -> float:
    """Mean probability by appearance of the cells under the mask; 0 for an empty one."""
    cells = _cells(features, mask)
    return float(share[cells].mean()) if bool(cells.any()) else 0.0


def _is_seen(
    slot: ObjectMemory, one: TrackPrompt, mask: Masks, score: float, settings: PersamTrackerSettings
) -> bool:
    """Whether what the decoder found is the object."""
    if not mask.any():
        return False
    if not settings.reacquire:
        return True
    if one.expected is not None:
        return score >= settings.lost_below
    area, last = int(mask.sum()), 0 if slot.last_mask is None else int(slot.last_mask.sum())
    return score >= settings.found_above and last / PLAUSIBLE <= area <= last * PLAUSIBLE


def _remember(video: PersamState, features: FrameFeatures, settings: PersamTrackerSettings) -> PersamState:
    """With this frame in the recent memory of all objects with a confident mask, if any has one."""
    if settings.recent == 0:
        return video
    confident = [slot.last_score >= settings.confident_above for slot in video.objects]
    if not any(confident):
        return video
    objects = []
    for slot, certain in zip(video.objects, confident, strict=True):
        if certain:
            cells = _cells(features, video.labels == slot.object_id)
            columns = sample_columns(features.grid, cells, settings.columns)
            slot = slot.remembering(columns, settings.recent)
        objects.append(slot)
    background = video.background
    if all(confident):  # else an object that was missed would be learned as background
        columns = sample_columns(features.grid, _cells_off(features, video.labels), 4 * settings.columns)
        background = background.remembering(columns, settings.recent)
    return replace(video, objects=tuple(objects), background=background, since=0)


def _tuned(
    backbone: Backbone,
    features: FrameFeatures,
    slot: ObjectMemory,
    settings: PersamTrackerSettings,
) -> Tensor:
    """(3,) scale weights with which the first pass reproduces the given mask (PerSAM-F)."""
    assert slot.last_mask is not None
    similarity = knn_similarity(features.grid, torch.cat(slot.columns(), dim=1))
    prompts = track_prompt(
        features, similarity, slot.embedding, slot.last_mask.astype(np.float32), 1.0, settings.prompts
    )
    guidance = None if prompts.guidance is None else [prompts.guidance]
    logits = backbone.decode(features, [prompts.first], guidance=guidance).logits[0]
    target = torch.from_numpy(slot.last_mask).to(logits.device)
    fit = fit_scale_weights(logits, target, steps=settings.tune_steps, learning_rate=settings.learning_rate)
    return fit.weights


def _cells(features: FrameFeatures, mask: Masks) -> Tensor:
    """(h, w) bool cells of the grid under an (H, W) mask."""
    height, width = features.grid.shape[1:]
    return grid_mask(torch.from_numpy(np.ascontiguousarray(mask)).to(features.grid.device), (height, width))


def _cells_off(features: FrameFeatures, labels: Labels) -> Tensor:
    """(h, w) bool cells that no object touches."""
    height, width = features.grid.shape[1:]
    off = torch.from_numpy(labels == 0).to(features.grid.device).float()
    return torch.nn.functional.interpolate(off[None, None], (height, width), mode="area")[0, 0] > 0.999


def _nothing(features: FrameFeatures) -> Tensor:
    return features.grid.new_zeros(features.grid.shape[0])
