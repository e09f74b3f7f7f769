"""Annotated clips with exact truth for the tests of formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from vos.formats.reading import Annotations
from vos.formats.records import UNNAMED, FrameRecord
from vos.frame import Frame
from vos.results import FrameResult, Source, object_ids

NAMES = ["dog", 'a "quoted" & <b>', "Köter\nzwei", "猫", ""]


def annotations_of(
    labels: Sequence[np.ndarray],
    *,
    names: Mapping[int, str] | None = None,
    categories: Mapping[int, str] | None = None,
    source: Source = Source.TRACKED,
    stems: Sequence[str] | None = None,
    suffix: str | None = None,
    fps: float | None = 25.0,
) -> Annotations:
    """Label maps as annotations: times at 25 frames a second, a confidence for every visible object."""

    def records() -> Iterator[FrameRecord]:
        for index, values in enumerate(labels):
            name = stems[index] if stems else f"{index:05d}"
            blank = np.broadcast_to(np.zeros(3, np.uint8), (*values.shape, 3))
            frame = Frame(index, blank, name, index / 25, name + suffix if suffix else None)
            confidence = {k: round(1 / (k + index + 1), 6) for k in object_ids(values)}
            yield FrameRecord.of(frame, FrameResult(index, values, confidence, source=source))

    return Annotations(records, "clip", dict(names or {}), dict(categories or {}), fps)


def hard_clip(count: int = 5) -> list[np.ndarray]:
    """29x37, four objects: 1 with a hole, 2 in three pieces at the border and gone in frame 3, 3 one pixel,
    254 in the middle of the hole of 1; nothing at all in frame 4."""
    frames = []
    for index in range(count):
        labels = np.zeros((29, 37), np.uint8)
        labels[5:20, 3:18] = 1
        labels[9:14, 7:12] = 0
        labels[11, 9] = 254
        if index != 3:
            labels[:3, :2] = labels[26:, 30:] = labels[14, 25] = 2
        labels[22, 10 + index] = 3
        frames.append(labels if index != 4 else np.zeros_like(labels))
    return frames


def many_objects(count: int = 300, size: tuple[int, int] = (41, 67)) -> list[np.ndarray]:
    """Two frames with ``count`` objects, ids 1, 2, ... without 255."""
    ids = [n for n in range(1, count + 2) if n != 255][:count]
    frames = []
    for shift in (0, 1):
        labels = np.zeros(size, np.uint16)
        places = np.arange(count) * 7 + shift
        labels.ravel()[places] = ids
        frames.append(labels)
    return frames


@st.composite
def clips(draw: st.DrawFn) -> list[np.ndarray]:
    """1 to 4 frames of one size up to 24 a side: noise, blocks, full frames, nothing."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    ids = draw(st.lists(st.sampled_from([1, 2, 3, 7, 100, 254]), min_size=1, max_size=4, unique=True))
    frames = []
    for _ in range(draw(st.integers(1, 4))):
        block = draw(st.sampled_from([1, 1, 3, 6, 30]))
        seed = draw(st.integers(0, 1 << 20))
        rng = np.random.default_rng(seed)
        coarse = rng.choice([0, *ids], size=(-(-height // block), -(-width // block)))
        frames.append(np.kron(coarse, np.ones((block, block), int))[:height, :width].astype(np.uint8))
    return frames


def labels_by_index(annotations: Annotations) -> dict[int, np.ndarray]:
    """Frame index -> label map."""
    return {frame.index: result.labels for frame, result in annotations}


def effective_categories(annotations: Annotations, ids: set[int]) -> dict[int, str]:
    """The category every object ends with: its own, else its name, else ``object``."""
    return {k: annotations.categories.get(k) or annotations.names.get(k) or UNNAMED for k in ids}


def visible_ids(labels: Sequence[np.ndarray]) -> set[int]:
    """Ids that occur in any of the label maps."""
    return {k for values in labels for k in object_ids(values)}


def files_under(path: Path) -> dict[str, bytes]:
    """Every file at or under ``path``."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files}
