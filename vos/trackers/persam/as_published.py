"""The published PerSAM and PerSAM-F video scripts, quirks included.

This engine is for comparing with published numbers. What it copies knowingly: targets come from the first
frame alone; "largest" compares areas modulo 256; when an object vanishes the later ones move up a slot and
carry on with another object's target, for good; a target too small for the grid has NaN for a vector.
Where the scripts would crash, for want of a box around an empty mask, it continues as
:func:`vos.backbones.refinement.refine` does; an empty mask of the last call is its result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...backbones.base import Backbone, Candidates, FrameFeatures
from ...backbones.refinement import Box, RefinementPass, feed_back, keep, keep_best, keep_mix, refine
from ...backbones.scale_weights import ScaleWeights, fit_scale_weights
from ...frame import Frame
from ...ops.boxes import tight_box
from ...ops.overlap import logits_to_labels
from ...prompts import Prompt
from ...results import FrameResult, Labels
from ..base import TrackerInfo
from ..mask_tracker import MaskPrompts, MaskTracker, check_size
from .feature_geometry import FeatureGeometry, ReferenceGeometry
from .location_prior import positive_points

if TYPE_CHECKING:
    from ...backbones.sam.backbone import SamBackbone


@dataclass(frozen=True)
class PublishedPersamSettings:
    """Arguments of the published video scripts; what is None has their default, with and without ``tune``."""

    tune: bool = False
    """PerSAM-F: fit two scale weights per object on the first frame."""
    top_k: int | None = None
    """Most similar pixels used as points: 2, and 1 with ``tune``."""
    foreground: int = 215
    """Red value of the mask image that selects the cells of a target."""
    margin: int = 10
    """Pixels by which the last box grows on each side."""
    tune_steps: int = 800
    """Steps of the fit of PerSAM-F."""
    learning_rate: float = 4e-4
    """Of the fit of PerSAM-F."""

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, got {self.top_k}")
        if not 0 <= self.foreground <= 255:
            raise ValueError(f"foreground must be in 0..255, got {self.foreground}")
        if self.tune_steps < 1 or self.learning_rate <= 0:
            raise ValueError(
                "tune_steps must be at least 1 and learning_rate must be positive, got "
                f"{self.tune_steps} and {self.learning_rate}"
            )

    @property
    def points(self) -> int:
        """Most similar pixels used as points."""
        return self.top_k or (1 if self.tune else 2)


@dataclass(frozen=True, eq=False)
class PublishedPersamTarget:
    """The target of one object, learned from the first frame."""

    object_id: int
    direction: Tensor
    """(C,) unit length; NaN where the object covers no cell."""
    support: int
    """Cells under the mask."""
    weights: Tensor | None
    """(3,) scale weights of PerSAM-F."""
    fit: ScaleWeights | None = None
    """How they were found; None after a restart."""


@dataclass(frozen=True, eq=False)
class PublishedPersamState:
    """All that a step needs from the frames before."""

    targets: tuple[PublishedPersamTarget, ...]
    boxes: tuple[Box, ...]
    """Of the labels that occur, without gaps: after a loss they no longer belong to their slots."""
    known: tuple[int, ...]
    labels: Labels
    """(H, W) of the newest frame."""
    scores: Mapping[int, float]
    """Decoder's predicted quality by id, 0..1; 0 for a slot not in use."""

    def seen(self, labels: Labels) -> PublishedPersamState:
        """The state after a frame with these labels."""
        boxes = (tight_box(labels == target.object_id) for target in self.targets)
        return replace(self, labels=labels, boxes=tuple(box for box in boxes if box is not None))


@dataclass(frozen=True, eq=False)
class Slots:
    """What one frame gave, for each of the slots in use."""

    similarity: Tensor
    """(N, g, g) cosine similarity."""
    priors: Tensor
    """(N, H, W) location priors."""
    prompts: tuple[Prompt, ...]
    """Points and expanded box of the first call."""
    passes: tuple[RefinementPass, ...]
    """The three calls, N objects each."""


