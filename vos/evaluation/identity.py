"""Identity swaps: how often a predicted object goes over to another true one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..results import VOID


@dataclass(frozen=True)
class Identity:
    """Which true object a predicted one covered over the frames of a sequence."""

    covered: tuple[int, ...]
    """Per frame, the true object that the predicted one overlaps most; 0 where it overlaps none."""
    swaps: int
    """Frames in which it changes; frames of 0 are passed over."""
    frames_on_others: int
    """Frames in which it is another object than the one of its own id."""


def identities(
    pairs: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8]]], ids: Sequence[int]
) -> dict[int, Identity]:
    """The identity of each predicted object over time, as swaps are counted in tracking (Bernardin and
    Stiefelhagen 2008), with overlap in pixels for the assignment.

    Args:
        pairs: truth and prediction of each frame, (H, W) uint8 label maps; void (255) counts for nothing.
        ids: the objects.

    Example:
        >>> truth = np.array([[1, 1, 2, 2]], np.uint8)
        >>> swapped = np.array([[2, 2, 2, 1]], np.uint8)
        >>> {k: found.swaps for k, found in identities([(truth, truth), (truth, swapped)], (1, 2)).items()}
        {1: 1, 2: 0}
    """
    covered: dict[int, list[int]] = {k: [] for k in ids}
    for truth, prediction in pairs:
        counts = cv2.calcHist([prediction, truth], [0, 1], None, [256, 256], [0, 256, 0, 256])
        counts[:, [0, VOID]] = 0
        for k in ids:
            # A tie is decided for the object's own id.
            own = counts[k, k]
            most = int(counts[k].argmax())
            covered[k].append(0 if counts[k, most] == 0 else k if own == counts[k, most] else most)
    return {k: _identity(k, found) for k, found in covered.items()}


def _identity(object_id: int, covered: Sequence[int]) -> Identity:
    seen = [found for found in covered if found]
    swaps = sum(a != b for a, b in zip([object_id, *seen], seen, strict=False))
    return Identity(tuple(covered), swaps, sum(found != object_id for found in seen))
