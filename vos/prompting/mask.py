"""``-m/--mask``: an index image, a 0/255 image, a ``.npy`` array, or a folder with one image per object."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..documents import read_npy
from ..errors import PromptError
from ..prompts import Prompt, Target
from ..results import MAX_OBJECTS
from .label_image import IMAGE_SUFFIXES, read_label_image
from .syntax import object_id

Masks = dict[int, NDArray[np.bool_]]
"""Object id -> (H, W) mask. Masks may overlap; none is empty."""


def parse_mask(text: str, frame: int) -> list[Target]:
    """The targets in a mask file, or in a folder with one image per object.

    Raises:
        PromptError: if there is no such file or it is no mask; the message names the file.
    """
    path = Path(text)
    if path.is_dir():
        return _parse_folder(path, frame)
    return [Target(number, Prompt(mask=mask), frame) for number, mask in read_masks(path).items()]


def read_masks(path: Path) -> Masks:
    """The masks in one file, by id, ascending.

    Raises:
        PromptError: if there is no such file, it is no mask, or it is empty.
    """
    if not os.path.isfile(path):  # a path that is too long is no file either
        raise PromptError(f"there is no mask file {path}")
    masks = _read_array(path) if path.suffix.lower() == ".npy" else _split(read_label_image(path), path)
    if not masks:
        raise PromptError(f"the mask {path} is empty: it shows no object, only background (0)")
    return masks


def _split(labels: NDArray[np.integer], path: Path) -> Masks:
    """The masks of a label map; 0 is no object."""
    ids = [object_id(int(value), f"in {path}") for value in np.unique(labels) if value != 0]
    return {number: labels == number for number in ids}


def _read_array(path: Path) -> Masks:
    """Masks in a ``.npy`` file: (H, W) whole numbers or bool, or (N, H, W) bool with ids 1..N."""
    try:
        array = read_npy(path)
    except (OSError, ValueError) as error:
        raise PromptError(f"cannot read {path} as a NumPy array: {error}") from error
    allowed = "(H, W) whole numbers or bool, or (N, H, W) bool"
    if array.dtype.kind not in "biu":
        raise PromptError(
            f"{path} holds {array.dtype}, but a mask is {allowed}; "
            "cut probabilities at 0.5 (array > 0.5) or logits at 0 before saving"
        )
    if array.ndim == 2:
        return _split(array.astype(np.int64), path)
    if array.ndim != 3 or (
        array.dtype != np.bool_ and array.size and not 0 <= array.min() <= array.max() <= 1
    ):
        raise PromptError(f"{path} has shape {array.shape} and dtype {array.dtype}, but a mask is {allowed}")
    if len(array) > MAX_OBJECTS:
        raise PromptError(f"{path} holds {len(array)} masks; at most {MAX_OBJECTS} objects can be followed")
    empty = [row + 1 for row, mask in enumerate(array) if not mask.any()]
    if empty:
        raise PromptError(f"mask {empty[0]} of {len(array)} in {path} is empty: no pixel is set")
    return {row + 1: mask.astype(np.bool_) for row, mask in enumerate(array)}


def _parse_folder(folder: Path, frame: int) -> list[Target]:
    """One target per image of a folder.

    A stem that is a number is the id; the others get the smallest free ids in the order of their names and
    keep the stem as name.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (*IMAGE_SUFFIXES, ".npy"))
    if not paths:
        raise PromptError(f"the folder {folder} holds no mask images; one image per object is expected in it")
    if len(paths) > MAX_OBJECTS:
        raise PromptError(
            f"the folder {folder} holds {len(paths)} images, but at most {MAX_OBJECTS} objects can be "
            "followed; if these are masks of many frames, give the image of one frame"
        )
    ids = _ids_of_stems(paths, folder)
    return [
        Target(
            ids[path],
            Prompt(mask=_single(path)),
            frame,
            name=None if path.stem.isdecimal() else path.stem,
        )
        for path in sorted(paths, key=ids.__getitem__)
    ]


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


def _single(path: Path) -> NDArray[np.bool_]:
    """The one object of an image in a folder, whatever its value is."""
    masks = read_masks(path)
    if len(masks) > 1:
        raise PromptError(
            f"{path} shows {len(masks)} objects ({_some(list(masks))}); in a folder each image shows one. "
            f"An image with all of them can be given by itself: -m {path}"
        )
    return next(iter(masks.values()))


def _some(ids: list[int]) -> str:
    shown = ", ".join(map(str, ids[:5]))
    return f"{shown}, ..." if len(ids) > 5 else shown
