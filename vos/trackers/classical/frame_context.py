"""Frame context: what the classical tracker computes for a frame, for a refiner of its masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...ops.crop import Crop
from ...results import Labels
from ..flow_warping import WarpedMasks
from .appearance import ReferenceFrame


@dataclass(frozen=True, eq=False)
class PreviousFrame:
    """The frame before, with its labels."""

    image: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""
    labels: Labels
    """(H, W)."""
    crop: Crop
    """In which it was segmented."""


@dataclass(frozen=True, eq=False)
class FrameContext:
    """One frame in the crop around the objects, with the tracker's terms for it."""

    image: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""
    crop: Crop
    cropped: NDArray[np.uint8]
    """(h, w, 3) uint8 RGB, the crop at working resolution."""
    ids: tuple[int, ...]
    """Of the K objects, in the order of all arrays below."""
    probabilities: Floats
    """(1 + K, h, w) float32 probabilities of background and objects; they sum to 1."""
    warped: WarpedMasks
    appearance_log_prob: Floats
    """(1 + K, h, w) float32 log-probabilities by appearance."""
    references: tuple[ReferenceFrame, ...]
    """The frames with prompted masks, the first one first."""
    previous: PreviousFrame | None = None


Refiner = Callable[[FrameContext], Floats]
"""From the tracker's probabilities to those used in their place: (1 + K, h, w) float32, summing to 1."""
