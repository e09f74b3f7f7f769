"""J and F of the data sets of long and crowded videos, each by its own protocol.

- ``youtube-vos``: index PNGs of every fifth frame; all frames after the object's first are scored; G is the
  mean of J and F over seen and over unseen categories (Xu et al. 2018).
- ``lvos``: index PNGs; not the first and the last frame; G, or J&F without categories.
- ``mose``: index PNGs; not the first and the last frame; J&F (Ding et al. 2023).
- ``mosev2``: the same, J&F with a dot: the tolerance of F is a tenth of the root of the object's area,
  and J counts one pixel more in intersection and union (Ding et al. 2025).
- ``sa-v``: a folder of binary PNGs per object; not the first and the last frame; an object counts from the
  first frame in which annotation or result shows it; J&F (Ravi et al. 2024).

Everywhere an object is scored after the first frame that shows it, and every object weighs the same.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EvaluationError
from ..files import visible
from ..json_report import JsonReport
from ..results import VOID
from .boundary import BOUND, boundary_radius, contour_accuracy
from .label_png import read_foreground_png, read_label_png
from .region import region_similarity
from .registry import PROTOCOLS, Protocol
from .report import columns

DOT_BOUND = 0.1
"""Tolerance of F with a dot, as a fraction of the root of the object's area."""
META = "meta.json"


@dataclass(frozen=True)
class TrackScores:
    """One object of one video."""

    video: str
    object: int
    frames: tuple[str, ...]
    """Names of the scored frames."""
    j: float
    """Mean J over the frames, 0..1."""
    f: float
    category: str | None = None


@dataclass(frozen=True)
class VosReport(JsonReport):
    """The scores of a data set; all numbers are fractions."""

    layout: str
    tracks: tuple[TrackScores, ...]
    seen: frozenset[str] | None = None
    """Categories that the training set has; None: not known."""

    def global_scores(self) -> dict[str, float]:
        """J&F, J and F over all objects; with categories also G and the four parts that it is the mean of."""
        scores = _means(self.tracks, "")
        if self.seen is None:
            return scores
        parts: dict[str, float] = {}
        for name, wanted in (("seen", True), ("unseen", False)):
            tracks = [t for t in self.tracks if (t.category in self.seen) is wanted]
            if tracks:
                means = _means(tracks, f"-{name}")
                parts |= {key: value for key, value in means.items() if not key.startswith("J&F")}
        return {"G": float(np.mean(list(parts.values()))), **parts, **scores}

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        tracks = [
            {
                "video": t.video,
                "object": t.object,
                "category": t.category,
                "J": t.j,
                "F": t.f,
                "frames": list(t.frames),
            }
            for t in self.tracks
        ]
        return {"layout": self.layout, "global": self.global_scores(), "objects": tracks}

    def table(self) -> str:
        """A table in percent, by video and object; ends in a newline."""
        rows = [
            [t.video, str(t.object), *(f"{100 * v:.1f}" for v in ((t.j + t.f) / 2, t.j, t.f))]
            for t in self.tracks
        ]
        scores = self.global_scores()
        total = ["mean", str(len(rows)), *(f"{100 * scores[key]:.1f}" for key in ("J&F", "J", "F"))]
        head = f"{self.layout}, percent"
        if "G" in scores:
            head += "; " + ", ".join(f"{k} {100 * v:.1f}" for k, v in scores.items() if k == "G" or "-" in k)
        return f"{head}\n\n{columns(['video', 'object', 'J&F', 'J', 'F'], rows, total)}"


def evaluate_vos(
    results: str | os.PathLike[str],
    root: str | os.PathLike[str],
    layout: str,
    *,
    seen: Collection[str] | None = None,
    videos: Collection[str] | None = None,
) -> VosReport:
    """Score results in the layout of a data set.

    Args:
        results: ``<video>/<frame>.png``, or ``<video>/<object>/<frame>.png`` for ``sa-v``.
        root: folder with the annotations, and ``meta.json`` for categories.
        layout: a name in :data:`vos.evaluation.registry.PROTOCOLS`.
        seen: categories of the training set, for G; None leaves G out.
        videos: score only these.

    Raises:
        EvaluationError: an unknown layout or video, a missing result, or nothing to score.
        MediaError: a PNG cannot be read.
    """
    protocol = protocol_of(layout)
    folder = Path(root) / protocol.annotations
    names = video_names(folder, videos)
    categories = _categories(Path(root) / META) if protocol.by_category and seen is not None else {}
    tracks: list[TrackScores] = []
    score = _score_per_object if protocol.per_object else _score_index
    for name in names:
        tracks += score(folder / name, Path(results) / name, protocol, categories.get(name, {}))
    if not tracks:
        raise EvaluationError(f"no object in {folder} has a frame to score after its first")
    unknown = next((track for track in tracks if categories and track.category is None), None)
    if unknown is not None:
        raise EvaluationError(
            f"{Path(root) / META} has no category of object {unknown.object} of {unknown.video}, which G "
            "needs: add it, or leave out the seen categories"
        )
    return VosReport(layout, tuple(tracks), None if not categories else frozenset(seen or ()))


