"""Where DAVIS keeps things: lists of sequences, and annotations frame by frame."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

from ..documents import read_text
from ..errors import EvaluationError
from ..names import check_name

TASKS = ("semi-supervised", "unsupervised")

SHIPPED_SETS = {"dev10": "2016/dev10"}
"""Lists that come with the program, for data sets that do not have one of that name: name -> its file."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DavisSequence:
    """One sequence and its ground truth."""

    name: str
    annotations: tuple[Path, ...]
    """One PNG per frame, in order; the stem is the frame's name in a result too."""


@dataclass(frozen=True)
class DavisSet:
    """The sequences of one list, with what the protocol says of their masks."""

    subset: str
    """As asked for: ``2016/val``."""
    task: str
    annotations: str
    """Folder of the annotations below the root: ``Annotations/480p``."""
    one_object: bool
    """DAVIS 2016: whatever is not background is the one object, in annotations and in results."""
    sequences: tuple[DavisSequence, ...]


def read_davis_set(
    root: str | os.PathLike[str],
    subset: str,
    task: str = "semi-supervised",
    resolution: str = "480p",
    *,
    sequences: Collection[str] | None = None,
) -> DavisSet:
    """Find the sequences that ``ImageSets/<subset>.txt`` lists, and their annotations.

    ``2016/...`` (and ``480p/...``, the lists of the first release, with a path of a frame on every line) are
    sets with one object; in all others the annotations are object ids.

    The unsupervised task has annotations of its own, ``Annotations_unsupervised``. DAVIS 2016 has one kind
    only. If another set lacks them, the semi-supervised ones are taken, with a warning.

    ``dev10`` is the list of :data:`SHIPPED_SETS`: ten sequences of DAVIS 2016.

    ``sequences`` leaves only those of the set.

    Raises:
        EvaluationError: an unknown task, set or sequence, or a sequence without annotations.
    """
    if task not in TASKS:
        raise EvaluationError(f"unknown task {task!r}; choose one of {', '.join(TASKS)}")
    root = Path(root)
    list_file = root / "ImageSets" / f"{subset}.txt"
    shipped = SHIPPED_SETS.get(subset) if not list_file.exists() else None
    one_object = (shipped or subset).split("/")[0] in ("2016", "480p")
    names = _sequence_names(root, subset) if shipped is None else _shipped_names(shipped)
    if sequences is not None:
        names = _select(names, sequences, subset)
    annotations = f"Annotations/{resolution}"
    if task == "unsupervised" and not one_object:
        unsupervised = f"Annotations_unsupervised/{resolution}"
        if (root / unsupervised).is_dir():
            annotations = unsupervised
        else:
            _log.warning(
                "%s does not exist: scoring against %s, whose objects and void pixels can differ",
                root / unsupervised,
                annotations,
            )
    read = tuple(_read_sequence(root / annotations / name) for name in names)
    return DavisSet(subset, task, annotations, one_object, read)


def _sequence_names(root: Path, subset: str) -> list[str]:
    image_sets = root / "ImageSets"
    try:
        lines = read_text(image_sets / f"{subset}.txt").split("\n")
    except OSError:
        raise _unknown_set(image_sets, subset) from None
    except ValueError as error:
        raise EvaluationError(f"cannot read the list {image_sets / subset}.txt: {error}") from None
    names = [_listed_name(line.strip()) for line in lines if line.strip()]
    if not names:
        raise EvaluationError(f"{image_sets / subset}.txt lists no sequence")
    return [check_name(name, "sequence name") for name in dict.fromkeys(names)]


def _listed_name(line: str) -> str:
    """The sequence of a line: a name, perhaps with numbers behind it or as ``ls -d */`` writes it, or as in
    the first release ``/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png``."""
    line = line.replace("\\", "/")
    if "/" in line.rstrip("/").removeprefix("./"):
        return PurePosixPath(line.split()[0]).parent.name
    name, *numbers = line.split()
    return (name if all(map(str.isdigit, numbers)) else line).rstrip("/").removeprefix("./")


def _shipped_names(name: str) -> list[str]:
    """The sequences of a list that comes with the program."""
    return resources.files("vos").joinpath("assets", "sets", f"{name}.txt").read_text("utf-8").split()


def _select(names: list[str], wanted: Collection[str], subset: str) -> list[str]:
    """Those of the names that are wanted, in the order of the set."""
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        what = f"no sequence {unknown[0]!r} in the set {subset}" if unknown else "no sequence chosen"
        raise EvaluationError(f"{what}; it has {', '.join(names)}")
    return [name for name in names if name in wanted]


def _unknown_set(image_sets: Path, subset: str) -> EvaluationError:
    import difflib

    if not image_sets.is_dir():
        return EvaluationError(
            f"{image_sets} is not a folder; --davis takes the folder that holds Annotations, ImageSets "
            "and JPEGImages"
        )
    known = sorted(p.relative_to(image_sets).with_suffix("").as_posix() for p in image_sets.rglob("*.txt"))
    near = difflib.get_close_matches(subset, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    return EvaluationError(
        f"no set {subset!r} in {image_sets}{hint} Known sets: {', '.join([*known, *SHIPPED_SETS])}"
    )


def _read_sequence(folder: Path) -> DavisSequence:
    annotations = tuple(sorted(p for p in folder.glob("*.png") if not p.name.startswith(".")))
    if not annotations:
        raise EvaluationError(f"no annotations (*.png) in {folder}, which the set lists")
    return DavisSequence(folder.name, annotations)
