"""What the numbers of a mask mean: object ids, or how much of one object is in a pixel.

The rules, in order; the first that fits decides (docs/prompts.md has the same table):

====================================================================  =====================================
the pixels                                                            are read as
====================================================================  =====================================
lossy format (JPEG, ...)                                              refused
a TIFF that stores white as 0                                         refused
a number that is no id and no void                                    refused
a palette whose entry 0 is not black, black and white only            binary: white is the object
a palette whose entry 0 is not black, greys with a soft edge          soft
a palette whose entry 0 is not black, anything else                   refused
colours, all of the DAVIS palette                                     index: the entries of these colours
other colours                                                         refused
one value besides 0, and that is white (255, or 65535)                binary
a white area whose rim has greys in between (three with over 8 bits)  soft: above one half is the object
ids with rims of other ids, as smoothing or dithering leaves them     refused
255 beside ids above it, or beside greys alone                        refused
one value besides 0, and that is white of 10, 12 or 14 bits           refused
anything else                                                         index: 255 and 65535 are void
====================================================================  =====================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import PromptError
from ..results import VOID, VOID_16
from .label_image import StoredMask
from .syntax import object_id

OTHER_WHITES = {1023: 10, 4095: 12, 16383: 14}
"""White of files of this many bits, or an object's id."""
GREYS = 3
"""Values between black and white that a soft edge has at least where there are more than 8 bits: ids are as
large there, and may lie beside each other."""
NEAR = 0.15
"""Brightness up to this is black but for compression, and from 1 - ``NEAR`` on white."""
RIM_SHARE = 0.6
"""An id without a 3x3 block of its own is a rim if at least this share of its pixels lies along others."""

SHORT_EDGE = 8
"""Pixels at the edge of an object that is too small to tell what lies along it."""


class MaskValues(StrEnum):
    """How to read the values of a mask (``--mask-values``)."""

    AUTO = "auto"
    """By the rules of this module; refused where two readings are likely."""
    BINARY = "binary"
    """Whatever is not 0, or not black, is object 1."""
    INDEX = "index"
    """The stored numbers are ids; 255 and 65535 are void."""
    SOFT = "soft"
    """Whatever is brighter than one half is object 1."""


def mask_values_of(text: str) -> MaskValues:
    """The reading of that name; PromptError with all names for another one."""
    try:
        return MaskValues(text)
    except ValueError:
        raise PromptError(
            f"mask values {text!r} are unknown; choose one of {', '.join(MaskValues)}"
        ) from None


FLAGS = (
    "--mask-values soft takes what is brighter than one half as one object, "
    "--mask-values binary all that is not black, --mask-values index the stored numbers as ids"
)


@dataclass(frozen=True, eq=False)
class MaskReading:
    """What a mask image was understood to mean."""

    labels: NDArray[np.int64]
    """(H, W) object ids; 0 is background, and void has become background."""
    source: str
    """Where the ids come from, for people: ``from grey values above 127``."""


def interpret(stored: StoredMask, path: Path, wanted: MaskValues = MaskValues.AUTO) -> MaskReading:
    """The object ids of a mask image. Ids are not checked to be in range.

    Raises:
        PromptError: where two readings are likely; the message names the flag for each.
    """
    if wanted is MaskValues.AUTO:
        wanted = _choose(stored, path)
    if wanted is MaskValues.SOFT:
        return MaskReading((stored.brightness > 0.5).astype(np.int64), _above_half(stored))
    if wanted is MaskValues.BINARY:
        background = "0" if stored.kind == "grey" else "black"
        return MaskReading((stored.brightness > 0).astype(np.int64), f"from all that is not {background}")
    if stored.strange:
        raise PromptError(
            f"{path} is a colour image and {stored.strange}; save it as an index PNG "
            "(0 background, 1, 2, ... objects), as 0/255, or in the colours of the DAVIS palette. "
            "If it shows one object on black, --mask-values binary takes all that is not black, "
            "--mask-values soft what is brighter than one half"
        )
    names = {"grey": "grey values", "palette": "palette entries", "colours": "colours of the DAVIS palette"}
    return MaskReading(_without_void(stored.values), f"from {names[stored.kind]} as ids")


