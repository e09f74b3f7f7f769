"""Objects that look alike: appearance does not tell them apart, and must not pretend to.

A classifier fitted to one frame separates two cars of one colour by what happens to be around each of them
there. That does not hold when they move. So objects share what appearance says of either, as far as their
colours in the frames in which they were prompted are the same; motion has to tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .confidence import ReferenceStatistics

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LookalikeSettings:
    """When two objects look alike, in terms of the Bhattacharyya coefficient of their Lab histograms."""

    different: float = 0.5
    """Up to this coefficient they do not at all."""
    same: float = 0.75
    """From this coefficient on they do. 2 tells all objects apart by appearance."""


def likeness(references: Sequence[ReferenceStatistics], settings: LookalikeSettings) -> Floats:
    """(K, K) float32 in 0..1: how alike the objects are; 1 on the diagonal."""
    roots = np.sqrt(np.stack([reference.colours for reference in references]))
    span = settings.same - settings.different
    alike = np.clip((roots @ roots.T - settings.different) / span, 0, 1)
    np.fill_diagonal(alike, 1)
    return np.asarray(alike, np.float32)


def pooled(log_prob: Floats, alike: Floats) -> Floats:
    """Log-probabilities by appearance in which objects that look alike have the same ones.

    Args:
        log_prob: (1 + K, h, w) float32, the background first.
        alike: (K, K) float32 in 0..1, see :func:`likeness`.
    """
    if not np.any(alike - np.diag(alike.diagonal())):
        return log_prob
    weights = alike / alike.sum(axis=1, keepdims=True)
    objects = np.tensordot(weights, np.exp(log_prob[1:]), axes=1)
    return np.concatenate([log_prob[:1], np.log(objects + np.float32(1e-9))])
