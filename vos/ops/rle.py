"""Masks as run lengths: COCO's, down the columns of the whole image, and CVAT's, along the rows of a box.

COCO's ``counts`` alternate zeros, ones, zeros, ... of the pixels read column by column, and begin with the
number of zeros. Their compressed form is the string that ``pycocotools`` writes: every number is cut into
groups of five bits, lowest first, with a sixth bit for "more to come"; from the fourth number on it is the
difference to the number two places before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..limits import MAX_PIXELS
from ..results import BACKGROUND, VOID, Labels
from .boxes import Box
from .iou import mask_iou

Counts = NDArray[np.int64]
"""COCO's ``counts``: zeros, ones, zeros, ... down the columns."""

_BITS, _MORE, _SIGN, _FIRST_CHARACTER = 5, 32, 16, 48
_LONGEST = 7
"""Groups of five bits of the longest number that fits :data:`MAX_PIXELS`, and its sign."""


def label_counts(labels: Labels) -> dict[int, Counts]:
    """COCO counts of every object in an (H, W) label map, by id, ascending; one pass for all of them."""
    down = cv2.transpose(labels).ravel()
    starts = np.concatenate([[0], np.flatnonzero(down[1:] != down[:-1]) + 1])
    values = down[starts]
    ends = np.append(starts[1:], down.size)
    visible = (values != BACKGROUND) & (values != VOID)
    starts, ends, values = starts[visible], ends[visible], values[visible]
    order = np.argsort(values, kind="stable")
    starts, ends, values = starts[order], ends[order], values[order]
    borders = np.flatnonzero(np.diff(values)) + 1
    return {
        int(ids[0]): _counts_of_runs(first, last, down.size)
        for ids, first, last in zip(
            np.split(values, borders), np.split(starts, borders), np.split(ends, borders), strict=True
        )
        if ids.size
    }


def encode_counts(mask: NDArray[np.bool_]) -> Counts:
    """COCO counts of an (H, W) mask."""
    found = label_counts(mask.astype(np.uint8))
    return found.get(1, np.array([mask.size], dtype=np.int64))


def _counts_of_runs(starts: NDArray[np.int64], ends: NDArray[np.int64], total: int) -> Counts:
    """Counts of the runs ``starts[i] .. ends[i]-1`` among ``total`` pixels."""
    edges = np.empty(2 * starts.size + 2, dtype=np.int64)
    edges[0], edges[-1] = 0, total
    edges[1:-1:2], edges[2:-1:2] = starts, ends
    counts = np.diff(edges)
    return counts if counts[-1] else counts[:-1]


def decode_counts(counts: Counts, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) mask of checked COCO counts."""
    height, width = size
    values = np.zeros(counts.size, dtype=bool)
    values[1::2] = True
    return np.repeat(values, counts).reshape(width, height).T


def paint_counts(labels: Labels, counts: Counts, object_id: int) -> int:
    """Give an object's pixels that are background in ``labels`` its id; return how many were taken already.

    Args:
        labels: (W, H) label map, that is: transposed, C-contiguous; changed in place.
        counts: COCO counts of the object.
        object_id: what to paint.
    """
    flat = labels.reshape(-1)
    edges = np.cumsum(counts)
    first = edges[0] if counts.size else 0
    last = edges[2 * (counts.size // 2) - 1] if counts.size > 1 else first
    values = np.zeros(counts.size, dtype=bool)
    values[1::2] = True
    inside = np.repeat(values, counts)[first:last]
    part = flat[first:last]
    free = inside & (part == BACKGROUND)
    part[free] = object_id
    return int(inside.sum()) - int(free.sum())


def counts_area(counts: Counts) -> int:
    """Number of pixels of a mask."""
    return int(counts[1::2].sum())


def counts_box(counts: Counts, height: int) -> Box | None:
    """Tight box of a mask of that many rows, inclusive indices; None for an empty mask."""
    edges = np.cumsum(counts)
    length = counts[1::2]
    start = edges[0 : 2 * length.size : 2][length > 0]
    if start.size == 0:
        return None
    last = start + length[length > 0] - 1
    x0, x1 = start // height, last // height
    over = x0 != x1  # a run over the end of a column holds a bottom and a top pixel
    y0 = 0 if over.any() else int((start % height).min())
    y1 = height - 1 if over.any() else int((last % height).max())
    return int(x0.min()), y0, int(x1.max()), y1


def counts_centroid(counts: Counts, height: int) -> tuple[float, float] | None:
    """(x, y), the mean pixel indices of a mask of that many rows; None for an empty mask."""
    mask_pixels = counts_area(counts)
    if mask_pixels == 0:
        return None
    values = np.zeros(counts.size, dtype=bool)
    values[1::2] = True
    at = np.flatnonzero(np.repeat(values, counts))
    return float((at // height).mean()), float((at % height).mean())


def compress(counts: Counts) -> str:
    """Counts as COCO's compressed string."""
    rest = counts.astype(np.int64, copy=True)
    rest[3:] -= counts[1:-2]
    groups: list[NDArray[np.int64]] = []
    active = np.ones(rest.size, dtype=bool)
    while active.any():
        low = rest & (_MORE - 1)
        rest = rest >> _BITS
        more = np.where(low & _SIGN, rest != -1, rest != 0)
        groups.append(np.where(active, low + _MORE * more + _FIRST_CHARACTER, 0))
        active &= more
    characters = np.stack(groups, axis=1).ravel() if groups else np.zeros(0, np.int64)
    return characters[characters > 0].astype(np.uint8).tobytes().decode("ascii")


