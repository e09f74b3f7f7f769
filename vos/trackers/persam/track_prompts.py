"""Prompts for each tracked object in a frame, from its memory and motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...backbones.base import FrameFeatures, Guidance
from ...ops.boxes import tight_box
from ...prompts import Prompt
from .as_published import expand_box
from .location_prior import location_prior, negative_points, positive_points

SPREAD = 0.15
"""Uncertainty of a warped mask, as a fraction of the object's size."""


@dataclass(frozen=True)
class TrackPromptSettings:
    """How prompts are made of similarity and motion."""

    RENAMED: ClassVar = {"carried_mask": "warped_mask"}

    warped_mask: bool = True
    """Give the mask warped by optical flow as mask prompt and as motion prior; else, as published, only the
    box of the last mask and its centre."""
    margin: float = 0.1
    """Margin around the expected box, as a fraction of its mean side."""
    margin_pixels: int = 6
    """Pixels added to that margin."""
    positive_points: int = 1
    """Points on the object, at the places most like it."""
    negative_point: bool = False
    """Mark the place near the object that is least like it (PerSAM: of the whole image)."""
    guided_attention: bool = True
    """Bias the attention of the first pass by similarity (PerSAM's target-guided attention)."""
    semantic_prompt: bool = True
    """Add the target embedding to the tokens of the first pass (PerSAM's target-semantic prompting)."""

    def __post_init__(self) -> None:
        if self.positive_points < 1:
            raise ValueError(f"positive_points must be at least 1, got {self.positive_points}")
        if self.margin < 0 or self.margin_pixels < 0:
            raise ValueError(f"margins must not be negative, got {self.margin}, {self.margin_pixels}")


@dataclass(frozen=True, eq=False)
class TrackPrompt:
    """The decoder's prompts for one object."""

    first: Prompt
    """Of the first pass: points, and for a visible object box and mask."""
    points: Prompt
    """The part of it that later passes keep."""
    guidance: Guidance | None
    expected: NDArray[np.bool_] | None
    """(H, W) where motion says that the object is; None for one that is lost."""
    warp_quality: float
    """In 0..1: how well flow warped the object."""


def track_prompt(
    features: FrameFeatures,
    similarity: Tensor,
    embedding: Tensor,
    expected: NDArray[np.float32] | None,
    warp_quality: float,
    settings: TrackPromptSettings,
) -> TrackPrompt:
    """Prompts for one object.

    Args:
        features: of the frame.
        similarity: (h, w) on the feature grid, by any measure: only its order is used.
        embedding: (C,) the target embedding, not normalised.
        expected: (H, W) float32 in 0..1, the last mask warped to this frame; None for a lost object, which
            is looked for in the whole frame.
        warp_quality: how well it was warped.
    """
    size = features.image_size
    prior = location_prior(similarity, size)
    inside = None if expected is None else expected > 0.5
    box = None if inside is None else tight_box(inside)
    if expected is None or inside is None or box is None:
        points_prompt = _points(prior, prior, settings)
        return TrackPrompt(
            points_prompt, points_prompt, _guidance(similarity, embedding, settings), None, 0.0
        )
    around = _around(box, size, settings)
    if not settings.warped_mask:
        centre = np.array([[(around[0] + around[2]) // 2, (around[1] + around[3]) // 2]], np.float32)
        points = np.concatenate([positive_points(prior, settings.positive_points).cpu().numpy(), centre])
        points_prompt = Prompt(points.astype(np.float32), np.ones(len(points), np.int64))
        first = Prompt(points_prompt.points, points_prompt.labels, np.asarray(around, np.float32))
    else:
        points_prompt = _points(*_near(prior, expected, around), settings)
        first = Prompt(points_prompt.points, points_prompt.labels, np.asarray(around, np.float32), inside)
    return TrackPrompt(first, points_prompt, _guidance(similarity, embedding, settings), inside, warp_quality)


def _around(
    box: tuple[int, int, int, int], size: tuple[int, int], settings: TrackPromptSettings
) -> tuple[int, ...]:
    """The box with room around it, inside the image."""
    side = (box[2] - box[0] + box[3] - box[1]) / 2 + 1
    room = round(settings.margin * side) + settings.margin_pixels
    x0, y0, x1, y1 = expand_box(box, room, size)
    return x0, y0, min(x1, size[1] - 1), min(y1, size[0] - 1)


def _near(prior: Tensor, expected: NDArray[np.float32], around: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Priors for positive and for negative points, both (H, W): near where motion says, and next to it."""
    x0, y0, x1, y1 = around
    sigma = max(1.0, SPREAD * float(np.sqrt(expected.sum())))
    motion = prior.new_tensor(cv2.GaussianBlur(expected, (0, 0), sigma))
    lowest = prior.min()
    likely = (prior - lowest) * motion
    beside = prior.new_full(prior.shape, float("inf"))
    window = slice(y0, y1 + 1), slice(x0, x1 + 1)
    beside[window] = (prior - lowest)[window] + (prior.max() - lowest) * motion[window]
    return likely, beside


def _points(likely: Tensor, unlikely: Tensor, settings: TrackPromptSettings) -> Prompt:
    """Points where ``likely`` is highest and, if wanted, one where ``unlikely`` is lowest."""
    points = positive_points(likely, settings.positive_points).cpu().numpy()
    labels = np.ones(len(points), np.int64)
    if settings.negative_point:
        points = np.concatenate([points, negative_points(unlikely, 1).cpu().numpy()])
        labels = np.append(labels, 0)
    return Prompt(points.astype(np.float32), labels)


def _guidance(similarity: Tensor, embedding: Tensor, settings: TrackPromptSettings) -> Guidance | None:
    if not (settings.guided_attention or settings.semantic_prompt):
        return None
    return Guidance(
        similarity=similarity if settings.guided_attention else None,
        embedding=embedding if settings.semantic_prompt else None,
    )