class PublishedPersamTracker(MaskTracker[PublishedPersamState]):
    """PerSAM (or, with ``tune``, PerSAM-F) on video, as published."""

    def __init__(
        self,
        backbone: Backbone,
        settings: PublishedPersamSettings | None = None,
        view: FeatureGeometry | None = None,
    ) -> None:
        """``view``: how features are read, for backbones other than SAM; there it is the reference's."""
        super().__init__()
        self.backbone = backbone
        self.settings = settings or PublishedPersamSettings()
        if view is None:
            view = ReferenceGeometry(cast("SamBackbone", backbone), self.settings.foreground)
        self.view = view

    @property
    def info(self) -> TrackerInfo:
        """See :class:`~vos.trackers.base.Tracker`."""
        device = str(self.backbone.device)
        return TrackerInfo(self.settings, device=device, backbone=self.backbone)

    @torch.inference_mode()
    def _learn(
        self, state: PublishedPersamState | None, frame: Frame, prompts: MaskPrompts
    ) -> PublishedPersamState:
        """The scripts know no corrections: the run starts again from this frame with the corrected masks."""
        labels, ids = prompts.labels, prompts.ids
        if state is not None:
            labels, ids = prompts.over(state.labels), tuple(sorted({*state.known, *prompts.ids}))
        return self.learned(self.backbone.encode(frame.image), labels, ids)

    @torch.inference_mode()
    def _advance(self, state: PublishedPersamState, frame: Frame) -> PublishedPersamState:
        check_size(frame, state.labels.shape)
        features = self.backbone.encode(frame.image)
        slots = self.follow(features, state)
        scores = dict.fromkeys(state.known, 0.0)
        if slots is not None:
            for target, score in zip(state.targets, slots.passes[-1].scores.tolist(), strict=False):
                scores[target.object_id] = min(max(score, 0.0), 1.0)
        return replace(state.seen(merge(slots, state.targets, features.image_size)), scores=scores)

    def _without(self, state: PublishedPersamState, object_id: int) -> PublishedPersamState:
        targets = tuple(target for target in state.targets if target.object_id != object_id)
        known = tuple(known for known in state.known if known != object_id)
        labels = np.where(state.labels == object_id, 0, state.labels).astype(state.labels.dtype)
        scores = {k: score for k, score in state.scores.items() if k != object_id}
        return replace(state, targets=targets, known=known, scores=scores).seen(labels)

    def _known(self, state: PublishedPersamState) -> tuple[int, ...]:
        return state.known

    def _result(self, state: PublishedPersamState, frame: Frame) -> FrameResult:
        return FrameResult(frame.index, state.labels.copy(), state.scores)

    @torch.inference_mode()
    def learned(self, features: FrameFeatures, labels: Labels, ids: Sequence[int]) -> PublishedPersamState:
        """The state after learning the objects that cover a pixel; slots follow their ids, ascending."""
        targets = tuple(self._target(features, labels == i, i) for i in ids if (labels == i).any())
        state = PublishedPersamState(targets, (), tuple(ids), labels, dict.fromkeys(ids, 1.0))
        return state.seen(labels)

    def _target(
        self, features: FrameFeatures, mask: NDArray[np.bool_], object_id: int
    ) -> PublishedPersamTarget:
        cells = self.view.cells(features, mask)
        columns = self.view.columns(features)[:, cells]
        support = columns.shape[1]
        if support:
            vector = columns.max(dim=1).values / 2 + columns.mean(dim=1) / 2
            direction = vector / vector.norm()
        else:
            direction = columns.new_full((len(columns),), torch.nan)
        target = PublishedPersamTarget(object_id, direction, support, None)
        if not self.settings.tune:
            return target
        prompt, _, _ = self.first_prompt(features, target, mask)
        logits = self.backbone.decode(features, [prompt]).logits[0]
        truth, settings = torch.from_numpy(mask).to(logits.device), self.settings
        fit = fit_scale_weights(
            logits, truth, steps=settings.tune_steps, learning_rate=settings.learning_rate
        )
        return replace(target, weights=fit.weights, fit=fit)

    def first_prompt(
        self, features: FrameFeatures, target: PublishedPersamTarget, mask: NDArray[np.bool_]
    ) -> tuple[Prompt, Tensor, Tensor]:
        """The prompt of the fit, from the true (H, W) mask, with its similarity (g, g) and prior (H, W)."""
        box = tight_box(mask)
        assert box is not None
        return self._prompt(features, target.direction, box)

    @torch.inference_mode()
    def follow(self, features: FrameFeatures, state: PublishedPersamState) -> Slots | None:
        """The three calls of every slot in use, all slots in one batch; None where no slot is left."""
        used = list(zip(state.targets, state.boxes, strict=False))
        if not used:
            return None
        seen = [self._prompt(features, target.direction, box) for target, box in used]
        prompts = tuple(prompt for prompt, _, _ in seen)
        points = [Prompt(points=p.points, labels=p.labels) for p in prompts]
        decode = partial(self.backbone.decode, features)
        if self.settings.tune:
            weights = torch.stack([t.weights for t, _ in used if t.weights is not None])
            first = keep_mix(decode(prompts), weights)
            second = refine(self.backbone, features, points, first)
        else:
            candidates = decode(prompts)
            first = keep(candidates, _largest_modulo_256(candidates))
            fed = [feed_back(p, z, None) for p, z in zip(points, first.low_res, strict=True)]
            second = keep_best(decode(fed))
        third = refine(self.backbone, features, points, second, accept_empty=True)
        similarity, priors = (torch.stack(maps) for maps in list(zip(*seen, strict=True))[1:])
        return Slots(similarity, priors, prompts, (first, second, third))

    def _prompt(self, features: FrameFeatures, direction: Tensor, box: Box) -> tuple[Prompt, Tensor, Tensor]:
        """The first call's prompt, the similarity (g, g) and the prior (H, W) it comes from."""
        similarity = self.view.similarity(features, direction)
        prior = self.view.prior(features, similarity)
        expanded = expand_box(box, self.settings.margin, features.image_size)
        centre = torch.tensor([[(expanded[0] + expanded[2]) // 2, (expanded[1] + expanded[3]) // 2]])
        points = torch.cat([positive_points(prior, self.settings.points).cpu(), centre]).numpy()
        prompt = Prompt(
            points=points.astype(np.float32),
            labels=np.ones(len(points), dtype=np.int64),
            box=np.array(expanded, dtype=np.float32),
        )
        return prompt, similarity, prior

    def _to_dict(self, state: PublishedPersamState) -> dict[str, Any]:
        return {
            "targets": [
                {
                    "object_id": target.object_id,
                    "direction": target.direction.cpu().numpy(),
                    "support": target.support,
                    "weights": None if target.weights is None else target.weights.cpu().numpy(),
                }
                for target in state.targets
            ],
            "boxes": [list(box) for box in state.boxes],
            "known": list(state.known),
            "labels": state.labels,
            "scores": dict(state.scores),
        }

    def _from_dict(self, state: dict[str, Any]) -> PublishedPersamState:
        targets = tuple(
            PublishedPersamTarget(
                target["object_id"],
                self._tensor(target["direction"]),
                target["support"],
                None if target["weights"] is None else self._tensor(target["weights"]),
            )
            for target in state["targets"]
        )
        boxes = tuple((box[0], box[1], box[2], box[3]) for box in state["boxes"])
        return PublishedPersamState(targets, boxes, tuple(state["known"]), state["labels"], state["scores"])

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.backbone.device)


def merge(
    slots: Slots | None, targets: Sequence[PublishedPersamTarget], image_size: tuple[int, int]
) -> Labels:
    """(H, W) labels: the highest logits of a pixel, background at 0; the lower slot of equals."""
    if slots is None:
        return np.zeros(image_size, dtype=np.uint8)
    planes = slots.passes[-1].logits.cpu().numpy()
    return logits_to_labels(planes, [target.object_id for target in targets[: len(planes)]])


def expand_box(box: Sequence[int], margin: int, image_size: tuple[int, int]) -> Box:
    """``box`` (x0, y0, x1, y1) grown by ``margin``, within 0..W and 0..H (not W - 1: as in the scripts)."""
    height, width = image_size
    x0, y0, x1, y1 = box
    return max(x0 - margin, 0), max(y0 - margin, 0), min(x1 + margin, width), min(y1 + margin, height)


def _largest_modulo_256(candidates: Candidates) -> Tensor:
    """(N,) int64: the candidate of the "largest" area, which the scripts count in eight bits."""
    areas = (candidates.logits > 0).flatten(2).sum(dim=2)
    return (areas % 256).argmax(dim=1)
