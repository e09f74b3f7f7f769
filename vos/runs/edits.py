"""Changes of results: every edit makes annotations of annotations, frame by frame, and touches no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import replacing_folder
from ..formats.mask_folder import RECORD
from ..formats.reading import Annotations, load_json
from ..formats.records import FrameRecord
from ..formats.registry import build_writer
from ..formats.run_record import RunWriter
from ..results import FrameResult, Labels, Source, check_object_ids, label_dtype, object_ids

Change = Callable[[int, Labels], Labels]
"""Frame index and label map -> the new label map; the given one is not written to."""


@dataclass
class EditSummary:
    """What an edit changes."""

    frames: list[int] = field(default_factory=list)
    """Indices of the frames whose masks change."""
    gained: dict[int, int] = field(default_factory=dict)
    """Pixels by object that it did not have before."""
    lost: dict[int, int] = field(default_factory=dict)
    """Pixels by object that it had before."""


def renumbered(mapping: Mapping[int, int], frames: range) -> Change:
    """Objects get other ids, all at once: ``{1: 2, 2: 1}`` swaps, ``{2: 1}`` merges 2 into 1, 0 removes."""
    check_object_ids(k for k in mapping if k)
    for target in mapping.values():
        if target:
            check_object_ids([target])

    def change(index: int, labels: Labels) -> Labels:
        if index not in frames:
            return labels
        changed: Labels = labels.astype(label_dtype([*mapping.values(), int(labels.max(initial=0))]))
        for before, after in mapping.items():
            changed[labels == before] = after
        return changed

    return change


def without(ids: Sequence[int] | None, frames: range, *, inside: bool = True, keep: bool = False) -> Change:
    """Objects ``ids`` (None: all; ``keep``: all others) are removed in ``frames``, or outside of them."""

    def change(index: int, labels: Labels) -> Labels:
        if (index in frames) != inside:
            return labels
        gone = np.ones(labels.shape, bool) if ids is None else np.isin(labels, ids) != keep
        changed = labels.copy()
        changed[gone] = 0
        return changed

    return change


def without_specks(area: int) -> Change:
    """Pieces (8-connected) of objects with fewer than ``area`` pixels are removed."""

    def change(index: int, labels: Labels) -> Labels:
        changed = labels.copy()
        for object_id in object_ids(labels):
            changed[_small_pieces(labels == object_id, area, 8)] = 0
        return changed

    return change


def without_holes(area: int) -> Change:
    """Holes (4-connected background that does not reach the border) of fewer than ``area`` pixels, each
    beside one object only, become part of that object."""

    def change(index: int, labels: Labels) -> Labels:
        changed = labels.copy()
        for object_id in object_ids(labels):
            outside = np.pad(labels != object_id, 1, constant_values=True)
            small = _small_pieces(outside, area, 4)[1:-1, 1:-1]
            # What touches the padding is one large piece, unless the frame is smaller than the limit.
            _, pieces = cv2.connectedComponents(outside.astype(np.uint8), connectivity=4)
            small &= pieces[1:-1, 1:-1] != pieces[0, 0]
            for piece in np.unique(pieces[1:-1, 1:-1][small]):
                hole = pieces[1:-1, 1:-1] == piece
                if not labels[hole].any():
                    changed[hole] = object_id
        return changed

    return change


def _small_pieces(mask: NDArray[np.bool_], area: int, connectivity: int) -> NDArray[np.bool_]:
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    small = stats[:, cv2.CC_STAT_AREA] < area
    small[0] = False
    found: NDArray[np.bool_] = small[pieces]
    return found


def fill_gaps(annotations: Annotations, longest: int) -> Change:
    """Objects that are gone for at most ``longest`` frames get masks between those before and after.

    Between two masks the signed distances to their outlines are mixed by time, after both are moved to the
    centroid in between (shape-based interpolation, Raya and Udupa, TMI 1990). Only background is painted.
    """
    seen: dict[int, tuple[int, NDArray[np.bool_]]] = {}
    position: dict[int, int] = {}
    order: list[int] = []
    fills: dict[int, list[tuple[int, NDArray[np.uint8]]]] = {}
    for n, (frame, result) in enumerate(annotations):
        order.append(frame.index)
        for object_id in object_ids(result.labels):
            mask = result.mask(object_id)
            before = seen.get(object_id)
            if before is not None and 1 < n - position[object_id] <= longest + 1:
                for step in range(position[object_id] + 1, n):
                    part = (step - position[object_id]) / (n - position[object_id])
                    between = _between(before[1], mask, part)
                    fills.setdefault(order[step], []).append((object_id, np.packbits(between)))
            seen[object_id], position[object_id] = (frame.index, mask), n

    def change(index: int, labels: Labels) -> Labels:
        changed = labels.copy()
        for object_id, packed in fills.get(index, ()):
            mask = np.unpackbits(packed, count=labels.size).reshape(labels.shape).astype(bool)
            changed[mask & (changed == 0)] = object_id
        return changed

    return change


def _between(first: NDArray[np.bool_], last: NDArray[np.bool_], part: float) -> NDArray[np.bool_]:
    centres = [np.argwhere(mask).mean(axis=0) for mask in (first, last)]
    middle = centres[0] * (1 - part) + centres[1] * part
    distances = []
    for mask, centre in zip((first, last), centres, strict=True):
        rows, columns = middle - centre
        matrix = np.array([[1, 0, columns], [0, 1, rows]], np.float64)
        moved = cv2.warpAffine(mask.astype(np.float32), matrix, mask.shape[::-1]) > 0.5
        inside = cv2.distanceTransform(moved.astype(np.uint8), cv2.DIST_L2, 5)
        outside = cv2.distanceTransform((~moved).astype(np.uint8), cv2.DIST_L2, 5)
        distances.append(inside - outside)
    found: NDArray[np.bool_] = distances[0] * (1 - part) + distances[1] * part > 0
    return found


def edited(annotations: Annotations, change: Change) -> Annotations:
    """The annotations with that change; confidence is that of the object most pixels belonged to."""

    def records() -> Iterator[FrameRecord]:
        for frame, result in annotations:
            labels = change(frame.index, result.labels)
            confidence: dict[int, float] = {}
            source: dict[int, Source] = {}
            for object_id in object_ids(labels):
                counts = np.bincount(result.labels[labels == object_id], minlength=2)[1:]
                before = int(counts.argmax()) + 1 if counts.any() else None
                confidence[object_id] = result.confidence[before] if before else 0.0
                source[object_id] = result.source[before] if before else Source.CORRECTED
            yield FrameRecord.of(frame, FrameResult(frame.index, labels, confidence, source=source))

    return replace(annotations, records=records)


def summarize(before: Annotations, after: Annotations) -> EditSummary:
    """What differs, pixel by pixel."""
    summary = EditSummary()
    for (frame, old), (_, new) in zip(before, after, strict=True):
        differs = old.labels != new.labels
        if not differs.any():
            continue
        summary.frames.append(frame.index)
        for labels, counts in ((new.labels, summary.gained), (old.labels, summary.lost)):
            for object_id, count in zip(*np.unique(labels[differs], return_counts=True), strict=True):
                if object_id:
                    counts[int(object_id)] = counts.get(int(object_id), 0) + int(count)
    return summary


def write_edited(annotations: Annotations, source: Path, output: Path, edit: Mapping[str, object]) -> None:
    """A folder of ``masks`` and ``run.json``, as a run's, with the edit added to its list of ``edits``.

    Raises:
        InputError: something is there already.
    """
    if output.exists():
        raise InputError(f"{output} is there already: choose another place")
    record = next((p for p in (source / RECORD, source.parent / RECORD) if p.is_file()), None)
    kept = {} if record is None else load_json(record)
    header = {key: kept[key] for key in ("program", "version", "settings", "input", "edits") if key in kept}
    with replacing_folder(output) as temporary:
        masks, run = build_writer("masks", temporary / "masks"), RunWriter(temporary / RECORD)
        run.header = {
            "program": "vos",
            **header,
            "outputs": {"masks": "masks"},
            "edits": [*header.get("edits", []), dict(edit)],
        }
        run.footer = {"names": {str(k): name for k, name in sorted(annotations.names.items())}}
        for frame, result in annotations:
            masks.write(frame, result)
            run.write(frame, result)
        run.close()