def decompress(text: str) -> Counts:
    """Counts of COCO's compressed string.

    Raises:
        ValueError: if it is not one.
    """
    try:
        values = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - _FIRST_CHARACTER
    except UnicodeEncodeError:
        raise ValueError("the compressed run lengths hold characters that do not occur there") from None
    if values.size == 0:
        return np.zeros(0, np.int64)
    if values.min() < 0 or values.max() >= 2 * _MORE:
        raise ValueError("the compressed run lengths hold characters that do not occur there")
    last = np.flatnonzero(values < _MORE)
    if last.size == 0 or last[-1] != values.size - 1:
        raise ValueError("the compressed run lengths are cut short")
    first = np.concatenate([[0], last[:-1] + 1])
    groups = last - first + 1
    if groups.max() > _LONGEST:
        raise ValueError("the compressed run lengths hold a number that is too large")
    place = np.arange(values.size) - np.repeat(first, groups)
    numbers = np.add.reduceat((values & (_MORE - 1)) << (_BITS * place), first)
    numbers[(values[last] & _SIGN) != 0] -= (1 << (_BITS * groups))[(values[last] & _SIGN) != 0]
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def check_counts(counts: Sequence[int] | Counts, size: tuple[int, int]) -> Counts:
    """The counts as an array, before anything as large as the image is made.

    Raises:
        ValueError: they are not whole numbers of 0 or more whose sum is H*W, or the size is absurd.
    """
    height, width = check_size(size)
    try:
        numbers = np.asarray(counts)
    except (ValueError, OverflowError):
        raise ValueError("the run lengths are not whole numbers") from None
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ValueError("the run lengths are not whole numbers")
    if numbers.size and (numbers.min() < 0 or numbers.max() > height * width):
        raise ValueError(f"a run length of {numbers.min()} or {numbers.max()} is not in 0..{height * width}")
    if int(numbers.sum()) != height * width:
        raise ValueError(
            f"the run lengths sum to {int(numbers.sum())}, the image has {height * width} pixels"
        )
    return numbers.astype(np.int64)


def check_size(size: Any) -> tuple[int, int]:
    """(height, width) as two whole numbers.

    Raises:
        ValueError: they are not, or an image of that size is not plausible.
    """
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(type(n) is int for n in size):
        raise ValueError(f"the size {size!r} is not two whole numbers")
    height, width = size
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ValueError(f"an image of {width}x{height} pixels is not read (1 to {MAX_PIXELS} pixels)")
    return height, width


def parse_coco_rle(value: Any, size: tuple[int, int] | None = None) -> Counts:
    """Counts of a COCO segmentation ``{"size": [H, W], "counts": text or list}``.

    Args:
        value: as it stands in the file.
        size: of the image, which the mask must have.

    Raises:
        ValueError: it is not one, or of another size.
    """
    if not isinstance(value, dict) or "counts" not in value:
        raise ValueError("a segmentation has no counts")
    own = check_size(value.get("size", list(size) if size else None))
    if size is not None and own != tuple(size):
        raise ValueError(f"a mask is {own[1]}x{own[0]} pixels, its image {size[1]}x{size[0]}")
    counts = value["counts"]
    return check_counts(decompress(counts) if isinstance(counts, str) else counts, own)


def coco_rle(counts: Counts, size: tuple[int, int], *, compressed: bool = True) -> dict[str, Any]:
    """A COCO segmentation, ready for JSON."""
    return {"size": list(size), "counts": compress(counts) if compressed else counts.tolist()}


def coco_box(box: Box) -> list[float]:
    """An inclusive box as COCO's ``x, y, width, height``."""
    return [float(box[0]), float(box[1]), float(box[2] - box[0] + 1), float(box[3] - box[1] + 1)]


def mask_fields(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The fields of a COCO annotation of an (H, W) mask, see :func:`counts_fields`."""
    return counts_fields(encode_counts(mask), (mask.shape[0], mask.shape[1]))


def counts_fields(counts: Counts, size: tuple[int, int]) -> dict[str, Any]:
    """The fields of a COCO annotation of a mask: ``segmentation`` as a compressed RLE string, ``bbox`` as
    ``x, y, width, height``, and ``area`` in pixels."""
    box = counts_box(counts, size[0])
    return {
        "segmentation": coco_rle(counts, size),
        "bbox": [0.0, 0.0, 0.0, 0.0] if box is None else coco_box(box),
        "area": float(counts_area(counts)),
    }


def pack_mask(mask: NDArray[np.bool_]) -> str:
    """An (H, W) mask as COCO's compressed counts, without its size."""
    return compress(encode_counts(mask))


def unpack_mask(counts: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The (H, W) mask that :func:`pack_mask` was given; ``size`` is (height, width).

    Raises:
        ValueError: as :func:`decompress` and :func:`check_counts`.
    """
    return decode_counts(check_counts(decompress(counts), size), size)


def packed_iou(a: str, b: str, size: tuple[int, int]) -> float:
    """Intersection over union of two packed masks; 1 if both are empty."""
    return mask_iou(unpack_mask(a, size), unpack_mask(b, size), empty=1.0)


def row_runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """CVAT's run lengths of an (h, w) mask, usually cut to its box: zeros, ones, ... along the rows."""
    return encode_counts(mask.T)


def decode_row_runs(runs: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(h, w) mask of CVAT's run lengths.

    Raises:
        ValueError: as :func:`check_counts`.
    """
    height, width = size
    return decode_counts(check_counts(runs, (width, height)), (width, height)).T
