"""What is shown of a frame: the masks of all objects, overlaps resolved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Mask
from ..ops.overlap import paint_by
from ..results import FrameResult, Labels, Source
from .blobs import BlobStore, unpack
from .state import Anchor, FrameState, Result, State

_RANK = {FrameState.ANCHOR: 0, FrameState.ACCEPTED: 1}
"""Whose pixels count where masks overlap; all other states come last."""


@dataclass(frozen=True, eq=False)
class ShownMask:
    """The mask of one object in one frame, before overlaps are resolved."""

    object_id: int
    mask: Mask
    """(H, W) bool, not to be written to."""
    state: FrameState
    confidence: float
    """0..1; 1 for masks that were given."""
    order: tuple[int, str, int] = (0, "", 0)
    """Of an anchor's event: the later one wins the pixels of two anchors."""


def mask_of_anchor(anchor: Anchor, blobs: BlobStore, size: tuple[int, int]) -> Mask:
    """(H, W) mask of an anchor, empty where it says that the object is absent."""
    return np.zeros(size, bool) if anchor.mask is None else blobs.mask(anchor.mask)


def mask_of_result(
    result: Result, frame: int, state: State, blobs: BlobStore, size: tuple[int, int]
) -> tuple[Mask, float]:
    """(H, W) mask of a result in a frame, and its confidence; an absence is an empty mask."""
    event = state.tracked.get(result.event)
    if result.object_id is None or event is None:
        return np.zeros(size, bool), 1.0
    pieces = event.payload["pieces"][str(result.object_id)]
    tracked = blobs.tracked_mask(pieces, event.payload["first"], frame)
    return unpack(tracked, size), tracked.confidence


def shown_mask(
    state: State, blobs: BlobStore, video: str, frame: int, object_id: int, size: tuple[int, int]
) -> ShownMask | None:
    """The mask of one object in a frame; None where nothing is known."""
    track = state.track(video, object_id)
    kind = track.state(frame)
    anchor = track.anchors.get(frame)
    if anchor is not None:
        mask = mask_of_anchor(anchor, blobs, size)
        return ShownMask(object_id, mask, kind, 1.0, anchor.order)
    result = track.results.get(frame)
    if result is None:
        return None
    mask, confidence = mask_of_result(result, frame, state, blobs, size)
    return ShownMask(object_id, mask, kind, confidence)


def shown_frame(state: State, blobs: BlobStore, video: str, frame: int, size: tuple[int, int]) -> FrameResult:
    """All visible objects of a frame of which something is known.

    Where masks overlap, anchors come before accepted masks and these before others; of two anchors the later
    one wins, else the higher confidence, the smaller area, the smaller id.
    """
    masks = [
        mask
        for object_id in state.visible
        if (mask := shown_mask(state, blobs, video, frame, object_id, size)) is not None
    ]
    return resolve(masks, frame, size)


def resolve(masks: list[ShownMask], frame: int, size: tuple[int, int]) -> FrameResult:
    """The result of a frame with these masks, see :func:`shown_frame`."""

    def precedence(shown: ShownMask) -> tuple[object, ...]:
        later_first = (-shown.order[0], _reversed(shown.order[1]), -shown.order[2])
        area = int(np.count_nonzero(shown.mask))
        return _RANK.get(shown.state, 2), later_first, -shown.confidence, area, shown.object_id

    labels: Labels = np.zeros(size, np.uint8)
    if masks:
        ids = [shown.object_id for shown in masks]
        labels = paint_by([shown.mask for shown in masks], ids, [precedence(shown) for shown in masks])
    return FrameResult(
        frame,
        labels,
        {shown.object_id: shown.confidence for shown in masks},
        source={
            shown.object_id: Source.USER if shown.state == FrameState.ANCHOR else Source.TRACKED
            for shown in masks
        },
    )


def _reversed(text: str) -> tuple[int, ...]:
    """A key that sorts texts the other way round."""
    return (*(-ord(letter) for letter in text), 1)
