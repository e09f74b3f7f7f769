"""What a page draws of a video at once: per object and frame, state, doubt, confidence and area."""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ops.boxes import tight_box
from ..ops.rle import counts_area, decompress
from ..projects import Project, ProjectVideo
from ..projects.queue import doubt
from ..projects.shown import shown_frame
from ..projects.state import FrameState, State, Track
from .revisions import frame_key
from .runs import encode_frame

CODES = {
    FrameState.UNKNOWN: 0,
    FrameState.TRACKED: 1,
    FrameState.STALE: 2,
    FrameState.REJECTED: 3,
    FrameState.ACCEPTED: 4,
    FrameState.ANCHOR: 5,
}
"""State -> its number on the wire."""
MASK_BYTES = 64 << 20
"""Of encoded masks kept in memory."""
TRACKS = 512
"""Rows of timelines kept in memory."""


@dataclass(frozen=True, eq=False)
class Row:
    """One object in one video; arrays are (T,)."""

    track: Track
    doubt: NDArray[np.float64]
    confidence: NDArray[np.float64]
    area: NDArray[np.int64]

    def describe(self, object_id: int) -> dict[str, Any]:
        """As JSON."""
        return {
            "object": object_id,
            "state": _packed(state_codes(self.track)),
            "doubt": _packed(_scaled(self.doubt)),
            "confidence": _packed(_scaled(self.confidence)),
            "area": _packed(self.area.astype("<u4")),
            "anchors": [
                [frame, "absent" if anchor.mask is None else anchor.origin]
                for frame, anchor in sorted(self.track.anchors.items())
            ],
            "pending": [[interval.first, interval.last] for interval in self.track.pending],
        }


class Timelines:
    """Computes what is shown once, and again only where it has changed."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._lock = threading.Lock()
        self._rows: OrderedDict[tuple[str, int], Row] = OrderedDict()
        self._masks: OrderedDict[Any, bytes] = OrderedDict()
        self._mask_bytes = 0
        self._piece = lru_cache(maxsize=4096)(self._read_piece)

    def strip(self, key: str) -> dict[str, Any]:
        """The whole video: see ``GET /api/videos/KEY/strip``."""
        video = self.project.video(key)
        counter, state = self.project.counter, self.project.state
        rows = [self._row(state, video, object_id).describe(object_id) for object_id in state.visible]
        return {"counter": counter, "frames": video.frames, "objects": rows}

    def masks(self, key: str, first: int, last: int) -> tuple[list[bytes], int]:
        """The encoded frames of a range, and the counter of the events that they show."""
        video = self.project.video(key)
        counter, state = self.project.counter, self.project.state
        return [self._encoded(state, video, frame) for frame in range(first, last + 1)], counter

    def frame(self, key: str, index: int) -> dict[str, Any]:
        """The objects of one frame: see ``GET /api/videos/KEY/frames/INDEX.json``."""
        video = self.project.check_frame(key, index)
        counter, state = self.project.counter, self.project.state
        shown = shown_frame(state, self.project.blobs, key, index, video.size)
        objects = []
        for object_id in state.visible:
            track = state.track(key, object_id)
            mask = shown.mask(object_id)
            is_known = object_id in shown.confidence
            area = int(np.count_nonzero(mask))
            objects.append(
                {
                    "object": object_id,
                    "state": str(track.state(index)),
                    "confidence": shown.confidence.get(object_id),
                    "doubt": round(float(self._row(state, video, object_id).doubt[index]), 3),
                    "area": area,
                    "box": list(box) if (box := tight_box(mask)) else None,
                    "absent": is_known and not area,
                }
            )
        return {"counter": counter, "frame": index, "objects": objects}

    def _row(self, state: State, video: ProjectVideo, object_id: int) -> Row:
        track = state.track(video.key, object_id)
        key = (video.key, object_id)
        with self._lock:
            known = self._rows.get(key)
        if known is not None and known.track is track:
            return known
        row = Row(track, doubt(state, track), *self._measured(state, track))
        with self._lock:
            self._rows[key] = row
            self._rows.move_to_end(key)
            while len(self._rows) > TRACKS:
                self._rows.popitem(last=False)
        return row

    def _measured(self, state: State, track: Track) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(T,) confidence and area of the object's own mask, 0 where nothing is known."""
        confidence, area = np.zeros(track.num_frames), np.zeros(track.num_frames, np.int64)
        for span in track.results:
            event = state.tracked.get(span.value.event)
            if event is None or span.value.object_id is None:
                confidence[span.first : span.last + 1] = 1.0
                continue
            for digest in event.payload["pieces"][str(span.value.object_id)]:
                for frame, value, pixels in self._piece(digest):
                    if span.first <= frame <= span.last:
                        confidence[frame], area[frame] = value, pixels
        for frame, anchor in track.anchors.items():
            confidence[frame] = 1.0
            area[frame] = 0 if anchor.mask is None else self._anchor_area(anchor.mask)
        return confidence, area

    def _read_piece(self, digest: str) -> tuple[tuple[int, float, int], ...]:
        piece = self.project.blobs.piece(digest)
        return tuple((m.frame, m.confidence, counts_area(decompress(m.rle))) for m in piece.values())

    def _anchor_area(self, digest: str) -> int:
        return int(np.count_nonzero(self.project.blobs.mask(digest)))

    def _encoded(self, state: State, video: ProjectVideo, index: int) -> bytes:
        key = (video.key, index, frame_key(state, video.key, index))
        with self._lock:
            found = self._masks.get(key)
            if found is not None:
                self._masks.move_to_end(key)
                return found
        shown = shown_frame(state, self.project.blobs, video.key, index, video.size)
        data = encode_frame(index, shown.labels.astype(np.uint8, copy=False))
        with self._lock:
            self._masks[key] = data
            self._mask_bytes += len(data)
            while self._mask_bytes > MASK_BYTES and len(self._masks) > 1:
                self._mask_bytes -= len(self._masks.popitem(last=False)[1])
        return data


def state_codes(track: Track) -> NDArray[np.uint8]:
    """(T,) the state of every frame, as :data:`CODES`."""
    codes = np.full(track.num_frames, CODES[FrameState.UNKNOWN], np.uint8)
    for span in track.results:
        codes[span.first : span.last + 1] = CODES[FrameState.TRACKED]
    for stale in track.stale:
        codes[stale.first : stale.last + 1] = CODES[FrameState.STALE]
    for review in track.reviews:
        part = codes[review.first : review.last + 1]
        part[part != CODES[FrameState.UNKNOWN]] = CODES[FrameState(review.value.state)]
    for frame in track.anchors:
        codes[frame] = CODES[FrameState.ANCHOR]
    return codes


def _scaled(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _packed(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
