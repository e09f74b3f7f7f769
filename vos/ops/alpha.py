"""From masks to opacity: edges that are hard, soft by the tracker's probabilities, or fitted to the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..results import FrameResult
from .boxes import tight_box

EDGES = ("hard", "soft", "refined")
"""``hard``: 0 or 1. ``soft``: the tracker's probabilities beside the edge. ``refined``: a guided filter over
the frame beside the edge."""
BAND = 1 / 50
"""Half the width of the band in which an edge may be neither 0 nor 1, as a part of the frame's height."""
_WINDOWS = (90, 6)
"""Pixels a side in which colours of fore- and background are averaged, as published."""
SHARPNESS = 1e-4
"""The guided filter's regularisation, for a guide in 0..1: steps of the guide above its root are edges."""


def opacity(
    image: NDArray[np.uint8],
    result: FrameResult,
    ids: Sequence[int] | None = None,
    *,
    edge: str = "hard",
    feather: float = 0.0,
) -> NDArray[np.uint8]:
    """(H, W) uint8: 255 inside the objects, 0 outside, between these only beside an edge.

    Args:
        image: (H, W, 3) RGB, the frame; used by ``refined`` only.
        result: the masks of the frame; ``soft`` takes its probabilities.
        ids: of the objects whose union is meant; None: all.
        edge: one of :data:`EDGES`.
        feather: standard deviation in pixels of a Gaussian blur of the edge, 0 for none.
    """
    chosen = [k for k in result.ids if ids is None or k in ids]
    mask = np.isin(result.labels, chosen) if ids is not None else result.labels > 0
    if not mask.any():
        return np.zeros(mask.shape, np.uint8)
    alpha = mask.astype(np.float32)
    if edge != "hard":
        radius = max(3, round(mask.shape[0] * BAND))
        if edge == "soft":
            rows = [row for row, object_id in enumerate(result.ids) if object_id in chosen]
            softened = result.probabilities[rows].max(axis=0) if rows else alpha
        else:
            guide = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
            # The first pass moves the edge to that of the frame, the second says how sharp it is there.
            moved = guided_filter(guide, alpha, radius, SHARPNESS) > 0.5
            moved = np.where(near_edge(mask, radius), moved, mask)
            softened = guided_filter(guide, moved.astype(np.float32), radius, SHARPNESS)
        near = near_edge(mask, radius)
        alpha[near] = np.clip(softened[near], 0, 1)
    if feather > 0:
        alpha = cv2.GaussianBlur(alpha, (0, 0), feather)
    return np.rint(alpha * 255).astype(np.uint8)


def near_edge(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """(H, W) bool: pixels within ``radius`` (chessboard distance) of a pixel of the other kind."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    values = mask.astype(np.uint8)
    near: NDArray[np.bool_] = cv2.dilate(values, kernel) != cv2.erode(values, kernel)
    return near


def guided_filter(
    guide: NDArray[np.float32], values: NDArray[np.float32], radius: int, eps: float
) -> NDArray[np.float32]:
    """(H, W) float32: ``values`` smoothed so that its edges follow those of ``guide``.

    The guided filter of He, Sun and Tang (Guided Image Filtering, TPAMI 2013) with a grey guide: in every
    window the result is a linear function of the guide.

    Args:
        guide: (H, W) float32 in 0..1.
        values: (H, W) float32.
        radius: of the windows, in pixels; they are ``2 * radius + 1`` wide.
        eps: regularisation; the larger, the smoother.
    """

    def mean(array: NDArray[Any]) -> NDArray[Any]:
        return cv2.blur(array, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_values = mean(guide), mean(values)
    covariance = mean(guide * values) - mean_guide * mean_values
    variance = mean(guide * guide) - mean_guide * mean_guide
    slope = covariance / (variance + eps)
    offset = mean_values - slope * mean_guide
    smoothed: NDArray[np.float32] = mean(slope) * guide + mean(offset)
    return smoothed


def foreground_colours(image: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: the colours of the objects alone, without what shines through where they are soft.

    The estimator of Forte (Approximate Fast Foreground Colour Estimation, ICIP 2021): local means of
    foreground and background, corrected by what is left of the image, first in large windows and then in
    small ones. Colours of opaque pixels are those of the image.

    Args:
        image: (H, W, 3) RGB.
        alpha: (H, W) opacity.
    """
    soft = (alpha > 0) & (alpha < 255)
    box = tight_box(soft)
    if box is None:
        return image
    reach = _WINDOWS[0]
    x0, y0, x1, y1 = max(0, box[0] - reach), max(0, box[1] - reach), box[2] + reach + 1, box[3] + reach + 1
    observed = image[y0:y1, x0:x1].astype(np.float32)
    weight = (alpha[y0:y1, x0:x1, None].astype(np.float32) / 255).astype(np.float32)
    front = behind = observed
    for window in _WINDOWS:
        front_mean = _weighted_mean(front, weight, window)
        behind = _weighted_mean(behind, np.float32(1) - weight, window)
        rest = observed - weight * front_mean - (1 - weight) * behind
        front = np.clip(front_mean + weight * rest, 0, 255)
    colours = image.copy()
    inside = soft[y0:y1, x0:x1]
    colours[y0:y1, x0:x1][inside] = np.rint(front[inside]).astype(np.uint8)
    return colours


def _weighted_mean(
    values: NDArray[np.float32], weight: NDArray[np.float32], window: int
) -> NDArray[np.float32]:
    """(H, W, 3): mean of ``values`` with the weights (H, W, 1) over square windows."""
    total = cv2.blur(weight, (window, window))[..., None]
    mean: NDArray[np.float32] = cv2.blur(values * weight, (window, window)) / (total + 1e-5)
    return mean


def extend_colours(image: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3): colours black where ``alpha`` is 0, except within 2 pixels of what is visible.

    There they are the mean of the visible ones, so that formats that store colours at half the resolution
    do not mix black into the edge.
    """
    visible = (alpha > 0).astype(np.float32)
    kept = image * visible[..., None]
    weight = cv2.blur(visible, (5, 5))
    mean = cv2.blur(kept, (5, 5)) / np.maximum(weight, 1e-6)[..., None]
    ring = (alpha == 0) & (weight > 1e-6)
    kept[ring] = mean[ring]
    colours: NDArray[np.uint8] = np.rint(kept).clip(0, 255).astype(np.uint8)
    return colours
