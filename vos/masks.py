"""The stages of a result: :class:`MaskSet` (may overlap) and :class:`Segmentation` (one label a pixel)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

BACKGROUND = 0
VOID = 255
MAX_OBJECTS = 254
"""Object ids are 1..254: 0 is background and 255 is void."""


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Masks of several objects in one frame, as logits; they may overlap.

    Row order is ``ids``, and nobody else knows it.
    """

    ids: tuple[int, ...]
    logits: NDArray[np.float32]
    """(N, H, W) float32, cut at 0."""
    scores: NDArray[np.float32]
    """(N,) float32, confidence in 0..1."""

    def __post_init__(self) -> None:
        count = len(self.ids)
        if self.logits.ndim != 3 or len(self.logits) != count or self.scores.shape != (count,):
            raise ValueError(
                f"{count} ids need logits ({count}, H, W) and scores ({count},), "
                f"got {self.logits.shape} and {self.scores.shape}"
            )
        check_object_ids(self.ids)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One label per pixel of one frame; an id may be in ``scores`` and cover no pixel (it is not visible)."""

    frame_index: int
    labels: NDArray[np.uint8]
    """(H, W) uint8: 0 background, 1..254 objects. Void (255) does not occur."""
    scores: Mapping[int, float] = field(default_factory=dict)
    """Confidence in 0..1 of every object known at this frame, by id."""

    def __post_init__(self) -> None:
        if self.labels.ndim != 2 or self.labels.dtype != np.uint8:
            raise ValueError(f"labels must be (H, W) uint8, got {self.labels.shape} {self.labels.dtype}")
        check_object_ids(self.scores)

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of all objects known at this frame, ascending."""
        return tuple(sorted(self.scores))

    def mask(self, object_id: int) -> NDArray[np.bool_]:
        """(H, W) bool mask of one object."""
        return self.labels == object_id

    def __repr__(self) -> str:
        height, width = self.labels.shape
        scores = {k: round(float(v), 3) for k, v in sorted(self.scores.items())}
        return f"Segmentation(frame_index={self.frame_index}, size={width}x{height}, scores={scores})"


def check_object_ids(ids: Iterable[int]) -> None:
    """Raise ValueError unless ids are distinct integers in 1..254."""
    seen: set[int] = set()
    for object_id in ids:
        if not 1 <= object_id <= MAX_OBJECTS:
            raise ValueError(f"object id {object_id} is not in 1..{MAX_OBJECTS} (0 is background, 255 void)")
        if object_id in seen:
            raise ValueError(f"object id {object_id} occurs twice")
        seen.add(object_id)


@cache
def davis_palette() -> NDArray[np.uint8]:
    """(256, 3) uint8 RGB, not to be written to: the colours of object ids in DAVIS, which are PASCAL VOC's.

    0 is black, 1 (128, 0, 0), 2 (0, 128, 0), 3 (128, 128, 0), ...: bits 0, 1, 2 of an id become bit 7 of red,
    green, blue; bits 3, 4, 5 become bit 6; bits 6, 7 bit 5 of red and green.
    """
    ids = np.arange(256)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for level in range(3):
        for channel in range(3):
            bit = (ids >> (3 * level + channel)) & 1
            palette[:, channel] |= (bit << (7 - level)).astype(np.uint8)
    palette.flags.writeable = False
    return palette


def object_ids(labels: NDArray[np.uint8]) -> tuple[int, ...]:
    """Ids that occur in a label map, ascending, without background and void."""
    counts = np.bincount(labels.ravel(), minlength=256)
    return tuple(int(i) for i in np.flatnonzero(counts) if i not in (BACKGROUND, VOID))


def labels_to_masks(labels: NDArray[np.uint8], ids: Sequence[int]) -> NDArray[np.bool_]:
    """(N, H, W) bool, row n where ``labels == ids[n]``."""
    wanted = np.asarray(ids, dtype=np.uint8).reshape(-1, 1, 1)
    return labels[None] == wanted


def masks_to_labels(masks: NDArray[np.bool_], ids: Sequence[int]) -> NDArray[np.uint8]:
    """(H, W) uint8 label map of (N, H, W) masks; where masks overlap the later row wins."""
    labels = np.zeros(masks.shape[1:], dtype=np.uint8)
    for object_id, mask in zip(ids, masks, strict=True):
        labels[mask] = object_id
    return labels


def tight_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """(x0, y0, x1, y1) of the True pixels, inclusive pixel indices; None for an empty mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
