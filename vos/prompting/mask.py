"""``-m/--mask``: an index image, a 0/255 image, a ``.npy`` array, or a folder with one image per object."""

from __future__ import annotations

import itertools
import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..documents import read_npy, shown_path
from ..errors import PromptError
from ..files import visible
from ..notices import NOTICE
from ..ops.iou import mask_iou
from ..prompts import Prompt, Target
from ..results import MAX_OBJECTS
from .label_image import IMAGE_SUFFIXES, grey_mask, read_stored_mask
from .mask_values import MaskReading, MaskValues, interpret
from .syntax import object_id

MasksById = dict[int, NDArray[np.bool_]]
"""Object id -> (H, W) mask. Masks may overlap; none is empty."""
SHOWN = 5
"""So many ids are named in a message."""
SAME_OBJECT = 0.3
"""Neighbouring masks of a sequence that share this much (IoU, median) show one object over time."""
SAME_OF_TWO = 0.8
"""Likewise where there are two masks only: one object may well lie on another."""
FRAME_DIGITS = 4
"""Image names of this many digits, led by a zero, number frames."""

logger = logging.getLogger(__name__)


def parse_mask(text: str, frame: int, values: MaskValues = MaskValues.AUTO) -> list[Target]:
    """The targets in a mask file, or in a folder with one image per object.

    Args:
        text: path of the file or folder.
        frame: index of the frame that the mask belongs to.
        values: how to read the values of the mask.

    Raises:
        PromptError: if there is no such file or it is no mask; the message names the file.
    """
    path = Path(text)
    if path.is_dir():
        return _parse_folder(path, frame, values)
    return [Target(number, Prompt(mask=mask), frame) for number, mask in read_masks(path, values).items()]


def read_masks(path: Path, values: MaskValues = MaskValues.AUTO) -> MasksById:
    """The masks in one file, by id, ascending; what was understood is logged.

    Raises:
        PromptError: if there is no such file, it is no mask, or it is empty.
    """
    masks, source = _read(path, values)
    logger.log(NOTICE, "%s: %s, %s", path, _counted(masks), source)
    return masks


def _read(path: Path, values: MaskValues) -> tuple[MasksById, str]:
    """The masks in one file, and where the ids come from."""
    if not os.path.isfile(path):  # a path that is too long is no file either
        raise PromptError(f"there is no mask file {shown_path(path)}")
    if path.suffix.lower() == ".npy":
        masks, source = _read_array(path, values)
    else:
        masks, source = _split(interpret(read_stored_mask(path), path, values), path)
    if not masks:
        raise PromptError(f"the mask {path} is empty: it shows no object, only background (0)")
    return masks, source


def _split(reading: MaskReading, path: Path) -> tuple[MasksById, str]:
    """The masks of a label map; 0 is no object."""
    ids = [object_id(int(value), f"in {path}") for value in np.unique(reading.labels) if value != 0]
    return {number: reading.labels == number for number in ids}, reading.source


def _counted(masks: MasksById) -> str:
    """``1 object, 441 px`` or ``2 objects, 441 px (id 1) and 317 px (id 2)``."""
    if masks.keys() == {1}:
        return f"1 object, {int(masks[1].sum())} px"
    shown = [f"{int(mask.sum())} px (id {number})" for number, mask in list(masks.items())[:SHOWN]]
    if len(masks) > SHOWN:
        shown.append(f"{len(masks) - SHOWN} more")
    sizes = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
    return f"{len(masks)} object{'s' * (len(masks) > 1)}, {sizes}"


