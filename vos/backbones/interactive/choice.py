"""Which candidate is meant, and which others are worth offering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Floats
from ...ops.iou import mask_iou
from ...prompts import Prompt

LARGE = 0.4
"""Share of the image above which a mask from points alone is ranked lower."""
DOUBT = 0.8
"""What each further part of the image costs of the expected IoU."""
SAME = 0.9
"""IoU from which on two masks are one candidate."""


@dataclass(frozen=True, eq=False)
class Answer:
    """One candidate."""

    logits: Floats
    """(H, W) at image size."""
    quality: float
    """Expected IoU."""


def rank(answers: list[Answer], prompt: Prompt) -> list[Answer]:
    """The candidates, likeliest first; masks of most of the image are ranked lower."""
    if prompt.points is not None and prompt.box is None and prompt.mask is None:
        answers = [
            Answer(a.logits, a.quality - DOUBT * max(0.0, float((a.logits > 0).mean()) - LARGE))
            for a in answers
        ]
    return sorted(answers, key=lambda answer: (bool((answer.logits > 0).any()), answer.quality), reverse=True)


def distinct(answers: list[Answer], count: int) -> list[Answer]:
    """``count`` candidates from small to large: the first one, and those that differ from all before.

    Where there are fewer, the first is repeated. The first keeps the highest score.
    """
    chosen: list[Answer] = []
    masks: list[np.ndarray] = []
    for answer in answers:
        mask = answer.logits > 0
        if (
            len(chosen) < count
            and (not chosen or mask.any())
            and all(mask_iou(mask, m) < SAME for m in masks)
        ):
            quality = answer.quality if not chosen else min(answer.quality, chosen[0].quality - 1e-3)
            chosen.append(Answer(answer.logits, float(np.clip(quality, 0, 1))))
            masks.append(mask)
    first = chosen[0]
    order = sorted(range(len(chosen)), key=lambda k: int(masks[k].sum()))
    repeated = [Answer(first.logits, max(first.quality - 2e-3, 0.0))] * (count - len(chosen))
    return [chosen[k] for k in order] + repeated
