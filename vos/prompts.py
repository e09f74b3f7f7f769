"""What a user says about an object: points, a box, a mask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .results import Labels, Source, check_object_ids, object_ids


@dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt in pixels of the original image; at least one part is present.

    Raises:
        ValueError: if nothing is given or a part has the wrong shape.
    """

    points: NDArray[np.float32] | None = None
    """(P, 2) float32, (x, y)."""
    labels: NDArray[np.int64] | None = None
    """(P,) int64: 1 on the object, 0 off it. Present exactly when ``points`` is."""
    box: NDArray[np.float32] | None = None
    """(4,) float32, x0, y0, x1, y1 with inclusive pixel indices."""
    mask: NDArray[np.bool_] | None = None
    """(H, W) bool at the size of the image."""
    low_res: NDArray[np.float32] | None = None
    """(h, w) float32 logits of an earlier decoder pass, on the decoder's own grid."""

    def __post_init__(self) -> None:
        if self.points is None and self.box is None and self.mask is None and self.low_res is None:
            raise ValueError("a prompt needs points, a box, a mask or low-res logits")
        if (self.points is None) != (self.labels is None):
            raise ValueError("points and labels go together")
        if self.points is not None and self.labels is not None:
            if (
                self.points.ndim != 2
                or self.points.shape[1] != 2
                or self.labels.shape != self.points.shape[:1]
            ):
                raise ValueError(
                    f"points must be (P, 2) and labels (P,), got {self.points.shape}, {self.labels.shape}"
                )
            if not np.isin(self.labels, (0, 1)).all():
                raise ValueError(f"labels must be 0 or 1, got {sorted(set(self.labels.tolist()))}")
        if self.box is not None and self.box.shape != (4,):
            raise ValueError(f"box must be (4,), got {self.box.shape}")
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.dtype != np.bool_):
            raise ValueError(f"mask must be (H, W) bool, got {self.mask.shape} {self.mask.dtype}")
        if self.low_res is not None and self.low_res.ndim != 2:
            raise ValueError(f"low_res must be (h, w), got {self.low_res.shape}")


@dataclass(frozen=True, eq=False)
class Target:
    """An object to track, as prompted at one frame.

    Raises:
        ValueError: for an id, frame index or confidence out of range.
    """

    object_id: int
    """1..65534, and not 255."""
    prompt: Prompt
    frame_index: int = 0
    """The frame the prompt belongs to."""
    name: str | None = None
    """A name for people, such as the class."""
    source: Source = Source.USER
    """Where the prompt comes from."""
    confidence: float = 1.0
    """Expected J of the prompt's mask, 0..1: 1 if the user gave it."""

    def __post_init__(self) -> None:
        check_object_ids([self.object_id])
        if self.frame_index < 0:
            raise ValueError(f"frame_index must be >= 0, got {self.frame_index}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence must be in 0..1, got {self.confidence}")


def mask_targets(labels: Labels, ids: Iterable[int] | None = None, frame_index: int = 0) -> list[Target]:
    """One target per object of an (H, W) label map, its prompt the object's mask.

    Args:
        labels: 0 background, 255 void, else an object id.
        ids: the objects; those that occur in ``labels`` unless given. One that covers no pixel is known from
            this frame on, and not visible in it.
        frame_index: the frame that the label map belongs to.
    """
    wanted = object_ids(labels) if ids is None else ids
    return [Target(k, Prompt(mask=labels == k), frame_index) for k in wanted]