def _choose(stored: StoredMask, path: Path) -> MaskValues:
    """The reading that the rules give."""
    if stored.lossy:
        raise PromptError(
            f"{path} is a {stored.lossy} file: lossy compression changes ids near edges, so it cannot be a "
            "mask of ids; save the mask as PNG from its source. If it shows one object in white, "
            "--mask-values soft takes what is brighter than one half"
        )
    if stored.kind == "colours":
        return MaskValues.INDEX
    if stored.white_is_zero:
        shown, set_ = int((stored.brightness > 0.5).sum()), int((stored.values > 0).sum())
        raise PromptError(
            f"{path} is a TIFF that stores white as 0 (WhiteIsZero): {shown} px are white as it is shown, "
            f"and {set_} px are not 0 as it is stored. --mask-values soft takes what is shown brighter than "
            "one half as one object, --mask-values index the stored numbers as ids"
        )
    found = np.unique(stored.values)
    if len(found) and not 0 <= found[0] <= found[-1] <= VOID_16:
        object_id(int(found[0] if found[0] < 0 else found[-1]), f"in {path}")
    ids = found[~np.isin(found, (0, VOID, VOID_16))]
    white = VOID if stored.white == VOID else VOID_16
    # White beside greys may be the object they are the rim of; beside a palette or low ids it is void.
    void = stored.kind == "palette" or bool((ids <= NEAR * white).all())
    values = np.where(stored.values == white, 0, stored.values) if void else stored.values
    rims = _rims(values, between=True)
    soft = (
        stored.all_grey and _is_soft_white(stored) and _has_grey(_rims(values, between=False), stored.white)
    )
    if not stored.zero_is_background:
        return _choose_without_black_entry(stored, soft, path)
    rest = found[found != 0].tolist()
    if rest == [white]:
        return MaskValues.BINARY
    if len(rest) == 1 and rest[0] in OTHER_WHITES and stored.kind == "grey":
        raise PromptError(
            f"{path} has the value {rest[0]} alone, which is white of {OTHER_WHITES[rest[0]]} bits, or an "
            "object's id: --mask-values binary takes what is not black as object 1, --mask-values index "
            f"takes it as object {rest[0]}"
        )
    if soft:
        return MaskValues.SOFT
    if rims and (len(rims) >= 2 or 2 * len(rims) >= len(ids)):
        raise PromptError(
            f"{path} has {len(ids)} ids, and {len(rims)} of them are only rims of others, such as {rims[0]}: "
            f"it seems to be smoothed, resized or dithered. Draw it again without smoothing; or {FLAGS}"
        )
    outline = None if rims else _outlined(values)
    if outline is not None:
        raise PromptError(
            f"{path} has id {outline} with a line of lower ids along its edge, as rounding leaves it: it "
            f"seems to be smoothed or resized. Draw it again without smoothing; or {FLAGS}"
        )
    if stored.all_grey and white == VOID and len(ids) and VOID in found and (ids > NEAR * VOID).all():
        raise PromptError(
            f"{path} has {VOID} beside {', '.join(map(str, ids[:5]))}: it is void (no label), or one more "
            "object in white. Give that object another id; or --mask-values index reads it as void"
        )
    if not (found == 0).any() and len(ids) > 1:
        raise PromptError(
            f"{path} has no background: its values are {', '.join(map(str, found[:5]))} and none is 0. "
            f"Save it with 0 for the background; or {FLAGS}"
        )
    if stored.white > VOID and (found == VOID).any():
        raise PromptError(
            f"{path} has the value {VOID} beside ids above it: {VOID} is void (no label) and no object's id. "
            "Give that object another id; or --mask-values index reads it as void"
        )
    return MaskValues.INDEX


def _choose_without_black_entry(stored: StoredMask, soft: bool, path: Path) -> MaskValues:
    """A palette whose entry 0 is a colour: programs that make palettes put colours anywhere."""
    if soft or (stored.all_grey and set(np.unique(stored.brightness)) == {0.0, 1.0}):
        return MaskValues.SOFT
    raise PromptError(
        f"{path} has a palette whose entry 0 is not black, so it is not clear what is background. "
        f"Save it with 0 for the background and 1, 2, ... for objects; or {FLAGS}"
    )


