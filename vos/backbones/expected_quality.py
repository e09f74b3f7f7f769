"""The expected J of a mask that was decoded from points or a box.

A backbone's predicted IoU ranks the candidates of one prompt; between prompts it says little. More is said by
whether the candidates agree on what was meant, where the clicks lie in the mask, whether it reaches the sides
of the box, how large it is (what went wrong has most often run into the background), and whether colours
change along its whole contour. Weights are fitted per backbone and kind of prompt by ``training/confidence``;
``docs/confidence.md`` says how well they predict J.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Masks
from ..ops.boxes import box_iou, tight_box
from ..ops.monotone_logistic import MonotoneLogistic
from ..prompts import Prompt

Models = Mapping[str, MonotoneLogistic]
"""By kind of prompt, see :func:`kind_of`."""

LEAST_SHARE = 1e-4
"""Added to a mask's share of the image, whose logarithm is taken."""
CONTRAST_WINDOW = 15
"""Side in pixels of the windows whose mean colours are compared across the contour."""
WEAKEST = 0.2
"""Share of the contour, that of the least contrast, that decides on the contrast of a mask."""


def kind_of(prompt: Prompt) -> str:
    """``box`` (with or without points), ``click`` (a single point) or ``points`` (several)."""
    if prompt.box is not None:
        return "box"
    return "click" if prompt.points is not None and len(prompt.points) == 1 else "points"


def expected_quality(
    models: Models,
    prompt: Prompt,
    scores: NDArray[np.floating],
    candidates: Masks,
    mask: Masks,
    image: NDArray[np.uint8],
) -> float:
    """Expected J in 0..1 of ``mask``, decoded from points, a box or both; 0 for an empty one.

    Args:
        models: of the backbone.
        prompt: what the user gave; without a rough mask, for which nothing is fitted.
        scores: (K,) predicted IoU of the candidates decoded from the prompt alone.
        candidates: (K, h, w) bool, at any resolution.
        mask: (H, W) bool, of the size of the image, after refinement.
        image: (H, W, 3) uint8 RGB.
    """
    if not mask.any():
        return 0.0
    return models[kind_of(prompt)](decoding_signals(prompt, scores, candidates, mask, image))


def decoding_signals(
    prompt: Prompt,
    scores: NDArray[np.floating],
    candidates: Masks,
    mask: Masks,
    image: NDArray[np.uint8],
) -> dict[str, float]:
    """Signals of the quality of a decoded mask that is not empty; arguments as for :func:`expected_quality`.

    ``score``: the best predicted IoU. ``agreement``: mean IoU of two candidates. ``depth``: of the first
    positive click, 1 at the mask's deepest point; 0 without clicks. ``reach``: IoU of the mask's tight box
    and the one given; 1 without one. ``smallness``: minus the logarithm of the mask's share of the image.
    ``contrast``: CIELAB distance across the contour, at its weakest fifth.
    """
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    depth = depth / depth.max()
    return {
        "score": float(np.max(scores)),
        "agreement": _agreement(candidates),
        "depth": _depth_of_click(prompt, depth),
        "reach": _reach(prompt, mask),
        "smallness": -float(np.log(mask.mean() + LEAST_SHARE)),
        "contrast": _contrast(mask, image),
    }


def _reach(prompt: Prompt, mask: Masks) -> float:
    """A box is drawn tightly (Lempitsky et al. 2009): a mask of all of the object reaches all sides."""
    found = tight_box(mask)
    if prompt.box is None or found is None:
        return 1.0
    x0, y0, x1, y1 = prompt.box.tolist()
    return box_iou(found, (x0, y0, x1, y1))


def _contrast(mask: Masks, image: NDArray[np.uint8]) -> float:
    """Distance of the mean colours inside and outside of windows on the contour; 0 for a mask without one."""
    box = tight_box(mask)
    if box is None:
        return 0.0
    x0, y0, x1, y1 = box
    room = CONTRAST_WINDOW
    part = np.s_[max(y0 - room, 0) : y1 + room + 1, max(x0 - room, 0) : x1 + room + 1]
    inside = mask[part].astype(np.float32)
    lab = cv2.cvtColor(image[part].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    window = (CONTRAST_WINDOW, CONTRAST_WINDOW)
    total, area = cv2.blur(lab, window), cv2.blur(inside, window)
    part_inside = cv2.blur(lab * inside[..., None], window)
    eroded = cv2.erode(inside, np.ones((3, 3), np.uint8), borderValue=1)
    contour = (inside > eroded) & (area < 1)
    if not contour.any():
        return 0.0
    area = area[contour][:, None]
    within, without = part_inside[contour] / area, (total - part_inside)[contour] / (1 - area)
    return float(np.quantile(np.linalg.norm(within - without, axis=1), WEAKEST))


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
