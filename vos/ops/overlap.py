"""From masks that may overlap to one label per pixel: the only place where that is decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results import Labels, label_dtype

NESTED = 0.5
"""Share of a mask's pixels within a larger one from which on it counts as lying in front of it."""


def label_lookup(ids: Sequence[int]) -> Labels:
    """(1 + N,) array that takes 0 to background and row n + 1 to ``ids[n]``."""
    return np.array([0, *ids], dtype=label_dtype(ids))


def argmax_labels(scores: NDArray[Any], ids: Sequence[int]) -> Labels:
    """(H, W) labels of (1 + N, H, W) scores, the background's first; the lower row of equals wins."""
    return label_lookup(ids)[argmax_rows(scores)]


def argmax_rows(scores: NDArray[Any]) -> NDArray[np.integer]:
    """(H, W) row of the highest of (N, H, W) scores, N < 65536; the lower row of equals wins.

    One pass per row: ``scores.argmax(axis=0)`` takes several times as long.
    """
    rows = np.zeros(scores.shape[1:], np.uint8 if len(scores) <= 256 else np.uint16)
    best = scores[0].copy()
    for row, score in enumerate(scores[1:], start=1):
        np.copyto(rows, row, where=score > best)
        np.maximum(best, score, out=best)
    return rows


def logits_to_labels(logits: NDArray[np.float32], ids: Sequence[int]) -> Labels:
    """(H, W) labels of (N, H, W) logits: the highest wins, background counts 0; the lower row of equals."""
    if len(ids) == 0:
        return np.zeros(logits.shape[1:], dtype=np.uint8)
    return argmax_labels(np.concatenate([np.zeros_like(logits[:1]), logits]), ids)


def nested_logits_to_labels(logits: NDArray[np.float32], ids: Sequence[int]) -> Labels:
    """(H, W) labels of (N, H, W) logits of independently decoded masks.

    A mask that lies mostly within a larger one is in front of it; else the higher logit wins the pixel.
    """
    masks = logits > 0
    areas = masks.sum(axis=(1, 2))
    owner = np.full(logits.shape[1:], -1)
    for row in np.argsort(-areas, kind="stable"):
        wins = masks[row] & (owner < 0)
        for other in np.unique(owner[masks[row] & (owner >= 0)]):
            shared = masks[row] & (owner == other)
            within = (masks[row] & masks[other]).sum() >= NESTED * areas[row] and areas[row] < areas[other]
            wins |= shared if within else shared & (logits[row] > logits[other])
        owner[wins] = row
    return np.asarray([*ids, 0], dtype=label_dtype(ids))[owner]


def paint(masks: NDArray[np.bool_], ids: Sequence[int]) -> Labels:
    """(H, W) labels of (N, H, W) masks; where masks overlap the later row wins."""
    labels = np.zeros(masks.shape[1:], dtype=label_dtype(ids))
    for object_id, mask in zip(ids, masks, strict=True):
        labels[mask] = object_id
    return labels


def paint_small_on_top(masks: Sequence[NDArray[np.bool_]], ids: Sequence[int]) -> Labels:
    """(H, W) labels of N (H, W) masks, at least one; where masks overlap the smaller wins."""
    return paint_by(masks, ids, [int(mask.sum()) for mask in masks])


def paint_by(masks: Sequence[NDArray[np.bool_]], ids: Sequence[int], keys: Sequence[Any]) -> Labels:
    """(H, W) labels of N (H, W) masks, at least one; where masks overlap the smallest key wins."""
    order = sorted(range(len(ids)), key=lambda row: keys[row], reverse=True)
    return paint(np.stack([masks[row] for row in order]), [ids[row] for row in order])
