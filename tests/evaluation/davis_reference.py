"""The DAVIS measures as the specification words them: one pixel, one object, one pair of pixels at a time.

Slow and plain on purpose; shares no code with the library.
"""

from __future__ import annotations

import math

import numpy as np


def region(truth, prediction, void=None) -> float:
    """J: intersection over union outside void, 1 if the union is empty."""
    keep = np.ones(truth.shape, bool) if void is None else ~void
    union = np.sum((prediction | truth) & keep)
    return 1.0 if union == 0 else float(np.sum(prediction & truth & keep) / union)


def boundary(mask) -> list[tuple[int, int]]:
    """Pixels that differ from the right, lower or lower right neighbour, with the rules at the border."""
    height, width = mask.shape
    pixels = []
    for y in range(height):
        for x in range(width):
            last_row, last_column = y == height - 1, x == width - 1
            if last_row and last_column:
                continue
            if last_row:
                neighbours = [mask[y, x + 1]]
            elif last_column:
                neighbours = [mask[y + 1, x]]
            else:
                neighbours = [mask[y, x + 1], mask[y + 1, x], mask[y + 1, x + 1]]
            if any(n != mask[y, x] for n in neighbours):
                pixels.append((y, x))
    return pixels


def share_within(pixels, others, radius) -> float:
    """Share of the pixels that lie in the disk around any of the others."""
    a, b = np.array(pixels), np.array(others)
    distances = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return float((distances <= radius**2).any(axis=1).mean())


def contour(truth, prediction, void=None, bound=0.008) -> float:
    """F: harmonic mean of contour precision and recall."""
    if void is not None:
        truth, prediction = truth & ~void, prediction & ~void
    radius = bound if bound >= 1 else math.ceil(bound * math.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2))
    true, predicted = boundary(truth), boundary(prediction)
    if not predicted and true:
        precision, recall = 1.0, 0.0
    elif predicted and not true:
        precision, recall = 0.0, 1.0
    elif not predicted and not true:
        precision, recall = 1.0, 1.0
    else:
        precision = share_within(predicted, true, radius)
        recall = share_within(true, predicted, radius)
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def statistics(values) -> tuple[float, float, float]:
    """Mean, recall, decay."""
    values = np.asarray(values, float)
    ids = [int(i) for i in np.round(np.linspace(1, len(values), 5) + 1e-10) - 1]
    first, last = values[ids[0] : ids[1] + 1], values[ids[3] : ids[4] + 1]
    return float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean())
