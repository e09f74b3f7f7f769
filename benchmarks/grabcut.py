"""The baseline of ``prompts.py``: OpenCV's GrabCut from the same prompts."""

from __future__ import annotations

import time

import cv2
import numpy as np
from numpy.typing import NDArray
from prompt_cases import Case
from prompt_simulation import Answer

from vos.prompts import Prompt

ITERATIONS = 5
"""Of GrabCut."""
BAND = 0.15
"""Half the width of GrabCut's band around a rough mask, in square roots of its area."""


def grab_cut(case: Case, prompt: Prompt) -> Answer:
    """OpenCV's GrabCut from the same prompt.

    A box is its rectangle, a mask is probable foreground and background. Clicks are certain within 3 pixels;
    a disc of a tenth of the picture's size around positive ones is probable foreground.
    """
    cv2.setRNGSeed(0)
    start = time.process_time()
    seeds = np.full(case.truth.shape, cv2.GC_PR_BGD, np.uint8)
    if prompt.mask is not None:
        seeds[prompt.mask] = cv2.GC_PR_FGD
    elif prompt.box is not None:
        x0, y0, x1, y1 = (int(v) for v in prompt.box)
        seeds[:] = cv2.GC_BGD
        seeds[y0 : y1 + 1, x0 : x1 + 1] = cv2.GC_PR_FGD
    elif prompt.points is not None and prompt.labels is not None:
        radius = round(0.1 * seeds.size**0.5)
        places = [(int(x), int(y), int(k)) for (x, y), k in zip(prompt.points, prompt.labels, strict=True)]
        for x, y, label in places:
            if label:
                cv2.circle(seeds, (x, y), radius, int(cv2.GC_PR_FGD), -1)
        for x, y, label in places:
            cv2.circle(seeds, (x, y), 3, int(cv2.GC_FGD if label else cv2.GC_BGD), -1)
    return cut(case, seeds, start)


def band_grab_cut(case: Case, prompt: Prompt) -> Answer:
    """GrabCut in a band around a rough mask: beyond it everything is certain."""
    assert prompt.mask is not None
    cv2.setRNGSeed(0)
    start = time.process_time()
    width = BAND * float(prompt.mask.sum()) ** 0.5
    inside = cv2.distanceTransform(prompt.mask.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~prompt.mask).astype(np.uint8), cv2.DIST_L2, 5)
    seeds = np.where(prompt.mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[outside > width], seeds[inside > width] = cv2.GC_BGD, cv2.GC_FGD
    return cut(case, seeds, start)


def cut(case: Case, seeds: NDArray[np.uint8], start: float) -> Answer:
    """GrabCut from seeds; where it refuses them, what is probable stays."""
    on = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    if on.any() and not on.all():
        models = np.zeros((1, 65)), np.zeros((1, 65))
        bgr = np.ascontiguousarray(case.image[..., ::-1])
        seeds, _, _ = cv2.grabCut(bgr, seeds, None, *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
        on = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    return Answer(on, time.process_time() - start)
