"""PerSAM and PerSAM-F on images: learn a target from one image and its mask, find it in others.

Source: Zhang et al. 2023, Personalize Segment Anything Model with One Shot (arXiv:2305.03048).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...backbones.base import Backbone, FrameFeatures, Guidance
from ...backbones.refinement import RefinementPass, keep_best, keep_mix, refine
from ...backbones.scale_weights import ScaleWeights, fit_scale_weights
from ...errors import PromptError
from ...prompts import Prompt
from .feature_geometry import AlignedGeometry, FeatureGeometry, ReferenceGeometry
from .location_prior import negative_points, positive_points
from .target_embedding import TargetEmbedding, embed_target


@dataclass(frozen=True)
class PersamSettings:
    """The switches of the paper's ablation, and the fit of PerSAM-F."""

    negative_point: bool = True
    """Prompt with the least similar point too (training-free only)."""
    guided_attention: bool = True
    """Bias the attention of the first pass by similarity (training-free only)."""
    semantic_prompt: bool = True
    """Add the target embedding to the tokens of the first pass (training-free only)."""
    refinement: int = 2
    """Passes after the first: 0 to 2."""
    tune: bool = False
    """PerSAM-F: fit two scale weights on the reference image."""
    tune_steps: int = 1000
    """Steps of that fit, as published."""
    learning_rate: float = 1e-3
    """Of that fit, as published."""

    def __post_init__(self) -> None:
        if not 0 <= self.refinement <= 2:
            raise ValueError(f"refinement must be 0, 1 or 2, got {self.refinement}")
        if self.tune_steps < 1:
            raise ValueError(f"tune_steps must be at least 1, got {self.tune_steps}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")


@dataclass(frozen=True, eq=False)
class LearnedTarget:
    """What is known of a target from its reference image."""

    embedding: TargetEmbedding
    """Mean of the features under the mask; with ``tune`` half of it, and half the maximum."""
    fit: ScaleWeights | None
    """PerSAM-F's weights; None without ``tune``."""


@dataclass(frozen=True, eq=False)
class TargetMatch:
    """What one image gave."""

    similarity: Tensor
    """(h, w) cosine similarity on the grid of the view."""
    prior: Tensor
    """(H, W) location prior."""
    prompt: Prompt
    """The points of every pass."""
    guidance: Guidance | None
    passes: tuple[RefinementPass, ...]
    """Of one object each, first to last."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W) bool: the result. Empty if no pass found anything."""
        return self.passes[-1].masks[0]

    @property
    def score(self) -> float:
        """Predicted quality of the result, not bounded."""
        return float(self.passes[-1].scores[0])


@torch.inference_mode()
def learn_target(
    backbone: Backbone,
    features: FrameFeatures,
    mask: NDArray[np.bool_],
    settings: PersamSettings | None = None,
    view: FeatureGeometry | None = None,
) -> LearnedTarget:
    """The target under the (H, W) bool ``mask`` of the reference image that ``features`` are of.

    Raises:
        PromptError: if the mask is empty, has another size than the image, or covers no grid cell.
    """
    settings, view = settings or PersamSettings(), view or AlignedGeometry()
    if mask.shape != features.image_size:
        raise PromptError(
            f"the reference mask is {mask.shape[1]}x{mask.shape[0]} pixels, "
            f"its image {features.image_size[1]}x{features.image_size[0]}; they must be of one size"
        )
    if not mask.any():
        raise PromptError("the reference mask is empty; mark the target with values above 0")
    cells = view.cells(features, mask)
    embedding = embed_target(view.columns(features), cells, "max_mean" if settings.tune else "mean")
    if embedding.support == 0:
        raise PromptError(
            f"the target ({int(mask.sum())} of {mask.size} pixels) covers no cell of the feature grid; "
            "use a larger view of it as reference"
        )
    if not settings.tune:
        return LearnedTarget(embedding, None)
    prior = view.prior(features, view.similarity(features, embedding.direction))
    logits = backbone.decode(features, [_point_prompt(prior)]).logits[0]
    target = torch.from_numpy(mask).to(logits.device)
    fit = fit_scale_weights(logits, target, steps=settings.tune_steps, learning_rate=settings.learning_rate)
    return LearnedTarget(embedding, fit)


@torch.inference_mode()
def find_target(
    backbone: Backbone,
    features: FrameFeatures,
    target: LearnedTarget,
    settings: PersamSettings | None = None,
    view: FeatureGeometry | None = None,
    exclude: NDArray[np.bool_] | None = None,
) -> TargetMatch:
    """The target in the image that ``features`` are of.

    In the (H, W) bool region ``exclude`` nothing counts as similar: what was found there is not found again.
    """
    settings, view = settings or PersamSettings(), view or AlignedGeometry()
    similarity = view.similarity(features, target.embedding.direction)
    whole = prior = view.prior(features, similarity)
    if exclude is not None:
        similarity = similarity.masked_fill(view.cells(features, exclude), float(similarity.min()))
        region = torch.from_numpy(exclude).to(prior.device)
        prior = view.prior(features, similarity).masked_fill(region, float(prior.min()))
    if target.fit is not None:
        prompt, guidance = _point_prompt(prior), None
        passes = [keep_mix(backbone.decode(features, [prompt]), target.fit.weights[None])]
    else:
        # The least similar pixel is one of the background, not of a region that was taken out.
        prompt = _point_prompt(prior, whole if settings.negative_point else None)
        guidance = view.guidance(
            similarity if settings.guided_attention else None,
            prior,
            target.embedding.vector if settings.semantic_prompt else None,
        )
        first = backbone.decode(features, [prompt], guidance=[guidance], multimask=False)
        passes = [keep_best(first)]
    for step in range(settings.refinement):
        # PerSAM's second pass has no box yet; PerSAM-F has one from the start.
        use_box = step > 0 or target.fit is not None
        # No box is made of the last mask, so the published program has no trouble if it is empty.
        as_published = isinstance(view, ReferenceGeometry) and step == settings.refinement - 1
        passes.append(
            refine(backbone, features, [prompt], passes[-1], use_box=use_box, accept_empty=as_published)
        )
    return TargetMatch(similarity, prior, prompt, guidance, tuple(passes))


def _point_prompt(prior: Tensor, negative: Tensor | None = None) -> Prompt:
    """The highest pixel of ``prior`` and, where given, the lowest one of ``negative``; both are (H, W)."""
    points, labels = positive_points(prior, 1), [1]
    if negative is not None:
        points, labels = torch.cat([points, negative_points(negative, 1)]), [1, 0]
    return Prompt(points=points.cpu().numpy().astype(np.float32), labels=np.array(labels, dtype=np.int64))
