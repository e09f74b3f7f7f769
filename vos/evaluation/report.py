"""Scores of a set on their way out: JSON for programs, the official tool's CSV, a table for people."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import make_folder, write_text_atomic
from ..json_report import JsonReport
from .statistics import Statistics, average, sequence_statistics


@dataclass(frozen=True, eq=False)
class ObjectScores:
    """J and F of one object over the scored frames of its sequence."""

    sequence: str
    object: int
    """Id in the ground truth."""
    frames: tuple[int, ...]
    """Indices of the scored frames, from 0."""
    j: NDArray[np.float64]
    """(len(frames),) float64 in 0..1."""
    f: NDArray[np.float64]
    """(len(frames),) float64 in 0..1."""
    proposal: int | None = None
    """Label it was compared with; None if no proposal was left for it."""
    is_absent: bool = False
    """Whether no annotation has the id: the official tool counts it if a higher one occurs."""
    metrics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Name of a further metric -> (len(frames),) float64 in 0..1."""

    @cached_property
    def j_statistics(self) -> Statistics:
        """Mean, recall and decay of J."""
        return sequence_statistics(self.j)

    @cached_property
    def f_statistics(self) -> Statistics:
        """Mean, recall and decay of F."""
        return sequence_statistics(self.f)


@dataclass(frozen=True, eq=False)
class Report(JsonReport):
    """The scores of a DAVIS set; all numbers are fractions."""

    subset: str
    """The list of sequences, ``2017/val``."""
    task: str
    annotations: str
    """Folder of the ground truth below the data's root."""
    objects: tuple[ObjectScores, ...]
    """By sequence; within one by object id, in the unsupervised task by proposal, as in the official tool."""

    def global_scores(self) -> dict[str, float]:
        """J&F-Mean, the mean, recall and decay of J and F, and the means of further metrics: each the plain
        mean over all objects."""
        return _summary(self.objects)

    def sequence_scores(self) -> dict[str, dict[str, float]]:
        """The same, over the objects of each sequence."""
        return {name: _summary(objects) for name, objects in self._sequences()}

    def to_dict(self) -> dict[str, Any]:
        """The JSON document; see docs/evaluation.md for its schema."""
        return {
            "set": self.subset,
            "task": self.task,
            "annotations": self.annotations,
            "global": self.global_scores(),
            "sequences": [{"sequence": name, **scores} for name, scores in self.sequence_scores().items()],
            "per_sequence": [
                {
                    "sequence": row.sequence,
                    "object": row.object,
                    "proposal": row.proposal,
                    **_measures(row.j_statistics, row.f_statistics),
                    **_means([row]),
                    "frames": list(row.frames),
                    "J": row.j.tolist(),
                    "F": row.f.tolist(),
                    **{name: values.tolist() for name, values in row.metrics.items()},
                }
                for row in self.objects
            ],
        }

    def write_csv(self, folder: str | os.PathLike[str]) -> tuple[Path, Path]:
        """Write ``global_results-<set>.csv`` and ``per-sequence_results-<set>.csv``; return their paths.

        ``<set>`` is the last part of the subset (``val`` of ``2017/val``), the columns and three decimals are
        the official tool's. So are the names ``<sequence>_<k>``: k counts rows from 1, and is the object's id
        except in the unsupervised task, where rows are in the order of the proposals.

        Raises:
            OutputError: the folder or a file cannot be written.
        """
        folder = make_folder(folder)
        name = self.subset.rsplit("/", 1)[-1]
        paths = folder / f"global_results-{name}.csv", folder / f"per-sequence_results-{name}.csv"
        scores = self.global_scores()
        rows = [
            [f"{sequence}_{k}", row.j_statistics.mean, row.f_statistics.mean]
            for sequence, objects in self._sequences()
            for k, row in enumerate(objects, start=1)
        ]
        write_text_atomic(paths[0], csv_text(list(scores), [list(scores.values())]))
        write_text_atomic(paths[1], csv_text(["Sequence", "J-Mean", "F-Mean"], rows))
        return paths

    def table(self) -> str:
        """A table in percent, by sequence and object, with the means below; ends in a newline."""
        head = ["sequence", "object", "J&F", "J", "recall", "decay", "F", "recall", "decay"]
        head += self.objects[0].metrics
        rows = []
        for sequence, objects in self._sequences():
            rows += [[sequence, str(row.object), *_percent(_summary([row]))] for row in objects]
            if len(objects) > 1:
                rows.append([sequence, "mean", *_percent(_summary(objects))])
        total = ["mean of objects", str(len(self.objects)), *_percent(self.global_scores())]
        return f"{self.subset}, {self.task}, percent\n\n{columns(head, rows, total)}"

    def _sequences(self) -> Iterator[tuple[str, list[ObjectScores]]]:
        for name, rows in groupby(self.objects, key=lambda row: row.sequence):
            yield name, list(rows)


def _summary(objects: Sequence[ObjectScores]) -> dict[str, float]:
    j, f = average(row.j_statistics for row in objects), average(row.f_statistics for row in objects)
    return {"J&F-Mean": (j.mean + f.mean) / 2, **_measures(j, f), **_means(objects)}


def _means(objects: Sequence[ObjectScores]) -> dict[str, float]:
    """Mean of every further metric, over frames and then objects."""
    names = objects[0].metrics if objects else ()
    return {f"{name}-Mean": float(np.mean([row.metrics[name].mean() for row in objects])) for name in names}


def _measures(j: Statistics, f: Statistics) -> dict[str, float]:
    return {
        "J-Mean": j.mean,
        "J-Recall": j.recall,
        "J-Decay": j.decay,
        "F-Mean": f.mean,
        "F-Recall": f.recall,
        "F-Decay": f.decay,
    }


def _percent(scores: dict[str, float]) -> list[str]:
    return [f"{100 * value:.1f}" for value in scores.values()]


def columns(head: list[str], rows: list[list[str]], total: list[str]) -> str:
    """Text in columns, the first to the left, the others to the right, with rules around the rows."""
    widths = [max(map(len, column)) for column in zip(head, *rows, total, strict=True)]
    rule = "  ".join("-" * width for width in widths)

    def line(cells: list[str]) -> str:
        numbers = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return "  ".join([cells[0].ljust(widths[0]), *numbers])

    return "\n".join([line(head), rule, *map(line, rows), rule, line(total)]) + "\n"


def csv_text(header: list[str], rows: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[f"{v:.3f}" if isinstance(v, float) else v for v in row] for row in rows])
    return text.getvalue()
