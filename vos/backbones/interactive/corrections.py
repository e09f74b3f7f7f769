"""Further points: what they change, and that they are obeyed.

A point corrects one mistake. So of what the network would change, only the connected part at the point is
changed, and only in the direction of the point (as in FocalClick's progressive merge, Chen et al., 2022): a
further point on the object takes nothing away, one off it adds nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...prompts import Prompt

MIN_LOGIT = 1.0
"""Least logit, of the label of a point, of a pixel that the point sets."""
DISC = 0.008
"""Radius of what a point changes where the network would change nothing, in square roots of the image."""


def corrected(before: Floats, after: Floats, point: NDArray[np.floating], label: int) -> Floats:
    """(H, W) logits ``before``, changed as ``after`` has it, around a point that ``before`` gets wrong.

    Args:
        before, after: (H, W) logits.
        point: (x, y) in image pixels.
        label: 1 on the object, 0 off it.
    """
    row, column = _pixel(point, before.shape)
    old, new = before > 0, after > 0
    wanted = label == 1
    if old[row, column] == wanted:
        return before
    if new[row, column] != wanted:
        disc = np.zeros(before.shape, np.uint8)
        radius = max(1, round(DISC * float(before.size) ** 0.5))
        cv2.circle(disc, (column, row), radius, 1, -1)
        return np.where(disc > 0, np.float32(MIN_LOGIT if wanted else -MIN_LOGIT), before)
    turned = new & ~old if wanted else old & ~new
    _, parts = cv2.connectedComponents(turned.astype(np.uint8), connectivity=8)
    return np.where(parts == parts[row, column], after, before)


def moved(logits: Floats, where: NDArray[np.bool_], label: int) -> Floats:
    """(H, W) logits, at least :data:`MIN_LOGIT` of ``label`` in the pixels ``where``."""
    sign = 1 if label == 1 else -1
    changed: Floats = np.where(where, sign * np.maximum(sign * logits, MIN_LOGIT), logits).astype(np.float32)
    return changed


def obeys(logits: Floats, prompt: Prompt) -> bool:
    """Whether all points of a prompt are on the right side."""
    if prompt.points is None or prompt.labels is None:
        return True
    pixels = [_pixel(point, logits.shape) for point in prompt.points]
    return all(
        (logits[pixel] > 0) == (label == 1) for pixel, label in zip(pixels, prompt.labels, strict=True)
    )


def obeyed(logits: Floats, prompt: Prompt) -> Floats:
    """(H, W) logits as the prompt demands them: its points to the pixel, and nothing outside its box."""
    logits = logits.copy()
    if prompt.box is not None:
        x0, y0, x1, y1 = (round(float(v)) for v in prompt.box)
        inside = np.zeros(logits.shape, bool)
        inside[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = True
        logits[~inside] = np.minimum(logits[~inside], -MIN_LOGIT)
    if prompt.points is not None and prompt.labels is not None:
        for point, label in zip(prompt.points, prompt.labels, strict=True):
            pixel, sign = _pixel(point, logits.shape), 1 if label == 1 else -1
            logits[pixel] = sign * max(sign * float(logits[pixel]), MIN_LOGIT)
    return logits


def _pixel(point: NDArray[np.floating], size: tuple[int, ...]) -> tuple[int, int]:
    """Row and column of the pixel that a point (x, y) lies in."""
    row, column = round(float(point[1])), round(float(point[0]))
    return int(np.clip(row, 0, size[0] - 1)), int(np.clip(column, 0, size[1] - 1))
