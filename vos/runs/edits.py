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
from ..formats.importing import factor
from ..formats.mask_folder import RECORD
from ..formats.reading import Annotations, load_json
from ..formats.records import FrameRecord
from ..formats.registry import build_writer
from ..formats.run_record import RunWriter
from ..frame import Frame, no_image
from ..results import FrameResult, Labels, Source, check_object_ids, label_dtype, object_ids

Change = Callable[[int, Labels], Labels]
"""Frame index and label map -> the new label map; the given one is not written to."""


@dataclass
class EditSummary:
    """What an edit changes; where it changes the size, every frame, and pixels are not counted."""

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


def edited(annotations: Annotations, change: Change) -> Annotations:
    """The annotations with that change; confidence is that of the object most pixels belonged to."""

    def records() -> Iterator[FrameRecord]:
        for frame, result in annotations:
            yield changed_record(frame, result, change(frame.index, result.labels))

    return replace(annotations, records=records)


def changed_record(frame: Frame, result: FrameResult, labels: Labels) -> FrameRecord:
    """A frame's record with the label map ``labels`` in place of that of ``result``, of the same size."""
    confidence: dict[int, float] = {}
    source: dict[int, Source] = {}
    for object_id in object_ids(labels):
        counts = np.bincount(result.labels[labels == object_id], minlength=2)[1:]
        before = int(counts.argmax()) + 1 if counts.any() else None
        confidence[object_id] = result.confidence[before] if before else 0.0
        source[object_id] = result.source[before] if before else Source.CORRECTED
    return FrameRecord.of(frame, FrameResult(frame.index, labels, confidence, source=source))


def resized(annotations: Annotations, size: tuple[int, int]) -> Annotations:
    """The annotations at another resolution.

    Every pixel goes to the object, or to the background, that has most of it: masks are interpolated linearly
    where they grow and averaged over areas where they shrink, as frames are.

    Args:
        annotations: of one size.
        size: (height, width), both sides changed by one factor.

    Raises:
        FormatError: the sides differ by different factors.
    """

    def records() -> Iterator[FrameRecord]:
        for frame, result in annotations:
            height, width = result.labels.shape
            factor((height, width), size)
            labels = _resized(result.labels, size)
            found = FrameResult(frame.index, labels, result.confidence, source=result.source)
            yield FrameRecord.of(replace(frame, image=no_image(size)), found)

    return replace(annotations, records=records)


def _resized(labels: Labels, size: tuple[int, int]) -> Labels:
    """(H, W) label map at (height, width)."""
    shrinks = size[0] <= labels.shape[0] and size[1] <= labels.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    ids = object_ids(labels)
    most = cv2.resize((labels == 0).astype(np.float32), size[::-1], interpolation=way)
    changed: Labels = np.zeros(size, label_dtype(ids))
    for object_id in ids:
        share = cv2.resize((labels == object_id).astype(np.float32), size[::-1], interpolation=way)
        more = share > most
        changed[more], most[more] = object_id, share[more]
    return changed


def summarize(before: Annotations, after: Annotations) -> EditSummary:
    """What differs, pixel by pixel."""
    summary = EditSummary()
    for (frame, old), (_, new) in zip(before, after, strict=True):
        if old.labels.shape != new.labels.shape:
            summary.frames.append(frame.index)
            continue
        differs = old.labels != new.labels
        if not differs.any():
            continue
        summary.frames.append(frame.index)
        for labels, counts in ((new.labels, summary.gained), (old.labels, summary.lost)):
            for object_id, count in zip(*np.unique(labels[differs], return_counts=True), strict=True):
                if object_id:
                    counts[int(object_id)] = counts.get(int(object_id), 0) + int(count)
    return summary


def write_edited(
    annotations: Annotations,
    source: Path,
    output: Path,
    edit: Mapping[str, object],
    *,
    size: tuple[int, int] | None = None,
) -> None:
    """A folder of ``masks`` and ``run.json``, as a run's, with the edit added to its list of ``edits``.

    Args:
        annotations: what to write.
        source: the folder that was edited.
        output: the folder to make.
        edit: what was done.
        size: (height, width) of the masks, where the edit changed it.

    Raises:
        InputError: something is there already.
    """
    if output.exists():
        raise InputError(f"{output} is there already: choose another place")
    record = next((p for p in (source / RECORD, source.parent / RECORD) if p.is_file()), None)
    kept = {} if record is None else load_json(record)
    header = {
        key: kept[key]
        for key in ("program", "version", "settings", "calibrated", "input", "edits")
        if key in kept
    }
    if size is not None and isinstance(header.get("input"), dict):
        height, width = size
        header["input"] = header["input"] | {"width": width, "height": height}
        header["settings"] = header.get("settings", {}) | {"size": [width, height]}
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
