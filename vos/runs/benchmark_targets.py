"""Targets of a benchmark: the objects of a sequence, from its annotations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import PromptError
from ..prompts import Prompt, Target, mask_targets
from ..results import VOID, object_ids


def first_targets(annotation: Path, *, one_object: bool) -> list[Target]:
    """The objects of a sequence's first annotation; void is background.

    Args:
        annotation: index PNG.
        one_object: whatever is not background is object 1 (DAVIS 2016).

    Raises:
        PromptError: if it shows no object.
        MediaError: if it cannot be read.
    """
    from ..evaluation.label_png import read_label_png

    labels = read_label_png(annotation)
    labels = (labels > 0).astype(np.uint8) if one_object else np.where(labels == VOID, 0, labels)
    targets = mask_targets(labels)
    if not targets:
        raise PromptError(f"{annotation} shows no object to follow")
    return targets


def starting_targets(annotations: Sequence[Path], names: Sequence[str], *, one_object: bool) -> list[Target]:
    """The objects of a sequence, each at the first frame it is annotated in.

    Args:
        annotations: index PNGs in order, each named as its frame.
        names: of all frames, in order.
        one_object: whatever is not background is object 1 (DAVIS 2016).

    Raises:
        PromptError: if the first annotation shows no object, or an annotation has no frame.
        MediaError: if one cannot be read.
    """
    from ..evaluation.label_png import read_label_png

    targets: list[Target] = []
    seen: set[int] = set()
    for annotation in annotations:
        index = _frame_of(annotation, names)
        labels = read_label_png(annotation)
        labels = (labels > 0).astype(np.uint8) if one_object else labels
        new = [k for k in object_ids(labels) if k not in seen]
        targets += mask_targets(labels, new, index)
        seen.update(new)
    if not targets:
        hint = "" if one_object else "; 255 is void, and masks of 0 and 255 are for 2016 sets only"
        raise PromptError(f"{annotations[0].parent} shows no object to follow{hint}")
    return targets


def starting_targets_by_object(folders: Sequence[Path], names: Sequence[str]) -> list[Target]:
    """The objects of a video of SA-V, each at the first frame whose annotation shows it.

    Args:
        folders: one per object, named by its number from 0, with a binary PNG per annotated frame.
        names: of all frames, in order.

    Raises:
        PromptError: if no annotation shows an object, or one has no frame.
        MediaError: if one cannot be read.
    """
    from ..evaluation.label_png import read_foreground_png
    from ..evaluation.vos_sets import annotation_files

    targets = []
    for folder in folders:
        for annotation in annotation_files(folder):
            mask = read_foreground_png(annotation)
            if mask.any():
                index = _frame_of(annotation, names)
                # 0 is the background here, and an object there.
                targets.append(Target(int(folder.name) + 1, Prompt(mask=mask), index, folder.name))
                break
    if not targets:
        raise PromptError("no annotation shows an object to follow")
    return targets


def _frame_of(annotation: Path, names: Sequence[str]) -> int:
    if annotation.stem not in names:
        raise PromptError(f"{annotation} is of no frame: frames are named {names[0]}, ..., {names[-1]}")
    return names.index(annotation.stem)
