"""The DAVIS protocols: J and F of every object of every sequence of a set.

Numbers are those of the official tool (davis2017-evaluation), its rules included:

* Semi-supervised: the first and the last frame are not scored, and results for them not looked at. Object k
  is compared with label k. A label above K, the highest id, is an error. An object that the first annotation
  lacks is scored after the first frame that shows it, as in YouTube-VOS; the official tool leaves it out.
* Unsupervised: all frames are scored, void pixels left out. Labels 1..20 are proposals, and each object gets
  the one that makes the sum over the objects of mean (J + F) / 2 greatest. Objects in excess get nothing.

Frames are independent, so threads share them out: decoding and array work run outside Python's lock.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import EvaluationError
from ..registry import load, unknown
from ..results import VOID
from .boundary import contour_accuracies
from .davis_layout import DavisSequence, DavisSet, read_davis_set
from .label_png import read_label_png
from .pair import LabelPair, pair_labels
from .region import region_similarities
from .registry import METRICS
from .report import ObjectScores, Report
from .threads import Threads

MAX_PROPOSALS = 20
"""Highest label of a result in the unsupervised task."""

_log = logging.getLogger(__name__)


def evaluate_davis(
    results: str | os.PathLike[str],
    davis_root: str | os.PathLike[str],
    subset: str,
    task: str = "semi-supervised",
    *,
    resolution: str = "480p",
    sequences: Collection[str] | None = None,
    metrics: Sequence[str] = (),
    jobs: int | None = None,
) -> Report:
    """Score ``results/<sequence>/<frame>.png`` against a DAVIS set.

    Args:
        results: folder of results, ours or anyone's. Index PNG; for a 2016 set anything but 0 is the object.
        davis_root: folder with ``Annotations`` and ``ImageSets``.
        subset: a list below ``ImageSets``, without ``.txt``: ``2017/val``.
        task: ``semi-supervised`` or ``unsupervised``.
        resolution: folder below ``Annotations``.
        sequences: score only these of the set; None is all.
        metrics: names in :data:`vos.evaluation.registry.METRICS`, measured besides J and F.
        jobs: threads; None is one per core. The numbers do not depend on it.

    Returns:
        The scores as fractions: ``global_scores()``, ``sequence_scores()``, and ``objects`` with those of
        every frame.

    Raises:
        EvaluationError: results and ground truth do not fit together, with the name of the file; or a metric
            is unknown.
        MediaError: a PNG cannot be read; names the file.
    """
    measures = _measures(metrics)
    davis = read_davis_set(davis_root, subset, task, resolution, sequences=sequences)
    plans = [_plan(Path(results), sequence, davis) for sequence in davis.sequences]
    with Threads(jobs) as workers:
        firsts = workers.map(lambda plan: _first_ids(plan, davis), plans)

        def score(plan: _Plan, number: int) -> list[_FrameScores]:
            return workers.map(lambda frame: _score_frame(plan, number, frame, davis), plan.frames)

        # All frames of all sequences in one map, so that the threads are never short of work.
        work = [
            (plan, max(first), frame)
            for plan, first in zip(plans, firsts, strict=True)
            for frame in plan.frames
        ]
        scores = iter(workers.map(lambda item: _score_frame(*item, davis), work))
        objects: list[ObjectScores] = []
        for plan, first in zip(plans, firsts, strict=True):
            found = list(islice(scores, len(plan.frames)))
            if task == "unsupervised":
                _check_labels(plan, found, MAX_PROPOSALS, task)
                objects += _match_proposals(plan, max(first), found)
            else:
                objects += _same_ids(plan, first, found, score)
        if measures:
            by_name = {plan.sequence.name: plan for plan in plans}
            objects = workers.map(
                lambda row: _with_metrics(by_name[row.sequence], row, measures, davis), objects
            )
    _warn_of_absent(objects, subset)
    if not objects:
        raise EvaluationError(
            f"the first annotations of {subset} show no object (ids 1..254) to score; "
            "masks of 0 and 255 belong to a 2016 set"
        )
    return Report(subset, task, davis.annotations, tuple(objects))


@dataclass(frozen=True)
class _Plan:
    """What is to be done for one sequence."""

    sequence: DavisSequence
    frames: range
    """Indices of the frames to score."""
    results: Path
    """Folder of the sequence's results."""


