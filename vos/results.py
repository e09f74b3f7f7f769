"""What is known of one frame: labels, soft masks, and the confidence and source of every object's mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

BACKGROUND = 0
VOID = 255
VOID_16 = 65535
"""The same in label maps of 16 bits that other programs write; here they have :data:`VOID`."""
MAX_OBJECT_ID = 65534
"""Object ids are 1..65534 without 255: 0 is background and 255 void, in 8-bit and in 16-bit label maps."""
MAX_OBJECTS = 254
"""As many objects fit an 8-bit label map; commands that choose ids by themselves stay within it."""

Labels = NDArray[np.unsignedinteger[Any]]
"""(H, W) uint8 label map, or uint16 where an id is above 254."""
Probabilities = NDArray[np.float32]


class Source(StrEnum):
    """Where the mask of an object in a frame comes from."""

    USER = "user"
    """A mask that the user gave: confidence 1."""
    CORRECTED = "corrected"
    """The user corrected an object that was tracked already."""
    DECODED = "decoded"
    """Decoded from points or a box: the decoder's expected quality, not 1."""
    DETECTED = "detected"
    """Found by a detector: the detector's score."""
    TRACKED = "tracked"
    """Propagated by the tracker."""


class FrameResult:
    """The masks of all objects known at one frame. An id may be known and cover no pixel (it is not visible).

    Args:
        frame_index: of the frame, counted from 0 in presentation order.
        labels: (H, W) uint8 or uint16, overlaps resolved: 0 background, else an object id, never void.
        confidence: expected J of the mask, in 0..1, by id of every object known at this frame.
        source: where each mask comes from, by id, or one for all.
        probabilities: (N, H, W) float32 in 0..1, rows in the order of :attr:`ids`; they may overlap. A
            function is called when they are first asked for; None stands for the hard masks of ``labels``.

    Raises:
        ValueError: for arrays of another shape or type, or ids outside 1..65534.
    """

    def __init__(
        self,
        frame_index: int,
        labels: Labels,
        confidence: Mapping[int, float] | None = None,
        *,
        source: Source | Mapping[int, Source] = Source.TRACKED,
        probabilities: Probabilities | Callable[[], Probabilities] | None = None,
    ) -> None:
        labels = np.asarray(labels)
        if labels.ndim != 2 or labels.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"labels must be (H, W) uint8 or uint16, got {labels.shape} {labels.dtype}")
        self.frame_index = frame_index
        self.labels = labels
        self.confidence: Mapping[int, float] = dict(confidence or {})
        check_object_ids(self.confidence)
        self.ids: tuple[int, ...] = tuple(sorted(self.confidence))
        """Ids of all objects known at this frame, ascending."""
        if isinstance(source, str):
            source = dict.fromkeys(self.ids, Source(source))
        self.source: Mapping[int, Source] = dict(source)
        if set(self.source) != set(self.ids):
            raise ValueError(f"source has ids {sorted(self.source)}, confidence has {list(self.ids)}")
        self._probabilities = probabilities

    @property
    def probabilities(self) -> Probabilities:
        """(N, H, W) float32 in 0..1, rows in the order of :attr:`ids`; computed on first use."""
        if self._probabilities is None:
            self._probabilities = labels_to_masks(self.labels, self.ids).astype(np.float32)
        elif callable(self._probabilities):
            self._probabilities = self._probabilities()
        if self._probabilities.shape != (len(self.ids), *self.labels.shape):
            expected = (len(self.ids), *self.labels.shape)
            raise ValueError(f"probabilities must be {expected}, got {self._probabilities.shape}")
        return self._probabilities

    def mask(self, object_id: int) -> NDArray[np.bool_]:
        """(H, W) bool mask of one object, overlaps resolved."""
        mask: NDArray[np.bool_] = self.labels == object_id
        return mask

    def areas(self) -> dict[int, int]:
        """Pixels of the mask of every object, by id; 0 for one that is lost."""
        counts = np.bincount(self.labels.ravel(), minlength=max(self.ids, default=0) + 1)
        return {object_id: int(counts[object_id]) for object_id in self.ids}

    def __repr__(self) -> str:
        height, width = self.labels.shape
        objects = {k: f"{self.confidence[k]:.3f} {self.source[k]}" for k in self.ids}
        return f"FrameResult(frame_index={self.frame_index}, size={width}x{height}, objects={objects})"


def check_object_ids(ids: Iterable[int]) -> None:
    """Raise ValueError unless ids are distinct whole numbers in 1..65534 other than 255."""
    seen: set[int] = set()
    for object_id in ids:
        if not 1 <= object_id <= MAX_OBJECT_ID or object_id == VOID:
            raise ValueError(
                f"object id {object_id} is not in 1..{MAX_OBJECT_ID}, or is 255 (0 is background, 255 void)"
            )
        if object_id in seen:
            raise ValueError(f"object id {object_id} occurs twice")
        seen.add(object_id)


def label_dtype(ids: Iterable[int]) -> type[np.uint8] | type[np.uint16]:
    """The type of a label map of these ids: uint8, or uint16 where one of them is above 254."""
    return np.uint16 if max(ids, default=0) > VOID else np.uint8


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


def object_ids(labels: Labels) -> tuple[int, ...]:
    """Ids that occur in a label map, ascending, without background and void."""
    counts = np.bincount(labels.ravel(), minlength=256)
    return tuple(int(i) for i in np.flatnonzero(counts) if i not in (BACKGROUND, VOID))


def labels_to_masks(labels: Labels, ids: Iterable[int]) -> NDArray[np.bool_]:
    """(N, H, W) bool, row n where ``labels == ids[n]``."""
    wanted = np.asarray(list(ids), dtype=np.uint16).reshape(-1, 1, 1)
    masks: NDArray[np.bool_] = labels[None] == wanted
    return masks