def _rims(values: NDArray[np.int64], between: bool) -> list[int]:
    """Ids, 255 aside, that have no 3x3 block of their own and lie along other ids.

    With ``between``, those that lie between two others, of which one may be the background.
    """
    pixels = values.astype(np.float32)  # exact for 16 bits; OpenCV's morphology knows no int64
    block = np.ones((3, 3), np.uint8)
    highest, lowest = cv2.dilate(pixels, block), cv2.erode(pixels, block)
    inner = highest == lowest
    inner[[0, -1]] = inner[:, [0, -1]] = False
    with_block = set(np.unique(values[inner]).tolist())
    if between:
        along = np.zeros(values.shape, np.bool_)
        padded = np.pad(pixels, 1, mode="edge")
        height, width = values.shape
        for row, column in np.ndindex(3, 3):
            near = padded[row : row + height, column : column + width]
            along |= (lowest < near) & (near < highest)
    else:
        lowest_id = cv2.erode(np.where(pixels == 0, np.float32(np.inf), pixels), block)
        along = (highest != pixels) | ((lowest_id != pixels) & np.isfinite(lowest_id))
    counts = np.bincount(values.ravel())
    shares = np.bincount(values.ravel(), weights=along.ravel()) / np.maximum(counts, 1)
    found = np.flatnonzero((counts > 0) & (shares >= RIM_SHARE)).tolist()
    return [value for value in found if value not in (0, VOID, VOID_16) and value not in with_block]


def _outlined(values: NDArray[np.int64]) -> int | None:
    """An id along most of whose edge there are pixels of lower ids that are in no 3x3 block of their own."""
    pixels = values.astype(np.float32)
    block = np.ones((3, 3), np.uint8)
    highest, lowest = cv2.dilate(pixels, block), cv2.erode(pixels, block)
    in_block = cv2.dilate((highest == lowest).astype(np.uint8), block) > 0
    line = ~in_block & (lowest < pixels) & (values > 0)
    height, width = values.shape
    beside = np.zeros((height + 2, width + 2), np.bool_)
    padded = np.pad(values, 1)
    rows, columns = np.nonzero(line)  # few: clean masks have some in their corners alone
    for row, column in np.ndindex(3, 3):
        near = rows + row, columns + column
        beside[near] |= values[rows, columns] < padded[near]
    beside = beside[1:-1, 1:-1]
    edge = (lowest < pixels) & in_block
    counts = np.bincount(values[edge])
    shares = np.bincount(values[edge & beside], minlength=len(counts)) / np.maximum(counts, 1)
    found = np.flatnonzero((counts >= SHORT_EDGE) & (shares >= RIM_SHARE))
    return int(found[0]) if len(found) else None


def _has_grey(rims: list[int], white: int) -> bool:
    """Whether there are rims. In 16 bits, where ids are far apart, one must be between black and white."""
    return any(white == VOID or NEAR * white < rim < (1 - NEAR) * white for rim in rims)


def _is_soft_white(stored: StoredMask) -> bool:
    """Whether all areas are nearly black or nearly white, some white, with something in between."""
    levels = stored.brightness
    if stored.white > VOID and (levels.max() < 1 or len(np.unique(levels)) < GREYS + 2):
        return False
    block = np.ones((3, 3), np.uint8)
    inner = cv2.dilate(levels, block) == cv2.erode(levels, block)
    areas = np.unique(levels[inner])
    between = (levels > NEAR) & (levels < 1)
    extreme = (areas <= NEAR) | (areas >= 1 - NEAR)
    return bool(extreme.all() and (areas >= 1 - NEAR).any() and between.any())


def _above_half(stored: StoredMask) -> str:
    if stored.kind == "grey":
        return f"from grey values above {stored.white // 2}"
    return "from colours brighter than one half"


def _without_void(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids with 255 and 65535 as background, or as object 1 if there is nothing else: then it means white."""
    found = np.unique(values)
    rest = found[found != 0]
    if len(rest) == 1 and rest[0] in (VOID, VOID_16):
        return (values != 0).astype(np.int64)
    return np.where(np.isin(values, (VOID, VOID_16)), 0, values)