def protocol_of(layout: str) -> Protocol:
    """The protocol of a layout.

    Raises:
        EvaluationError: naming the layouts there are.
    """
    if layout not in PROTOCOLS:
        raise EvaluationError(f"unknown layout {layout!r}; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[layout]


def video_names(folder: Path, wanted: Collection[str] | None = None) -> list[str]:
    """Names of the videos that have annotations in ``folder``, in order; only those that are wanted.

    Raises:
        EvaluationError: if there are none, or one that is wanted is not there.
    """
    names = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if not names:
        raise EvaluationError(f"{folder} holds no folder of annotations; there is one per video")
    for name in wanted or ():
        if name not in names:
            raise EvaluationError(f"{folder} has no video {name!r}; it has {', '.join(names[:5])}, ...")
    return [name for name in names if wanted is None or name in wanted]


def _means(tracks: Sequence[TrackScores], suffix: str) -> dict[str, float]:
    j, f = float(np.mean([t.j for t in tracks])), float(np.mean([t.f for t in tracks]))
    return {f"J&F{suffix}": (j + f) / 2, f"J{suffix}": j, f"F{suffix}": f}


def _categories(path: Path) -> dict[str, dict[int, str]]:
    """Category of every object of every video, from ``meta.json``."""
    try:
        videos = json.loads(path.read_text("utf-8"))["videos"]
        return {
            video: {int(k): str(entry["category"]) for k, entry in content["objects"].items()}
            for video, content in videos.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvaluationError(
            f"cannot read categories from {path}: {type(error).__name__}: {error}; expected "
            '{"videos": {VIDEO: {"objects": {ID: {"category": NAME}}}}}'
        ) from error


def _score_index(
    truth: Path, results: Path, protocol: Protocol, categories: dict[int, str]
) -> Iterator[TrackScores]:
    """Index PNGs: one read of every frame serves all objects."""
    paths = annotation_files(truth)
    values: dict[int, list[tuple[str, float, float]]] = {}
    last = len(paths) - 1 if protocol.without_last else len(paths)
    for index, path in enumerate(paths):
        labels = read_label_png(path)
        if index < last and values:
            found = read_label_png(_result(results / path.name))
            _check_size(results / path.name, found.shape, labels.shape)
            for k, rows in values.items():
                rows.append((path.stem, *_measure(labels == k, found == k, dotted=protocol.dotted)))
        for k in np.unique(labels).tolist():
            if k not in (0, VOID):
                values.setdefault(k, [])
    for k in sorted(values):
        yield from _track(truth.name, k, values[k], categories.get(k))


def _score_per_object(
    truth: Path, results: Path, protocol: Protocol, categories: dict[int, str]
) -> Iterator[TrackScores]:
    """Binary PNGs in a folder per object (SA-V)."""
    for folder in object_folders(truth):
        paths = annotation_files(folder)
        rows: list[tuple[str, float, float]] = []
        appeared = bool(paths) and bool(read_foreground_png(paths[0]).any())
        for path in paths[1 : len(paths) - 1 if protocol.without_last else len(paths)]:
            labels = read_foreground_png(path)
            file = results / folder.name / path.name
            found = read_foreground_png(_result(file))
            _check_size(file, found.shape, labels.shape)
            appeared = appeared or bool(labels.any()) or bool(found.any())
            if appeared:
                rows.append((path.stem, *_measure(labels, found, dotted=protocol.dotted)))
        number = int(folder.name)
        yield from _track(truth.name, number, rows, categories.get(number))


def object_folders(folder: Path) -> list[Path]:
    """The folders of the objects of a video, in order of their numbers.

    Raises:
        EvaluationError: if one is not named by a number.
    """
    folders = visible(p for p in folder.iterdir() if p.is_dir())
    for found in folders:
        if not (found.name.isdecimal() and found.name.isascii()):
            raise EvaluationError(f"{found} is not named by an object's number, such as 000")
    return folders


def _track(
    video: str, number: int, rows: Sequence[tuple[str, float, float]], category: str | None
) -> Iterator[TrackScores]:
    if rows:
        names, j, f = zip(*rows, strict=True)
        yield TrackScores(video, number, names, float(np.mean(j)), float(np.mean(f)), category)


def _measure(truth: NDArray[np.bool_], found: NDArray[np.bool_], *, dotted: bool) -> tuple[float, float]:
    """J and F of two (H, W) masks of one frame."""
    if not dotted:
        return region_similarity(truth, found), contour_accuracy(truth, found)
    union = int((truth | found).sum())
    j = 1.0 if union == 0 else (int((truth & found).sum()) + 1) / (union + 1)
    return j, contour_accuracy(truth, found, bound=dotted_radius(truth))


def dotted_radius(truth: NDArray[np.bool_]) -> int:
    """Tolerance in pixels of F with a dot: a tenth of the root of the object's area, at most that of F."""
    height, width = truth.shape
    usual = boundary_radius(height, width, BOUND)
    area = int(truth.sum())
    return usual if area == 0 else min(math.ceil(DOT_BOUND * math.sqrt(area)), usual)


def annotation_files(folder: Path) -> list[Path]:
    """The PNGs of a folder in order of their names."""
    return sorted(p for p in folder.glob("*.png") if not p.name.startswith("."))


def _result(path: Path) -> Path:
    if path.is_file():
        return path
    other = next(
        (p for p in path.parent.glob(f"{path.stem}.*") if p.suffix.lower() in (".jpg", ".jpeg")), None
    )
    if other is not None:
        raise EvaluationError(f"{other} is compressed with loss, which changes ids near edges; write PNG")
    raise EvaluationError(f"{path} is missing; every annotated frame after the first needs a result")


def _check_size(path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise EvaluationError(
            f"{path} is {shape[1]}x{shape[0]}, but its annotation is {expected[1]}x{expected[0]}; "
            "write masks in the size of the annotations"
        )
