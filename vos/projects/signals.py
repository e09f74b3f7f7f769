"""Signals: how doubtful the mask of an object in a frame is, seen from many sides, each 0..1.

They are computed while tracking and stored with its results, but for ``far``, which follows from the state of
the project. Each is a linear ramp of a measurement: 0 up to
one value, 1 from another on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Mask
from ..frame import Frame
from ..ops.boxes import Box, tight_box
from ..ops.iou import mask_iou
from ..results import FrameResult


@dataclass(frozen=True)
class Ramp:
    """A measurement's value at signal 0 and at signal 1."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        """The signal, 0..1."""
        return float(np.clip((value - self.low) / (self.high - self.low), 0.0, 1.0))

    def of_all(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """The signals of many measurements at once."""
        return np.clip((values - self.low) / (self.high - self.low), 0.0, 1.0)


@dataclass(frozen=True)
class Signal:
    """A signal and how it is put to people."""

    ramp: Ramp | None
    """None: it is 1 where it occurs."""
    reason: str
    """In words."""


SIGNALS: dict[str, Signal] = {
    "score": Signal(Ramp(0.8, 0.3), "the tracker is not confident"),
    "dip": Signal(Ramp(0.1, 0.4), "confidence drops"),
    "area": Signal(Ramp(float(np.log(1.25)), float(np.log(2))), "the area changes suddenly"),
    "jump": Signal(Ramp(0.25, 1.0), "the object jumps"),
    "shape": Signal(Ramp(0.3, 0.7), "the shape changes suddenly"),
    "pieces": Signal(Ramp(1.0, 4.0), "the mask falls into pieces"),
    "disagree": Signal(Ramp(0.1, 0.5), "forward and backward tracking disagree"),
    "swap": Signal(Ramp(0.0, 0.2), "may have been swapped with another object"),
    "gone": Signal(None, "the object disappears"),
    "back": Signal(None, "the object comes back"),
    "cut": Signal(None, "the scene cuts here"),
    "far": Signal(Ramp(0.0, 60.0), "far from the frames that are settled"),
}
"""Name -> definition."""

CUT = 0.5
"""Hellinger distance of the colours of two frames from which on there is a scene cut between them."""
SMALL_PIECE = 0.02
"""Pieces below this share of an object's area are not counted."""
SCORES, AREAS, JUMPS, PIECES = 25, 5, 10, 10
"""Frames that the running medians of confidence, area, jump and number of pieces reach back."""

SignalValues = dict[str, dict[int, float]]
"""Name -> frame -> value above 0, with three decimals."""


@dataclass
class _Past:
    """What the running medians look back on."""

    scores: deque[float] = field(default_factory=lambda: deque(maxlen=SCORES))
    areas: deque[float] = field(default_factory=lambda: deque(maxlen=AREAS))
    jumps: deque[float] = field(default_factory=lambda: deque(maxlen=JUMPS))
    pieces: deque[float] = field(default_factory=lambda: deque(maxlen=PIECES))
    mask: Mask | None = None
    """Of the frame before."""


def mask_signals(first: int, masks: Iterable[tuple[Mask, float]], before: Mask | None = None) -> SignalValues:
    """The signals that masks and confidences alone give: all but ``disagree``, ``swap`` and ``cut``.

    Args:
        first: frame of the first mask.
        masks: (H, W) masks of consecutive frames with their confidence.
        before: the mask of frame ``first - 1``, where it is known.
    """
    values: SignalValues = {}
    past = _Past(mask=before)
    if before is not None and before.any():
        past.areas.append(float(before.sum()))
        past.pieces.append(_count_pieces(before))
    for frame, (mask, confidence) in enumerate(masks, start=first):
        for name, value in _measure(mask, confidence, past).items():
            ramp = SIGNALS[name].ramp
            put(values, name, frame, value if ramp is None else ramp(value))
        past.mask = mask
    return values


def put(values: SignalValues, name: str, frame: int, value: float) -> None:
    """Note a signal; zeros are left out."""
    if round(value, 3) > 0:
        values.setdefault(name, {})[frame] = round(value, 3)


def disagreement_signal(first: int, disagreement: Sequence[float]) -> SignalValues:
    """``disagree`` of 1 - IoU of forward and backward masks in consecutive frames."""
    values: SignalValues = {}
    ramp = SIGNALS["disagree"].ramp
    assert ramp is not None
    for frame, value in enumerate(disagreement, start=first):
        put(values, "disagree", frame, ramp(value))
    return values


def _measure(mask: Mask, confidence: float, past: _Past) -> dict[str, float]:
    """What the ramps are laid over; ``past`` is brought up to date, but for the mask."""
    measured = {"score": confidence}
    if past.scores:
        measured["dip"] = float(np.median(past.scores)) - confidence
    past.scores.append(confidence)
    area, before = float(np.count_nonzero(mask)), past.mask
    had = before is not None and bool(before.any())
    if area == 0:
        measured["gone"] = float(had)
        return measured
    if before is not None and not had:
        measured["back"] = float(bool(past.areas))
    if past.areas:
        measured["area"] = abs(float(np.log(area / np.median(past.areas))))
    past.areas.append(area)
    pieces = _count_pieces(mask)
    if past.pieces:
        measured["pieces"] = pieces - float(np.median(past.pieces))
    past.pieces.append(pieces)
    if had and before is not None:
        shift = _centroid(mask) - _centroid(before)
        distance = float(np.hypot(*shift)) / area**0.5
        measured["jump"] = distance - (float(np.median(past.jumps)) if past.jumps else 0.0)
        past.jumps.append(distance)
        measured["shape"] = 1 - mask_iou(mask, _moved(before, shift), empty=1.0)
    return measured


def _centroid(mask: Mask) -> NDArray[np.float64]:
    """(2,) row and column of a mask that is not empty."""
    rows, columns = mask.sum(axis=1), mask.sum(axis=0)
    total = rows.sum()
    return np.array([rows @ np.arange(len(rows)), columns @ np.arange(len(columns))]) / total


def _moved(mask: Mask, shift: NDArray[np.float64]) -> Mask:
    """A mask moved by whole pixels (rows, columns)."""
    down, right = np.rint(shift)
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = mask.shape[1], mask.shape[0]
    moved: Mask = cv2.warpAffine(mask.view(np.uint8), matrix, size, flags=cv2.INTER_NEAREST) != 0
    return moved


def _count_pieces(mask: Mask) -> float:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    return float((areas > SMALL_PIECE * areas.sum()).sum())


class ColourObserver:
    """Watches the frames of one pass for scene cuts and swapped objects.

    Its ``__call__`` is an observer of :class:`vos.trackers.intervals.TrackerPasses`.
    """

    def __init__(self) -> None:
        self.cuts: set[int] = set()
        """Frames right after a scene cut."""
        self.swaps: dict[int, SignalValues] = {}
        """By object."""
        self._last: int | None = None
        self._histogram: Floats | None = None
        self._references: dict[int, Floats] = {}

    def save(self) -> dict[str, Any]:
        """All that it has seen, as nested dicts and lists of arrays and numbers."""
        return {
            "cuts": sorted(self.cuts),
            "swaps": self.swaps,
            "last": self._last,
            "picture": self._histogram,
            "references": self._references,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue where :meth:`save` was called."""
        self.cuts, self.swaps = set(state["cuts"]), state["swaps"]
        self._last, self._histogram = state["last"], state["picture"]
        self._references = state["references"]

    def __call__(self, frame: Frame, result: FrameResult) -> None:
        """See a frame of a pass; the first one is where masks are known."""
        histogram = colour_histogram(frame.image, None)
        last, before = self._last, self._histogram
        starts = last is None or abs(last - frame.index) != 1
        if last is not None and before is not None and not starts and hellinger(before, histogram) > CUT:
            self.cuts.add(max(frame.index, last))
        self._last, self._histogram = frame.index, histogram
        if len(result.ids) < 2:
            return
        if starts:
            self._references = {
                object_id: colour_histogram(frame.image, mask)
                for object_id in result.ids
                if (mask := result.mask(object_id)).any()
            }
        else:
            self._compare(frame, result)

    def _compare(self, frame: Frame, result: FrameResult) -> None:
        references = self._references
        boxes = {k: box for k in result.ids if k in references and (box := tight_box(result.mask(k)))}
        ids = sorted(boxes)
        near = [(a, b) for a in ids for b in ids if a < b and _are_near(boxes[a], boxes[b])]
        colours = {
            k: colour_histogram(frame.image, result.mask(k)) for k in {k for pair in near for k in pair}
        }
        ramp = SIGNALS["swap"].ramp
        assert ramp is not None
        for a, b in near:
            own = hellinger(colours[a], references[a]) + hellinger(colours[b], references[b])
            other = hellinger(colours[a], references[b]) + hellinger(colours[b], references[a])
            for object_id in (a, b):
                put(self.swaps.setdefault(object_id, {}), "swap", frame.index, ramp(own - other))


def colour_histogram(image: NDArray[np.uint8], mask: Mask | None) -> Floats:
    """(8, 8, 8) float32 shares of the colours of an image, or of its pixels in a mask."""
    region = None if mask is None else mask.view(np.uint8)
    counts = cv2.calcHist([image], [0, 1, 2], region, [8, 8, 8], [0, 256] * 3)
    return np.asarray(counts / max(counts.sum(), 1.0), np.float32)


def hellinger(a: Floats, b: Floats) -> float:
    """Hellinger distance of two histograms of shares: 0 equal, 1 nothing in common."""
    return float(np.sqrt(max(0.0, 1.0 - float(np.sqrt(a * b).sum()))))


def _are_near(a: Box, b: Box) -> bool:
    """Whether the gap between two boxes is below their mean diameter."""
    gap = np.hypot(max(a[0] - b[2], b[0] - a[2], 0), max(a[1] - b[3], b[1] - a[3], 0))
    diameters = [float(np.hypot(box[2] - box[0] + 1, box[3] - box[1] + 1)) for box in (a, b)]
    return bool(gap < sum(diameters) / 2)


def merged(*parts: Mapping[str, Mapping[int, float]]) -> SignalValues:
    """Signals of several sources in one."""
    values: SignalValues = {}
    for part in parts:
        for name, frames in part.items():
            values.setdefault(name, {}).update(frames)
    return values
