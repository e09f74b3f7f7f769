"""Lists of images with class label maps, in the layout of PASCAL VOC and COCO few-shot work. NumPy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..documents import read_text, shown, shown_path
from ..errors import EvaluationError
from .label_png import read_label_png


@dataclass(frozen=True)
class LabelledImage:
    """One line of a list."""

    image: Path
    labels: Path

    def read_labels(self) -> NDArray[np.uint8]:
        """(H, W) uint8 classes, 255 void.

        Raises:
            MediaError: if the file cannot be read.
        """
        return read_label_png(self.labels)


def read_list(root: Path, list_file: Path, *, limit: int | None = None) -> list[LabelledImage]:
    """The lines ``<image> <labels>`` of a list, paths relative to ``root``; at most ``limit``, from the top.

    Raises:
        EvaluationError: if the list cannot be read, a line has not two paths, or the first files are absent.
    """
    try:
        lines = read_text(list_file).split("\n")
    except (OSError, ValueError) as error:
        raise EvaluationError(f"cannot read the list {list_file}: {error}") from error
    items = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 2:
            raise EvaluationError(f"{list_file}, line {number}: need '<image> <labels>', got {shown(line)}")
        items.append(LabelledImage(root / parts[0], root / parts[1]))
        if len(items) == limit:
            break
    if not items:
        raise EvaluationError(f"the list {list_file} has no line")
    for path in (items[0].image, items[0].labels):
        if not os.path.isfile(path):  # False for a name that is too long, too
            raise EvaluationError(
                f"{shown_path(path)} is not there; the paths of {list_file} are relative to {root}"
            )
    return items
