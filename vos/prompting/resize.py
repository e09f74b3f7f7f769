"""Prompts for frames that are read at another size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np

from ..prompts import Prompt, Target


def resized_targets(
    targets: Iterable[Target], before: tuple[int, int], after: tuple[int, int]
) -> list[Target]:
    """The targets in pixels of resized frames.

    Points stay at the same place of the image, boxes grow to whole pixels, and a mask keeps the pixels of
    which it covers at least half.

    Args:
        targets: in pixels of frames of the size ``before``.
        before: (height, width).
        after: (height, width).
    """
    return [replace(target, prompt=_resized(target.prompt, before, after)) for target in targets]


def _resized(prompt: Prompt, before: tuple[int, int], after: tuple[int, int]) -> Prompt:
    scale = np.array([after[1] / before[1], after[0] / before[0]], np.float32)
    last = np.array([after[1] - 1, after[0] - 1], np.float32)
    points = None if prompt.points is None else np.clip((prompt.points + 0.5) * scale - 0.5, 0, last)
    box = prompt.box
    if box is not None:
        first, end = np.floor(box[:2] * scale), np.ceil((box[2:] + 1) * scale) - 1
        box = np.concatenate([first, np.minimum(end, last)]).astype(np.float32)
    mask = prompt.mask
    if mask is not None:
        share = cv2.resize(mask.astype(np.float32), after[::-1], interpolation=_way(before, after))
        mask = share >= 0.5
    return replace(prompt, points=points, box=box, mask=mask)


def _way(before: tuple[int, int], after: tuple[int, int]) -> int:
    shrinks = after[0] <= before[0] and after[1] <= before[1]
    return cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
