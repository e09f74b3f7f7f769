"""PerSeg: mIoU, mAcc and boundary IoU of one mask per image, over objects with a few images each.

::

    ROOT/Annotations/<object>/00.png 01.png ...    00 is the reference and not scored
    RESULTS/<object>/01.png ...

Sums over the images of an object, then the mean over objects, as PerSAM's own script has it
(:data:`EPSILON` included). Masks are paired by name, and what is missing is an error: the script pairs them
in order of name, and leaves out any image with ``00`` anywhere in its path.

Boundary IoU is that of ``boundary_band.py``. PerSAM's paper reports it, but no program that computes it was
published: sums over the images of an object and means over objects are taken here as for IoU.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import EvaluationError
from ..files import visible
from .boundary_band import boundary
from .label_png import read_foreground_png
from .perseg_report import ObjectCounts, PersegReport

REFERENCE = "00"
SHOWN = 3
"""So many files are named in an error."""


def evaluate_perseg(
    results: str | os.PathLike[str],
    root: str | os.PathLike[str],
    *,
    reference: str = REFERENCE,
    objects: Collection[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> PersegReport:
    """Score ``results/<object>/<stem>.png`` against ``root/Annotations/<object>/<stem>.png``.

    Args:
        results: folder of results, ours or anyone's: whatever is not 0 (or black) is the object.
        root: folder with ``Annotations``.
        reference: stem of the images that the objects were learned from; they are not scored.
        objects: score only these.
        progress: called with each object that is done.

    Raises:
        EvaluationError: a result is missing, is too many or has another size, or there is nothing to score.
        MediaError: a mask cannot be read.
    """
    rows = []
    for item in read_perseg(root, objects, reference):
        rows.append(_score(item, Path(results)))
        if progress is not None:
            progress(item.name)
    return PersegReport(reference, tuple(rows))


@dataclass(frozen=True)
class PersegObject:
    """One object of the data set."""

    name: str
    reference: Path
    """Mask of the reference image; it may be absent where there is nothing but scoring to do."""
    annotations: tuple[Path, ...]
    """Masks of the other images, by name; at least one."""


def read_perseg(
    root: str | os.PathLike[str], objects: Collection[str] | None = None, reference: str = REFERENCE
) -> list[PersegObject]:
    """The objects of a data set in the layout of PerSeg, by name.

    Raises:
        EvaluationError: no such folder, an unknown object, or an object without an image to score.
    """
    folder = Path(root) / "Annotations"
    try:
        names = [entry.name for entry in visible(folder.iterdir()) if entry.is_dir()]
    except OSError as error:
        raise EvaluationError(
            f"cannot read {folder}: {error.strerror}; PerSeg has Images/<object>/ and Annotations/<object>/"
        ) from error
    if not names:
        raise EvaluationError(f"{folder} has no folder; PerSeg has Annotations/<object>/<image>.png")
    unknown = sorted(set(objects or ()) - set(names))
    if unknown:
        raise EvaluationError(f"{folder} has no object {unknown[0]!r}; it has {', '.join(names)}")
    return [_read_object(folder / name, reference) for name in names if objects is None or name in objects]


def _read_object(folder: Path, reference: str) -> PersegObject:
    masks = visible(folder.glob("*.png"))
    scored = tuple(mask for mask in masks if mask.stem != reference)
    if not scored:
        raise EvaluationError(f"{folder} has no mask to score besides the reference {reference}.png")
    return PersegObject(folder.name, folder / f"{reference}.png", scored)


def _score(item: PersegObject, results: Path) -> ObjectCounts:
    """The sums of one object."""
    folder = results / item.name
    if not folder.is_dir():
        raise EvaluationError(f"there is no folder {folder} with the results of {item.name!r}")
    found = {path.stem for path in visible(folder.glob("*.png"))}
    wanted = {path.stem for path in item.annotations}
    if missing := sorted(wanted - found):
        raise EvaluationError(f"{folder} lacks {_some(missing)}: every image is scored but the reference")
    if extra := sorted(found - wanted - {item.reference.stem}):
        raise EvaluationError(
            f"{folder} has {_some(extra)}, which {item.reference.parent} has not: are these the results of "
            "this object?"
        )
    counts = np.zeros(6, dtype=np.int64)
    for pair in _pairs(item, folder):
        counts += count(*pair)
    return ObjectCounts(item.name, len(item.annotations), *counts.tolist())


def _pairs(item: PersegObject, folder: Path) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Truth and prediction of every image, each (H, W) bool."""
    for path in item.annotations:
        truth, prediction = read_foreground_png(path), read_foreground_png(folder / path.name)
        if truth.shape != prediction.shape:
            raise EvaluationError(
                f"{folder / path.name} is {prediction.shape[1]}x{prediction.shape[0]} pixels, "
                f"its annotation {path} {truth.shape[1]}x{truth.shape[0]}; save results at the image's size"
            )
        yield truth, prediction


def count(truth: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels of two (H, W) masks.

    Returns:
        (6,) int64: intersection, union, and size of the truth; the same of their boundaries.
    """
    boundaries = boundary(truth), boundary(prediction)
    return np.array(
        [n for a, b in ((truth, prediction), boundaries) for n in ((a & b).sum(), (a | b).sum(), a.sum())],
        dtype=np.int64,
    )


def _some(stems: list[str]) -> str:
    names = ", ".join(f"{stem}.png" for stem in stems[:SHOWN])
    return f"{names} and {len(stems) - SHOWN} more" if len(stems) > SHOWN else names