@dataclass(frozen=True, eq=False)
class _FrameScores:
    j: NDArray[np.float64]
    f: NDArray[np.float64]
    highest: int
    """Highest label of the result."""
    present: frozenset[int]
    """Ids of the annotation, background and void aside."""
    is_soft: bool
    """Whether the result has several values where one object is expected, as probabilities have."""


def _plan(results: Path, sequence: DavisSequence, davis: DavisSet) -> _Plan:
    """Frames to score, all of which have a result."""
    total = len(sequence.annotations)
    frames = range(total) if davis.task == "unsupervised" else range(1, total - 1)
    if not frames:
        raise EvaluationError(
            f"{sequence.annotations[0].parent} has {total} annotated frame(s); the first and the last are "
            "not scored, so nothing is left (annotations of the test sets are not public)"
        )
    folder = results / sequence.name
    try:
        present = set(os.listdir(folder))
    except OSError as error:
        raise EvaluationError(
            f"no results for sequence {sequence.name}: {folder}: {error.strerror}; "
            f"results are <folder>/<sequence>/<frame>.png{_parent_hint(results, sequence)}"
        ) from error
    _refuse_lossy(folder, present, sequence)
    _refuse_shifted(folder, present, [path.name for path in sequence.annotations])
    missing = [name for i in frames if (name := sequence.annotations[i].name) not in present]
    if missing:
        raise EvaluationError(
            f"{folder / missing[0]} is missing ({len(missing)} of the {len(frames)} frames to score are); "
            f"results are named as the annotations, such as {sequence.annotations[0].name}"
        )
    return _Plan(sequence, frames, folder)


def _parent_hint(results: Path, sequence: DavisSequence) -> str:
    """What to give where ``results`` is the folder of one sequence, or of a run."""
    frames = {path.name for path in sequence.annotations}
    for folder in (results, results / "masks"):
        if any((folder / name).is_file() for name in frames):
            named = folder.resolve().name == sequence.name
            rename = "" if named else f", and name {folder.name} after its sequence, such as {sequence.name}"
            return f". {folder} holds the masks of one sequence: pass the parent folder{rename}"
    return ""


def _refuse_lossy(folder: Path, present: set[str], sequence: DavisSequence) -> None:
    for annotation in sequence.annotations:
        for suffix in (".jpg", ".jpeg", ".webp"):
            if annotation.name not in present and (name := annotation.stem + suffix) in present:
                raise EvaluationError(
                    f"{folder / name} is compressed with loss, which changes ids near edges: not scored; "
                    "write the masks as PNG from their source"
                )


def _refuse_shifted(folder: Path, present: set[str], expected: Sequence[str]) -> None:
    """EvaluationError where there are masks of all frames, with numbers one higher than the annotations."""
    stems = [Path(name).stem for name in expected]
    if not all(stem.isdecimal() for stem in stems):
        return
    shifted = [f"{int(stem) + 1:0{len(stem)}d}.png" for stem in stems]
    if {name for name in present if name.endswith(".png") and not name.startswith(".")} == set(shifted):
        raise EvaluationError(
            f"{folder} holds {shifted[0]} to {shifted[-1]}, and the annotations are {expected[0]} to "
            f"{expected[-1]}: every mask would be compared with that of the next frame; rename the masks as "
            "the annotations"
        )


def _first_ids(plan: _Plan, davis: DavisSet) -> frozenset[int]:
    """Ids of the first annotation, with 0 and without void."""
    if davis.one_object:
        return frozenset((0, 1))
    return _ids(read_label_png(plan.sequence.annotations[0])) | {0}


