"""PerSeg from end to end: learn every object from its reference image, find it in the others, score all."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..backbones.base import Backbone
from ..errors import EvaluationError, OutputError, SettingsError
from ..evaluation.perseg import REFERENCE, PersegObject, evaluate_perseg, read_perseg
from ..evaluation.perseg_report import PersegReport
from ..files import visible
from ..json_report import JsonReport
from ..names import check_name
from ..video.source import IMAGE_KINDS
from .folder import is_taken
from .layout import RESERVED, ROOM, Layout
from .persam import PersamSummary, persam_images
from .persam_reference import PersamReference, build_backbone_of
from .persam_settings import PersamRunSettings
from .summary import Progress

PERSEG_SETTINGS = PersamRunSettings(outputs=("masks",))
"""Masks only: they are what is scored."""


@dataclass(frozen=True, eq=False)
class PersegBenchmark(JsonReport):
    """The scores of a data set and what it took."""

    report: PersegReport
    settings: PersamRunSettings
    runs: dict[str, PersamSummary]
    """By object."""

    def to_dict(self) -> dict[str, Any]:
        """The report's document with ``settings`` and ``runs`` added."""
        runs = [
            {"object": name, "images": run.images, "seconds": run.seconds} for name, run in self.runs.items()
        ]
        return {**self.report.to_dict(), "settings": dataclasses.asdict(self.settings), "runs": runs}

    def table(self) -> str:
        """The report's table, and the time."""
        images = sum(run.images for run in self.runs.values())
        seconds = sum(sum(run.seconds.values()) for run in self.runs.values())
        return f"{self.report.table()}{images} images, {seconds / max(images, 1):.2f} s an image\n"


def benchmark_perseg(
    root: str | os.PathLike[str],
    output: str | os.PathLike[str],
    settings: PersamRunSettings = PERSEG_SETTINGS,
    *,
    reference: str = REFERENCE,
    objects: Collection[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    backbone: Backbone | None = None,
) -> PersegBenchmark:
    """Find every object of a data set in the layout of PerSeg in its images, and score the masks.

    Masks go to ``output/<object>/<stem>.png``, which is what :func:`vos.evaluation.perseg.evaluate_perseg`
    reads; the record of an object goes to ``output/runs/<object>.json``.

    Args:
        root: folder with ``Images`` and ``Annotations``.
        output: folder for the results, made where absent.
        settings: of every object. One instance is looked for in an image, since one is scored.
        reference: stem of the image and mask that an object is learned from.
        objects: only these.
        resume: continue from what is there.
        overwrite: replace what earlier runs left there.
        progress: called with an object, how many of its images are done, and of how many.
        backbone: model to use in place of the one that the settings name.

    Raises:
        EvaluationError: the data set has not the layout, or an image is missing.
        VosError: see :func:`vos.runs.persam.persam_images`.
    """
    if settings.objects != 1:
        raise SettingsError(f"setting objects is {settings.objects}: PerSeg scores one instance an image")
    root, output = Path(root), Path(output)
    remaining = {
        item.name: (item, _layout(output, item.name)) for item in read_perseg(root, objects, reference)
    }
    images = {name: _images(root, item, reference) for name, (item, _) in remaining.items()}
    if not (resume or overwrite):
        _refuse_results([layout for _, layout in remaining.values()], output)
    model = backbone or build_backbone_of(settings)

    def show_progress(name: str, done: Progress) -> None:
        if progress is not None:
            progress(name, done.done, done.total or done.done)

    runs = {}
    for name, (item, layout) in remaining.items():
        first, *others = images[name]
        runs[name] = persam_images(
            others,
            PersamReference(first, item.reference),
            layout,
            settings,
            resume=resume,
            overwrite=overwrite,
            progress=partial(show_progress, name),
            backbone=model,
        )
    return PersegBenchmark(
        evaluate_perseg(output, root, reference=reference, objects=objects), settings, runs
    )


def _images(root: Path, item: PersegObject, reference: str) -> list[Path]:
    """The reference image and those to score, in the order of their annotations."""
    folder = root / "Images" / item.name
    found = {path.stem: path for path in visible(folder.glob("*")) if path.suffix.lower() in IMAGE_KINDS}
    wanted = [reference, *(path.stem for path in item.annotations)]
    for stem in wanted:
        if stem not in found:
            raise EvaluationError(
                f"there is no image {folder / stem}.jpg to go with the masks of {item.name!r}"
            )
    if not item.reference.is_file():
        raise EvaluationError(f"there is no reference mask {item.reference} to learn {item.name!r} from")
    return [found[stem] for stem in wanted]


def _layout(output: Path, name: str) -> Layout:
    """Masks in ``<output>/<object>/``, all else in ``<output>/runs/``."""
    check_name(name, "object name", reserved=RESERVED, room=ROOM)
    runs = output / "runs"
    paths = {
        "masks": output / name,
        "overlay": runs / f"{name}.overlay",
        "coco": runs / f"{name}.annotations.json",
        "run": runs / f"{name}.json",
    }
    return Layout(output, paths, output / ".work" / name)


def _refuse_results(layouts: list[Layout], output: Path) -> None:
    taken = [layout.paths["masks"].name for layout in layouts if is_taken(layout)]
    if taken:
        raise OutputError(
            f"{output} holds results of {len(taken)} of the {len(layouts)} objects, such as {taken[0]}: "
            "give --resume to continue, --overwrite to replace them, or another folder"
        )
