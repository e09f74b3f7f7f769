"""Which hypotheses about an object live on (SAM2Long, Ding et al. 2024, arXiv 2410.16268)."""

from __future__ import annotations

import math
from collections.abc import Sequence

CERTAIN_SCORE = 2.0
"""Where any score logit is farther from 0 than this, candidates compete by log score alone."""
SMALLEST = 1e-5
"""Added to an estimated IoU before its logarithm is taken."""


def survivors(
    log_scores: Sequence[float], scores: Sequence[float], qualities: Sequence[Sequence[float]], limit: int
) -> list[tuple[int, int, float]]:
    """Hypothesis, candidate and new log score of those that live on, the highest first.

    Where the network is uncertain, candidates that look alike do not crowd out the others: of those with the
    same quality (to two decimals, negative where the object is absent) one is taken.

    Args:
        log_scores: cumulative log quality of each hypothesis.
        scores: logit, per hypothesis, of the object being there.
        qualities: estimated IoU of every candidate of each hypothesis.
        limit: how many live on.
    """
    candidates = [
        (parent, row, log_score + math.log(quality + SMALLEST))
        for parent, (log_score, some) in enumerate(zip(log_scores, qualities, strict=True))
        for row, quality in enumerate(some)
    ]
    candidates.sort(key=lambda candidate: -candidate[2])
    if max(abs(score) for score in scores) > CERTAIN_SCORE:
        return candidates[:limit]
    kept: dict[float, tuple[int, int, float]] = {}
    for candidate in candidates:
        parent, row, _ = candidate
        sign = 1 if scores[parent] > 0 else -1
        kept.setdefault(round(sign * qualities[parent][row], 2), candidate)
    chosen = list(kept.values())[:limit]
    parents = {parent for parent, _, _ in chosen}
    for candidate in candidates:
        if len(chosen) < limit and candidate[0] not in parents:
            parents.add(candidate[0])
            chosen.append(candidate)
    return sorted(chosen, key=lambda candidate: -candidate[2])
