"""What the PerSAM tracker remembers of an object: reference frames for good, recent ones for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ObjectMemory:
    """One owner of cells: an object, or the background with id 0. Frozen: a step makes a new one."""

    object_id: int
    permanent: tuple[Tensor, ...]
    """Of each reference frame (C, m) unit columns under the mask; the first one is never dropped."""
    embedding: Tensor
    """(C,) mean feature under the first given mask, not normalised."""
    recent: tuple[Tensor, ...] = ()
    """Of some frames that were tracked with confidence, oldest first: (C, m) unit columns."""
    last_mask: NDArray[np.bool_] | None = None
    """(H, W) bool where the object was seen last; None for the background."""
    last_score: float = 1.0
    """Mean probability by appearance of the cells under the newest mask; 0 where the object was not found."""
    last_quality: float = 1.0
    """The decoder's predicted IoU of the newest mask, in 0..1."""
    reference_confidence: float = 1.0
    """Expected J of the newest prompted mask."""
    frames_lost: int = 0
    """Frames in a row in which the object was not found."""
    weights: Tensor | None = None
    """(3,) scale weights of PerSAM-F; None unless tuned."""

    @property
    def confidence(self) -> float:
        """Of the newest mask, in 0..1: whether it is the object, how good its contour is said to be, and how
        good the mask was that the object is known from. A product of the three, not calibrated."""
        return self.last_score * self.last_quality * self.reference_confidence

    def columns(self) -> tuple[Tensor, ...]:
        """All that is remembered, reference frames first."""
        return (*self.permanent, *self.recent)

    def is_corrected(self, columns: Tensor, against: Tensor, limit: int) -> ObjectMemory:
        """With a correction: the first reference frame and the newest ``limit - 1`` others stay.

        Of what was given before, columns are forgotten that are nearer to what this frame says is not the
        object, ``against`` (C, n): otherwise a bad first mask would speak up for ever.
        """
        kept = (*(_not_contradicted(old, columns, against) for old in self.permanent), columns)
        if len(kept) > limit:
            kept = (kept[0], *kept[len(kept) - limit + 1 :])
        return replace(self, permanent=kept, recent=())

    def remembering(self, columns: Tensor, limit: int) -> ObjectMemory:
        """With one more recent frame; the oldest beyond ``limit`` is forgotten."""
        kept = (*self.recent, columns)
        return replace(self, recent=kept[max(0, len(kept) - limit) :])


def _not_contradicted(old: Tensor, columns: Tensor, against: Tensor) -> Tensor:
    """The (C, m) unit columns of ``old`` that are as near to one of ``columns`` as to any of ``against``."""
    if 0 in (old.shape[1], columns.shape[1], against.shape[1]):
        return old
    own = (old.T @ columns).max(dim=1).values
    other = (old.T @ against).max(dim=1).values
    return old[:, own >= other]
