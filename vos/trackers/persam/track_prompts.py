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
    """Room around the expected box, as a fraction of its mean side."""
    margin_pixels: int = 6
    """Room added to that, pixels."""
    positive_points: int = 1
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
    trust: float
    """In 0..1: how well flow warped the object."""


def track_prompt(
    features: FrameFeatures,
    belief: Tensor,
    embedding: Tensor,
    expected: NDArray[np.float32] | None,
    trust: float,
    settings: TrackPromptSettings,
) -> TrackPrompt:
    """Prompts for one object.

    Args:
        features: of the frame.
        belief: (h, w) similarity on the feature grid, by whatever measure; its order is what counts.
        embedding: (C,) the target embedding, not normalised.
        expected: (H, W) float32 in 0..1, the last mask warped to this frame; None for a lost object, which
            is looked for in the whole frame.
        trust: how well it was warped.
    """
    size = features.image_size
    prior = location_prior(belief, size)
    inside = None if expected is None else expected > 0.5
    box = None if inside is None else tight_box(inside)
    if expected is None or inside is None or box is None:
        asked = _points(prior, prior, settings)
        return TrackPrompt(asked, asked, _guidance(belief, embedding, settings), None, 0.0)
    around = _around(box, size, settings)
    if not settings.warped_mask:
        centre = np.array([[(around[0] + around[2]) // 2, (around[1] + around[3]) // 2]], np.float32)
        points = np.concatenate([positive_points(prior, settings.positive_points).cpu().numpy(), centre])
        asked = Prompt(points.astype(np.float32), np.ones(len(points), np.int64))
        first = Prompt(asked.points, asked.labels, np.asarray(around, np.float32))
    else:
        asked = _points(*_near(prior, expected, around), settings)
        first = Prompt(asked.points, asked.labels, np.asarray(around, np.float32), inside)
    return TrackPrompt(first, asked, _guidance(belief, embedding, settings), inside, trust)


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


def _guidance(belief: Tensor, embedding: Tensor, settings: TrackPromptSettings) -> Guidance | None:
    if not (settings.guided_attention or settings.semantic_prompt):
        return None
    return Guidance(
        similarity=belief if settings.guided_attention else None,
        embedding=embedding if settings.semantic_prompt else None,
    )
