"""The published PerSAM and PerSAM-F video scripts, quirks included (sections 7 and 8).

This engine is for comparing with published numbers. What it copies knowingly: targets come from the first
frame alone; "largest" compares areas modulo 256; when an object vanishes the later ones move up a slot and
carry on with another object's target, for good; a target too small for the grid has NaN for a vector.
Where the scripts would crash, on an empty mask, it goes on as :mod:`.refine` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..frame import Frame
from ..masks import Segmentation, tight_box
from ..matching.location_prior import positive_points
from ..matching.scale_weights import ScaleWeights, fit_scale_weights
from ..prompt import Prompt
from ..segmenters.base import Candidates, FrameFeatures, Segmenter
from .refine import Box, Pass, feed_back, keep, keep_best, keep_mix, refine
from .views import ReferenceView, View

if TYPE_CHECKING:
    from ..segmenters.sam import SamSegmenter


@dataclass(frozen=True)
class ParitySettings:
    """Arguments of the published video scripts; what is None has their default, with and without ``tune``."""

    tune: bool = False
    """PerSAM-F: fit two scale weights per object on the first frame."""
    top_k: int | None = None
    """Most similar pixels used as points: 2, and 1 with ``tune``."""
    foreground: int = 215
    """Red value of the mask picture that selects the cells of a target."""
    margin: int = 10
    """Pixels by which the last box grows on each side."""
    tune_steps: int = 800
    learning_rate: float = 4e-4

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, got {self.top_k}")
        if not 0 <= self.foreground <= 255:
            raise ValueError(f"foreground must be in 0..255, got {self.foreground}")

    @property
    def points(self) -> int:
        """Most similar pixels used as points."""
        return self.top_k or (1 if self.tune else 2)


@dataclass(frozen=True, eq=False)
class ParityTarget:
    """What the first frame said of one object."""

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
class Slots:
    """What one frame gave, for each of the slots in use."""

    similarity: Tensor
    """(N, g, g) cosine similarity."""
    priors: Tensor
    """(N, H, W) location priors."""
    prompts: tuple[Prompt, ...]
    """Points and expanded box of the first call."""
    passes: tuple[Pass, ...]
    """The three calls, N objects each."""


class ParityTracker:
    """PerSAM (or, with ``tune``, PerSAM-F) on video, as published."""

    def __init__(
        self, segmenter: Segmenter, settings: ParitySettings | None = None, view: View | None = None
    ) -> None:
        """``view``: how features are read, for segmenters other than SAM; there it is the reference's."""
        self.segmenter = segmenter
        self.settings = settings or ParitySettings()
        if view is None:
            view = ReferenceView(cast("SamSegmenter", segmenter), self.settings.foreground)
        self.view = view
        self.targets: tuple[ParityTarget, ...] = ()
        self._boxes: tuple[Box, ...] = ()
        self._known: tuple[int, ...] = ()

    @torch.inference_mode()
    def begin(self, frame: Frame, given: Segmentation) -> Segmentation:
        """Learn the objects that cover a pixel of the first frame; slots follow their ids, ascending."""
        self.start(self.segmenter.encode(frame.image), given)
        return Segmentation(frame.index, given.labels, dict.fromkeys(given.ids, 1.0))

    @torch.inference_mode()
    def step(self, frame: Frame, given: Segmentation | None = None) -> Segmentation:
        """Segment the next frame.

        The scripts know no corrections: where ``given`` has any, the run starts anew from this frame with
        the corrected masks.
        """
        features = self.segmenter.encode(frame.image)
        slots = self.follow(features)
        labels = self.merge(slots, features.image_size)
        scores = dict.fromkeys(self._known, 0.0)
        if slots is not None:
            for target, score in zip(self.targets, slots.passes[-1].scores.tolist(), strict=False):
                scores[target.object_id] = min(max(score, 0.0), 1.0)
        if given is not None:
            labels = np.where(np.isin(labels, given.ids), 0, labels).astype(np.uint8)
            labels = np.where(given.labels > 0, given.labels, labels)
            scores |= dict.fromkeys(given.ids, 1.0)
            self.start(features, Segmentation(frame.index, labels, scores))
        else:
            self.remember(labels)
        return Segmentation(frame.index, labels, scores)

    @torch.inference_mode()
    def start(self, features: FrameFeatures, given: Segmentation) -> None:
        """Forget all that went before; learn the objects that ``given`` shows in this image."""
        present = [i for i in given.ids if given.mask(i).any()]
        self.targets = tuple(self._learn(features, given.mask(i), i) for i in present)
        self._known = given.ids
        self.remember(given.labels)

    def _learn(self, features: FrameFeatures, mask: NDArray[np.bool_], object_id: int) -> ParityTarget:
        cells = self.view.cells(features, mask)
        columns = self.view.columns(features)[:, cells]
        support = columns.shape[1]
        if support:
            vector = columns.max(dim=1).values / 2 + columns.mean(dim=1) / 2
            direction = vector / vector.norm()
        else:
            direction = columns.new_full((len(columns),), torch.nan)
        target = ParityTarget(object_id, direction, support, None)
        if not self.settings.tune:
            return target
        prompt, _, _ = self.first_prompt(features, target, mask)
        logits = self.segmenter.decode(features, [prompt]).logits[0]
        truth, settings = torch.from_numpy(mask).to(logits.device), self.settings
        fit = fit_scale_weights(
            logits, truth, steps=settings.tune_steps, learning_rate=settings.learning_rate
        )
        return replace(target, weights=fit.weights, fit=fit)

    def first_prompt(
        self, features: FrameFeatures, target: ParityTarget, mask: NDArray[np.bool_]
    ) -> tuple[Prompt, Tensor, Tensor]:
        """The prompt of the fit, from the true (H, W) mask, with its similarity (g, g) and prior (H, W)."""
        box = tight_box(mask)
        assert box is not None
        return self._prompt(features, target.direction, box)

    @torch.inference_mode()
    def follow(self, features: FrameFeatures) -> Slots | None:
        """The three calls of every slot in use, all slots in one batch; None where no slot is left."""
        used = list(zip(self.targets, self._boxes, strict=False))
        if not used:
            return None
        seen = [self._prompt(features, target.direction, box) for target, box in used]
        prompts = tuple(prompt for prompt, _, _ in seen)
        points = [Prompt(points=p.points, labels=p.labels) for p in prompts]
        decode = partial(self.segmenter.decode, features)
        if self.settings.tune:
            weights = torch.stack([t.weights for t, _ in used if t.weights is not None])
            first = keep_mix(decode(prompts), weights)
            second = refine(self.segmenter, features, points, first)
        else:
            candidates = decode(prompts)
            first = keep(candidates, _largest_modulo_256(candidates))
            fed = [feed_back(p, z, None) for p, z in zip(points, first.low_res, strict=True)]
            second = keep_best(decode(fed))
        third = refine(self.segmenter, features, points, second)
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

    def merge(self, slots: Slots | None, image_size: tuple[int, int]) -> NDArray[np.uint8]:
        """(H, W) uint8 labels: the highest logits of a pixel, background at 0; the lower slot of equals."""
        if slots is None:
            return np.zeros(image_size, dtype=np.uint8)
        planes = slots.passes[-1].logits
        winner = torch.cat([torch.zeros_like(planes[:1]), planes]).argmax(dim=0)
        names = torch.tensor([0, *(target.object_id for target in self.targets)], dtype=torch.uint8)
        labels: NDArray[np.uint8] = names[winner.cpu()].numpy()
        return labels

    def remember(self, labels: NDArray[np.uint8]) -> None:
        """Boxes of the labels that occur, without gaps: after a loss they no longer belong to their slots."""
        boxes = (tight_box(labels == target.object_id) for target in self.targets)
        self._boxes = tuple(box for box in boxes if box is not None)

    def get_state(self) -> dict[str, Any]:
        """Targets, boxes and known ids."""
        return {
            "targets": [
                {
                    "object_id": target.object_id,
                    "direction": target.direction.cpu().numpy(),
                    "support": target.support,
                    "weights": None if target.weights is None else target.weights.cpu().numpy(),
                }
                for target in self.targets
            ],
            "boxes": [list(box) for box in self._boxes],
            "known": list(self._known),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on exactly where ``get_state`` was taken."""
        self.targets = tuple(
            ParityTarget(
                target["object_id"],
                self._tensor(target["direction"]),
                target["support"],
                None if target["weights"] is None else self._tensor(target["weights"]),
            )
            for target in state["targets"]
        )
        self._boxes = tuple((box[0], box[1], box[2], box[3]) for box in state["boxes"])
        self._known = tuple(state["known"])

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.array(array)).to(getattr(self.segmenter, "device", "cpu"))


def expand_box(box: Sequence[int], margin: int, image_size: tuple[int, int]) -> Box:
    """``box`` (x0, y0, x1, y1) grown by ``margin``, within 0..W and 0..H (not W - 1: as in the scripts)."""
    height, width = image_size
    x0, y0, x1, y1 = box
    return max(x0 - margin, 0), max(y0 - margin, 0), min(x1 + margin, width), min(y1 + margin, height)


def _largest_modulo_256(candidates: Candidates) -> Tensor:
    """(N,) int64: the candidate of the "largest" area, which the scripts count in eight bits."""
    areas = (candidates.logits > 0).flatten(2).sum(dim=2)
    return (areas % 256).argmax(dim=1)
