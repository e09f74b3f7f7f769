"""A promptable backbone without learned weights: minimum cuts over regions, and a ranking of hypotheses.

It takes points, boxes, masks and low-res logits, alone or together, on any CPU. Its assumptions are those of
perceptual grouping: an object has a contour of high contrast, differs in colour from its surroundings, is
compact, and lies where the prompt is. So it is good where colours separate objects and poor where semantics
are needed; ``docs/prompts.md`` has the numbers.

The steps, one module each: superpixels (``regions``) of a crop of the image at a suitable scale
(``working_crop``); unary terms from the prompt (``unary``); hypotheses that minimise an energy (``energy``,
``hypotheses``, ``contours``); their predicted quality (``quality``). The contour is that of the superpixels:
a pixel-level cut was measured to lower quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ...arrays import Bools, Floats
from ...ops.boxes import tight_box
from ...ops.monotone_logistic import load_models
from ...prompts import Prompt
from ..base import Candidates, FrameFeatures, Guidance
from ..expected_quality import Models
from ..image_crop import crop_box_around, low_res_of
from .features import dense_grid
from .hypotheses import search
from .quality import choose, predicted_quality
from .unary import unary_terms
from .working_crop import RegionCrop, crop_regions

IMAGE_PIXELS = 110_000
"""Pixels of the whole image at working scale."""
CROP_PIXELS = 60_000
"""Pixels of the crop around an object whose position is known."""
MARGIN = 0.35
"""Margin around a box or a mask, in mean sides of the box."""
PADDING = 1
"""Pixels added to that margin."""
LOGIT = 8.0
"""Logits well within (and off) the object."""
SOFTNESS = 1.0
"""Width in pixels at working scale over which logits fall along the contour."""


@dataclass(frozen=True, eq=False)
class GraphCutContext:
    """What :meth:`GraphCutBackbone.decode` needs of an image."""

    image: NDArray[np.uint8]
    whole: RegionCrop


class GraphCutBackbone:
    """A :class:`~vos.backbones.base.Backbone` without learned weights.

    With ``multimask`` there are three candidates, the three hypotheses that together most likely hold a good
    one, from small to large. Every candidate obeys the prompt: positive points are inside, negative ones
    outside, and nothing is outside the box. Scores are predicted IoUs. Guidance, where given, is another
    unary term; only its similarity is used.
    """

    accepts_guidance = True
    device = "cpu"

    @property
    def quality_models(self) -> Models:
        """For :func:`vos.backbones.expected_quality.expected_quality`."""
        return load_models("graph_cut")

    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """Features of an (H, W, 3) uint8 RGB image: regions at working scale and a grid for matching."""
        height, width = image.shape[:2]
        whole = crop_regions(image, (0, 0, width, height), IMAGE_PIXELS, zoom=1.0)
        grid = torch.from_numpy(dense_grid(whole.image))
        return FrameFeatures(grid, (height, width), GraphCutContext(image, whole), learned=False)

    @torch.inference_mode()
    def decode(
        self,
        features: FrameFeatures,
        prompts: Sequence[Prompt],
        *,
        guidance: Sequence[Guidance] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """Masks of every prompt: K = 3, or the best one alone without ``multimask``."""
        context: GraphCutContext = features.context
        height, width = features.image_size
        count = 3 if multimask else 1
        logits = np.empty((len(prompts), count, height, width), np.float32)
        scores = np.empty((len(prompts), count), np.float32)
        for row, prompt in enumerate(prompts):
            similarity = None if guidance is None else guidance[row].similarity
            logits[row], scores[row] = decode_one(
                context, prompt, None if similarity is None else similarity.cpu().float().numpy(), count
            )
        return Candidates(
            torch.from_numpy(logits), torch.from_numpy(low_res_of(logits)), torch.from_numpy(scores)
        )


def decode_one(
    context: GraphCutContext,
    prompt: Prompt,
    similarity: Floats | None,
    count: int,
) -> tuple[Floats, Floats]:
    """(count, H, W) logits of one prompt, from small to large, and their (count,) scores.

    Args:
        context: of the image.
        prompt: points, a box or a mask.
        similarity: (h, w) of a guide, on any grid over the image.
        count: candidates.
    """
    crop = _crop_for(context, prompt)
    terms = unary_terms(crop, prompt, similarity)
    found = search(crop.regions, terms)
    quality = predicted_quality(crop.regions, terms, found)
    picked = choose(crop.regions, found, quality, count)
    picked.sort(key=lambda k: float(found[k] @ crop.regions.area))
    logits = np.stack([mask_logits(crop, prompt, found[k][crop.regions.labels]) for k in picked])
    return logits, quality[picked]


def _crop_for(context: GraphCutContext, prompt: Prompt) -> RegionCrop:
    """The crop around the prompt; the whole image for points alone."""
    size = context.whole.image_size
    box = prompt.box
    if prompt.mask is not None or prompt.low_res is not None:
        box = _union(box, _extent(prompt, size))
    if box is None:
        return context.whole
    if prompt.points is not None:
        on = prompt.points[prompt.labels == 1]
        box = _union(box, np.concatenate([on.min(axis=0), on.max(axis=0)]) if len(on) else None)
    return crop_regions(context.image, crop_box_around(np.asarray(box), size, MARGIN, PADDING), CROP_PIXELS)


def _extent(prompt: Prompt, size: tuple[int, int]) -> NDArray[np.floating] | None:
    """The box of a mask or of low-res logits, in image pixels; None if they are empty."""
    if prompt.mask is not None:
        box = tight_box(prompt.mask)
        return None if box is None else np.asarray(box, np.float32)
    assert prompt.low_res is not None
    box = tight_box(prompt.low_res > 0)
    if box is None:
        return None
    (height, width), (high, wide) = size, prompt.low_res.shape
    x0, y0, x1, y1 = box
    return np.array(
        [x0 * width / wide, y0 * height / high, (x1 + 1) * width / wide - 1, (y1 + 1) * height / high - 1]
    )


def _union(
    one: NDArray[np.floating] | None, other: NDArray[np.floating] | None
) -> NDArray[np.floating] | None:
    """The smallest box around two."""
    if one is None or other is None:
        return other if one is None else one
    return np.concatenate([np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:])])


def mask_logits(crop: RegionCrop, prompt: Prompt, mask: Bools) -> Floats:
    """(H, W) logits of an (h, w) mask in crop pixels; the prompt is obeyed to the pixel."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SOFTNESS, borderType=cv2.BORDER_REPLICATE)
    logits = LOGIT * (2 * crop.to_image(soft, outside=0.0) - 1)
    height, width = logits.shape
    if prompt.box is not None:
        x0, y0, x1, y1 = (round(float(v)) for v in prompt.box)
        inside = np.zeros(logits.shape, bool)
        inside[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = True
        logits = np.where(inside, logits, np.minimum(logits, -LOGIT))
    if prompt.points is not None and prompt.labels is not None:
        for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
            pixel = int(np.clip(round(float(y)), 0, height - 1)), int(np.clip(round(float(x)), 0, width - 1))
            sign = 1 if label == 1 else -1
            logits[pixel] = sign * max(sign * float(logits[pixel]), 1.0)
    return logits.astype(np.float32)