def _ids(labels: NDArray[np.uint8]) -> frozenset[int]:
    """The ids that occur, background and void aside."""
    highest = int(labels.max(initial=0))
    if highest <= 1:
        return frozenset(range(1, highest + 1))
    counts = cv2.calcHist([labels], [0], None, [VOID + 1], [0, VOID + 1]).ravel()
    return frozenset(np.flatnonzero(counts).tolist()) - {0, VOID}


def _score_frame(plan: _Plan, num_objects: int, frame: int, davis: DavisSet) -> _FrameScores:
    """J and F of one frame, for each of :func:`_pairs`."""
    labels = _read_labels(plan, frame)
    is_soft = False
    if davis.one_object:
        values = _ids(labels.prediction)
        is_soft = len(values) > 1 and max(values) > MAX_PROPOSALS
        labels = labels.as_one_object()
    highest = int(labels.prediction.max(initial=0))
    if davis.task == "unsupervised":
        labels = labels.without_void()
    pairs = _pairs(num_objects, davis.task)
    j, f = region_similarities(labels, pairs), contour_accuracies(labels, pairs)
    return _FrameScores(j, f, highest, _ids(labels.truth), is_soft)


def _measures(names: Sequence[str]) -> dict[str, Callable[..., float]]:
    """The functions of the metrics besides J and F."""
    for name in names:
        if name not in METRICS:
            raise unknown(EvaluationError, "metric", name, METRICS)
    return {name: load(METRICS[name].function) for name in names if name not in ("J", "F")}


def _with_metrics(
    plan: _Plan, row: ObjectScores, measures: Mapping[str, Callable[..., float]], davis: DavisSet
) -> ObjectScores:
    """The scores of an object with those of further metrics; its frames are read again."""
    values = np.empty((len(measures), len(row.frames)))
    for column, frame in enumerate(row.frames):
        truth, prediction = _read_maps(plan, frame)
        void = truth == VOID if davis.task == "unsupervised" else None
        masks = (truth == row.object, prediction == row.proposal)
        if davis.one_object:
            masks = (truth != 0, prediction != 0)
        for line, measure in enumerate(measures.values()):
            values[line, column] = measure(*masks, void)
    return replace(row, metrics=dict(zip(measures, values, strict=True)))


def _read_labels(plan: _Plan, frame: int) -> LabelPair:
    """The two label maps of a frame, cut to where there is anything."""
    return pair_labels(*_read_maps(plan, frame))


