"""Scores of PerSeg on their way out: JSON for programs, CSV, a table for people."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import make_folder, write_text_atomic
from ..json_report import JsonReport
from .report import columns, csv_text

EPSILON = 1e-10
"""Added to every denominator, as in PerSAM's script."""


@dataclass(frozen=True)
class ObjectCounts:
    """Pixels of one object, summed over its images."""

    name: str
    images: int
    intersection: int
    union: int
    truth: int
    boundary_intersection: int
    boundary_union: int
    boundary_truth: int

    @property
    def iou(self) -> float:
        """Intersection over union."""
        return self.intersection / (self.union + EPSILON)

    @property
    def accuracy(self) -> float:
        """Share of the truth that was found."""
        return self.intersection / (self.truth + EPSILON)

    @property
    def boundary_iou(self) -> float:
        """Intersection over union of the boundaries."""
        return self.boundary_intersection / (self.boundary_union + EPSILON)

    def scores(self) -> dict[str, float]:
        """All three, fractions."""
        return {"IoU": self.iou, "Acc": self.accuracy, "bIoU": self.boundary_iou}


@dataclass(frozen=True)
class PersegReport(JsonReport):
    """The scores of a data set in the layout of PerSeg; all numbers are fractions."""

    reference: str
    """Stem of the images that were not scored."""
    objects: tuple[ObjectCounts, ...]
    """By name; at least one."""

    def global_scores(self) -> dict[str, float]:
        """``mIoU``, ``mAcc`` and ``mbIoU``: the plain means over objects."""
        rows = [row.scores() for row in self.objects]
        return {f"m{key}": sum(row[key] for row in rows) / len(rows) for key in ("IoU", "Acc", "bIoU")}

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "reference": self.reference,
            "global": self.global_scores(),
            "objects": [{"object": row.name, "images": row.images, **row.scores()} for row in self.objects],
        }

    def write_csv(self, folder: str | os.PathLike[str]) -> tuple[Path, Path]:
        """Write ``global_results-perseg.csv`` and ``per-object_results-perseg.csv``; return their paths.

        Raises:
            OutputError: the folder or a file cannot be written.
        """
        folder = make_folder(folder)
        paths = folder / "global_results-perseg.csv", folder / "per-object_results-perseg.csv"
        total = self.global_scores()
        rows = [[row.name, row.images, *row.scores().values()] for row in self.objects]
        write_text_atomic(paths[0], csv_text(list(total), [list(total.values())]))
        write_text_atomic(paths[1], csv_text(["Object", "Images", "IoU", "Acc", "bIoU"], rows))
        return paths

    def table(self) -> str:
        """A table in percent, by object, with the means below; ends in a newline."""
        rows = [[row.name, str(row.images), *_percent(row.scores())] for row in self.objects]
        images = str(sum(row.images for row in self.objects))
        total = [f"mean of {len(rows)} objects", images, *_percent(self.global_scores())]
        return columns(["object", "images", "IoU", "Acc", "bIoU"], rows, total)


def _percent(scores: dict[str, float]) -> list[str]:
    return [f"{100 * value:.2f}" for value in scores.values()]
