"""What is already known of an object, as maps that the compact network reads beside the image.

Every cue is a plane of numbers in -1..1, and 0 where nothing is known: so any of them can be left out, and
one set of weights serves as a promptable model and as the last stage of a tracker.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...errors import PromptError
from ...prompts import Prompt

CUES = ("mask", "warped", "appearance", "similarity", "positive", "negative", "box")
"""The planes, in the order in which the network reads them.

``mask``: logits of a tracker's mask or a coarse mask. ``warped``: the mask warped by flow. ``appearance``:
the score of the appearance model. ``similarity``: with the target, in the network's own features.
``positive``, ``negative``: points. ``box``: 1 inside, -1 outside.
"""
MASK, WARPED, APPEARANCE, SIMILAR, ON, OFF, BOX = range(len(CUES))

MASK_LOGIT = 6.0
"""The logit that a ``mask`` cue of 1 stands for; more certain ones are cut."""
ROUGH = 0.5
"""Cue inside a mask given as a prompt: it is a hint, and the network may depart from it."""
POINT_RADIUS = 0.012
"""Spread of a point, as a part of the image's mean side."""


def prompt_cues(prompt: Prompt, image_size: tuple[int, int], size: tuple[int, int]) -> Floats:
    """(C, h, w) float32 cues of one prompt.

    Args:
        prompt: in pixels of the original image.
        image_size: (H, W) of that image.
        size: (h, w) of the network's input, which shows the whole image.

    Raises:
        PromptError: if a mask does not have the size of the image.
    """
    cues = np.zeros((len(CUES), *size), np.float32)
    scale = np.array([size[1] / image_size[1], size[0] / image_size[0]], np.float32)
    if prompt.low_res is not None:
        resized = cv2.resize(prompt.low_res.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
        cues[MASK] = np.clip(resized / MASK_LOGIT, -1, 1)
    elif prompt.mask is not None:
        if prompt.mask.shape != image_size:
            raise PromptError(f"mask must have the size of the image, {image_size}, got {prompt.mask.shape}")
        part = cv2.resize(prompt.mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
        cues[MASK] = ROUGH * (2 * part - 1)
    if prompt.points is not None and prompt.labels is not None:
        # Pixel centres lie at whole numbers, in the image and in the network's input.
        places = (prompt.points + 0.5) * scale - 0.5
        cues[ON] = point_plane(places[prompt.labels == 1], size)
        cues[OFF] = point_plane(places[prompt.labels == 0], size)
    if prompt.box is not None:
        x0, y0 = prompt.box[:2] * scale
        x1, y1 = (prompt.box[2:] + 1) * scale
        rows, columns = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
        inside = ((rows >= y0) & (rows <= y1))[:, None] & ((columns >= x0) & (columns <= x1))[None]
        cues[BOX] = np.where(inside, 1.0, -1.0)
    return cues


def point_plane(points: NDArray[np.floating] | Sequence[Sequence[float]], size: tuple[int, int]) -> Floats:
    """(h, w) float32 in 0..1: 1 at each of (P, 2) points (x, y), falling off around it."""
    plane = np.zeros(size, np.float32)
    spread = max(1.0, POINT_RADIUS * (size[0] + size[1]) / 2)
    rows, columns = np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32)
    for x, y in np.asarray(points, np.float32).reshape(-1, 2):
        down = np.exp(-((rows - y) ** 2) / (2 * spread**2))
        across = np.exp(-((columns - x) ** 2) / (2 * spread**2))
        plane = np.maximum(plane, down[:, None] * across[None])
    return plane