def _read_maps(plan: _Plan, frame: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Truth and prediction of a frame, (H, W) uint8 each."""
    annotation = plan.sequence.annotations[frame]
    path = plan.results / annotation.name
    truth, prediction = read_label_png(annotation), read_label_png(path)
    if truth.shape != prediction.shape:
        (height, width), (true_height, true_width) = prediction.shape, truth.shape
        raise EvaluationError(
            f"{path} is {width}x{height}, but its annotation is {true_width}x{true_height}; write "
            "masks in the size of the annotations"
        )
    return truth, prediction


def _check_labels(plan: _Plan, scores: Sequence[_FrameScores], allowed: int, task: str) -> None:
    """Refuse labels that stand for no object; say where a result seems to hold probabilities."""
    if task == "unsupervised":
        why = f"a sequence may have {MAX_PROPOSALS} proposals, labels 1..{MAX_PROPOSALS}"
    else:
        why = f"the first annotation of the sequence has ids up to {allowed}"
    for frame, score in zip(plan.frames, scores, strict=True):
        path = plan.results / plan.sequence.annotations[frame].name
        if score.highest > allowed:
            is_2016 = score.highest == VOID or not allowed
            hint = "; masks of 0 and 255 are for 2016 sets only" if is_2016 else ""
            raise EvaluationError(f"{path} has label {score.highest}, but {why}{hint}")
        if score.is_soft:
            _log.warning(
                "%s has many grey values, as probabilities and soft masks have: whatever is not 0 counts as "
                "the object; cut it at one half first",
                path,
            )
            return


@cache
def _pairs(num_objects: int, task: str) -> NDArray[np.intp]:
    """(N, 2) ids to compare, (prediction, truth): k with k, or every proposal with every object.

    The proposals of one object lie together: so most pairs share a pass of the contour measure.
    """
    objects = np.arange(1, num_objects + 1)
    if task != "unsupervised":
        return np.stack([objects, objects], axis=1)
    proposals = np.arange(1, _num_rows(num_objects) + 1)
    return np.stack([np.tile(proposals, num_objects), np.repeat(objects, len(proposals))], axis=1)


def _num_rows(num_objects: int) -> int:
    """Proposals to compare, empty ones included, so that there is one for every object."""
    return max(MAX_PROPOSALS, num_objects)


def _same_ids(
    plan: _Plan,
    first: frozenset[int],
    scores: list[_FrameScores],
    score: Callable[[_Plan, int], list[_FrameScores]],
) -> Iterator[ObjectScores]:
    """Semi-supervised: label k is object k.

    An object that the first annotation lacks is scored after the first frame that shows it. An id that no
    annotation has stays, as in the official tool, if the first annotation has a higher one.
    """
    present = frozenset().union(*(frame.present for frame in scores))
    late = sorted(present - first)
    number = max(first)
    if late and late[-1] > number:
        number = late[-1]
        scores = score(plan, number)
    _check_labels(plan, scores, number, "semi-supervised")
    for k in range(1, number + 1):
        starts = 0
        if k in late:
            starts = 1 + next(n for n, frame in enumerate(scores) if k in frame.present)
            _log.warning(
                "object %d of %s first appears in frame %d: it is scored from the next one on; the official "
                "DAVIS tool %s",
                *(k, plan.sequence.name, plan.frames[starts - 1]),
                "leaves it out" if k > max(first) else "scores it from frame 1 on",
            )
        elif k > max(first):
            continue  # an id that occurs nowhere
        frames = scores[starts:]
        if frames:
            j, f = (np.array([values[k - 1] for values in column]) for column in _columns(frames))
            absent = k not in present | first
            indices = tuple(plan.frames[starts:])
            yield ObjectScores(plan.sequence.name, k, indices, j, f, proposal=k, is_absent=absent)


def _columns(scores: Sequence[_FrameScores]) -> tuple[list[NDArray], list[NDArray]]:
    return [s.j for s in scores], [s.f for s in scores]


def _warn_of_absent(objects: Sequence[ObjectScores], subset: str) -> None:
    """Ids with gaps: the official tool counts an id that no annotation has, at J and F of 1."""
    absent = [row for row in objects if row.is_absent]
    if not absent or len(absent) == len(objects):
        return
    whole, without = (
        Report(subset, "semi-supervised", "", tuple(rows)).global_scores()["J&F-Mean"]
        for rows in (objects, [row for row in objects if not row.is_absent])
    )
    _log.warning(
        "%d id(s) below the highest occur in no annotation, such as %d of %s; they count as in the official "
        "tool: J&F is %.1f with them, %.1f without",
        *(len(absent), absent[0].object, absent[0].sequence, 100 * whole, 100 * without),
    )


def _match_proposals(plan: _Plan, num_objects: int, scores: Sequence[_FrameScores]) -> Iterator[ObjectScores]:
    """Unsupervised: the assignment with the greatest total; rows in the order of the proposals."""
    from scipy.optimize import linear_sum_assignment  # takes longer to import than a sequence to score

    proposals = max(s.highest for s in scores)
    # Empty proposals only make up the number: while there are real ones, no object may choose nothing.
    rows = max(proposals, num_objects)
    shape = len(scores), num_objects, _num_rows(num_objects)
    j, f = (
        np.stack(values).reshape(shape)[..., :rows]
        for values in ([s.j for s in scores], [s.f for s in scores])
    )
    value = (j.mean(axis=0) + f.mean(axis=0)) / 2
    for p, k in zip(*linear_sum_assignment(-value.T), strict=True):
        proposal = int(p) + 1 if p < proposals else None
        yield ObjectScores(
            plan.sequence.name, int(k) + 1, tuple(plan.frames), j[:, k, p], f[:, k, p], proposal=proposal
        )
