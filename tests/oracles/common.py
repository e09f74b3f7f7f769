"""What the scripts here share. They run in an environment of their own, without this package."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np


def report(masks: Iterable[tuple[int, int, str, np.ndarray]]) -> None:
    """Print (frame, id, category, (H, W) mask) as JSON, a mask as its size and row-by-row runs."""
    print(
        json.dumps(
            [[frame, number, category, runs(np.asarray(mask))] for frame, number, category, mask in masks]
        )
    )


def runs(mask: np.ndarray) -> list[list[int]]:
    """[[H, W], [zeros, ones, ...]], row by row."""
    flat = mask.astype(bool).ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [not flat[-1]]])))
    return [list(mask.shape), np.diff(np.concatenate([[0], edges])).tolist()]
