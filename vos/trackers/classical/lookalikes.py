"""Which objects look alike: colours cannot tell which of them has reappeared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...arrays import Floats
from .confidence import ReferenceStatistics


@dataclass(frozen=True)
class LookalikeSettings:
    """When two objects look alike, in terms of the Bhattacharyya coefficient of their Lab histograms."""

    different: float = 0.5
    """Up to this coefficient they do not at all."""
    same: float = 0.75
    """From this coefficient on they do."""


def likeness(references: Sequence[ReferenceStatistics], settings: LookalikeSettings) -> Floats:
    """(K, K) float32 in 0..1: how alike the objects are; 1 on the diagonal."""
    roots = np.sqrt(np.stack([reference.colours for reference in references]))
    span = settings.same - settings.different
    alike = np.clip((roots @ roots.T - settings.different) / span, 0, 1)
    np.fill_diagonal(alike, 1)
    return np.asarray(alike, np.float32)