def _read_array(path: Path, values: MaskValues) -> tuple[MasksById, str]:
    """Masks in a ``.npy`` file.

    (H, W) or (H, W, 1) whole numbers mean what a grey image means; (N, H, W) bool, 0/1 or 0/255 are the
    objects 1..N. Fractions are read where they are 0 and 1 only, or with ``soft``.
    """
    try:
        array = read_npy(path)
    except (OSError, ValueError) as error:
        raise PromptError(f"cannot read {path} as a NumPy array: {error}") from error
    allowed = "(H, W) whole numbers or bool, or (N, H, W) bool or 0/255"
    if array.dtype.kind == "f":
        array = _cut_fractions(array, path, values, allowed)
    if array.dtype.kind not in "biu":
        raise PromptError(f"{path} holds {array.dtype}, but a mask is {allowed}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2:
        if array.dtype == np.bool_:
            return _split(MaskReading(array.astype(np.int64), "from True and False"), path)
        if array.dtype.kind == "u":
            array = np.minimum(array, np.uint64(np.iinfo(np.int64).max))
        return _split(interpret(grey_mask(array.astype(np.int64)), path, values), path)
    if array.ndim != 3 or not _is_binary(array):
        raise PromptError(f"{path} has shape {array.shape} and dtype {array.dtype}, but a mask is {allowed}")
    if len(array) > MAX_OBJECTS:
        raise PromptError(
            f"{path} holds {len(array)} masks, but ids of array rows go up to {MAX_OBJECTS}; "
            "give an (H, W) array of object ids, which may be higher"
        )
    empty = [row + 1 for row, mask in enumerate(array) if not mask.any()]
    if empty:
        raise PromptError(f"mask {empty[0]} of {len(array)} in {path} is empty: no pixel is set")
    masks = {row + 1: mask.astype(np.bool_) for row, mask in enumerate(array)}
    _refuse_masks_of_frames(
        list(masks.values()), path, f"save that of one frame, array[0], and give it for {path}"
    )
    return masks, "one array row per object"


def _is_binary(array: NDArray) -> bool:
    """Whether an array is bool, 0 and 1, or 0 and 255."""
    return array.dtype == np.bool_ or set(np.unique(array).tolist()) in ({0}, {1}, {255}, {0, 1}, {0, 255})


def _cut_fractions(array: NDArray, path: Path, values: MaskValues, allowed: str) -> NDArray[np.bool_]:
    if np.isin(array, (0, 1)).all():
        return array.astype(np.bool_)
    if values is MaskValues.SOFT and np.isfinite(array).all() and 0 <= array.min() <= array.max() <= 1:
        return array > 0.5
    raise PromptError(
        f"{path} holds {array.dtype}, but a mask is {allowed}; "
        "cut probabilities at 0.5 (array > 0.5) or logits at 0 before saving, "
        "or give --mask-values soft for probabilities in 0..1"
    )


def _refuse_masks_of_frames(masks: list[NDArray[np.bool_]], where: Path, remedy: str) -> None:
    """Masks of one object in many frames would become as many objects in one frame."""
    if len(masks) < 2 or len({mask.shape for mask in masks}) > 1:
        return
    shared = [mask_iou(a, b) for a, b in itertools.pairwise(masks)]
    if np.median(shared) >= (SAME_OF_TWO if len(masks) == 2 else SAME_OBJECT):
        raise PromptError(
            f"{where} holds {len(masks)} masks, each much like the next, so they seem to show one object in "
            f"many frames and not {len(masks)} objects in one: {remedy}"
        )


def _parse_folder(folder: Path, frame: int, values: MaskValues) -> list[Target]:
    """One target per image of a folder.

    A stem that is a number is the id; the others get the smallest free ids in the order of their names and
    keep the stem as name.
    """
    paths = sorted(
        path for path in visible(folder.iterdir()) if path.suffix.lower() in (*IMAGE_SUFFIXES, ".npy")
    )
    if not paths:
        raise PromptError(f"the folder {folder} holds no mask images; one image per object is expected in it")
    unnumbered = sum(not path.stem.isdecimal() for path in paths)
    if unnumbered and len(paths) > MAX_OBJECTS:
        raise PromptError(
            f"the folder {folder} holds {len(paths)} images, but ids that are chosen for images go up to "
            f"{MAX_OBJECTS}; if these are masks of many frames, give the image of one frame, "
            "else name all of them by ids, 1.png, 2.png, ..."
        )
    ids = _ids_of_stems(paths, folder)
    paths = sorted(paths, key=ids.__getitem__)
    masks = {ids[path]: _single(path, values) for path in paths}
    if len({path.stem.rstrip("0123456789") for path in paths}) == 1:
        remedy = f"give the mask of one frame, such as -m {paths[0]}"
        _refuse_frame_names(paths, folder, remedy)
        _refuse_masks_of_frames(list(masks.values()), folder, remedy)
    logger.log(NOTICE, "%s: %s, one image per object", folder, _counted(masks))
    return [
        Target(ids[path], Prompt(mask=masks[ids[path]]), frame, None if path.stem.isdecimal() else path.stem)
        for path in paths
    ]


def _refuse_frame_names(paths: list[Path], folder: Path, remedy: str) -> None:
    numbers = [path.stem[len(path.stem.rstrip("0123456789")) :] for path in paths]
    if len(paths) > 1 and all(len(n) >= FRAME_DIGITS and n.startswith("0") for n in numbers):
        raise PromptError(
            f"the images in {folder} are named as frames are, {paths[0].name} to {paths[-1].name}: "
            f"if these are masks of many frames, {remedy}; if they are objects of one frame, "
            "name them 1.png, 2.png, ..."
        )


def _ids_of_stems(paths: list[Path], folder: Path) -> dict[Path, int]:
    ids: dict[Path, int] = {}
    for path in paths:
        if not path.stem.isdecimal():
            continue
        if int(path.stem) == 0:
            raise PromptError(
                f"{path} would be object 0, which is the background; if {folder} holds masks of many frames, "
                f"give one of them (-m {path}), else name the images 1.png, 2.png, ... or by what they show"
            )
        ids[path] = object_id(path.stem, f"(the name of {path})")
        if list(ids.values()).count(ids[path]) > 1:
            raise PromptError(
                f"two images in {folder} are named for object {ids[path]}; {path} is one of them"
            )
    free = (number for number in range(1, MAX_OBJECTS + 1) if number not in set(ids.values()))
    numbered = dict(ids)
    for path, number in zip([p for p in paths if p not in ids], free, strict=False):
        numbered[path] = number
    return numbered


def _single(path: Path, values: MaskValues) -> NDArray[np.bool_]:
    """The one object of an image in a folder, whatever its value is."""
    masks, _ = _read(path, values)
    if len(masks) > 1:
        raise PromptError(
            f"{path} shows {len(masks)} objects ({_some(list(masks))}); in a folder each image shows one. "
            f"An image with all of them can be given by itself: -m {path}"
        )
    return next(iter(masks.values()))


def _some(ids: list[int]) -> str:
    shown = ", ".join(map(str, ids[:SHOWN]))
    return f"{shown}, ..." if len(ids) > SHOWN else shown
