"""The expected J of a mask that was decoded from points or a box.

A backbone's predicted IoU ranks the candidates of one prompt; between prompts it says little. More is said by
whether the candidates agree on what was meant, where the clicks lie in the mask, and how large it is: what
went wrong has most often run into the background. Weights are fitted per backbone and kind of prompt by
``training/confidence``; ``docs/confidence.md`` says how well they predict J.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from ..ops.monotone_logistic import MonotoneLogistic
from ..prompts import Prompt

Masks = NDArray[np.bool_]
Models = Mapping[str, MonotoneLogistic]
"""By kind of prompt: ``box`` or ``points``."""

LEAST_SHARE = 1e-4
"""Added to a mask's share of the image, whose logarithm is taken."""


def expected_quality(
    models: Models,
    prompt: Prompt,
    scores: NDArray[np.floating],
    candidates: Masks,
    mask: Masks,
) -> float:
    """Expected J in 0..1 of ``mask``, decoded from points, a box or both; 0 for an empty one.

    Args:
        models: of the backbone.
        prompt: what the user gave; without a rough mask, for which nothing is fitted.
        scores: (K,) predicted IoU of the candidates decoded from the prompt alone.
        candidates: (K, h, w) bool, at any resolution.
        mask: (H, W) bool, of the size of the image, after refinement.
    """
    if not mask.any():
        return 0.0
    signals = decoding_signals(prompt, scores, candidates, mask)
    return models["points" if prompt.box is None else "box"](signals)


def decoding_signals(
    prompt: Prompt,
    scores: NDArray[np.floating],
    candidates: Masks,
    mask: Masks,
) -> dict[str, float]:
    """What speaks for a decoded mask that is not empty; arguments as for :func:`expected_quality`.

    ``score``: the best predicted IoU. ``agreement``: mean IoU of two candidates. ``depth``: of the first
    positive click, 1 at the mask's deepest point; 0 without clicks. ``smallness``: minus the logarithm of the
    mask's share of the image.
    """
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    depth = depth / depth.max()
    return {
        "score": float(np.max(scores)),
        "agreement": _agreement(candidates),
        "depth": _depth_of_click(prompt, depth),
        "smallness": -float(np.log(mask.mean() + LEAST_SHARE)),
    }


def _agreement(candidates: Masks) -> float:
    """Mean IoU of the pairs of (K, h, w) masks; 1 for a single one."""
    flat = candidates.reshape(len(candidates), -1).astype(np.float32)
    shared = flat @ flat.T
    areas = np.diag(shared)
    iou = shared / np.maximum(areas[:, None] + areas[None] - shared, 1)
    pairs = np.triu_indices(len(flat), 1)
    return float(iou[pairs].mean()) if len(pairs[0]) else 1.0


def _depth_of_click(prompt: Prompt, depth: NDArray[np.float32]) -> float:
    if prompt.points is None or prompt.labels is None or not (prompt.labels == 1).any():
        return 0.0
    x, y = prompt.points[prompt.labels == 1][0]
    row = int(np.clip(round(float(y)), 0, depth.shape[0] - 1))
    column = int(np.clip(round(float(x)), 0, depth.shape[1] - 1))
    return float(depth[row, column])
