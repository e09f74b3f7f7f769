"""Masks as COCO's compressed run lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask


def mask_fields(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """What a COCO annotation says of an (H, W) mask: ``segmentation`` as a compressed RLE string, ``bbox``
    as ``x, y, width, height``, and ``area`` in pixels."""
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {
        "segmentation": {"size": [int(n) for n in rle["size"]], "counts": rle["counts"].decode("ascii")},
        "bbox": [float(value) for value in coco_mask.toBbox(rle)],
        "area": float(coco_mask.area(rle)),
    }


def pack_mask(mask: NDArray[np.bool_]) -> str:
    """An (H, W) mask as COCO's compressed counts, without its size."""
    counts: bytes = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    return counts.decode("ascii")


def unpack_mask(counts: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The (H, W) mask that :func:`pack_mask` was given; ``size`` is (height, width)."""
    mask: NDArray[np.bool_] = coco_mask.decode({"size": list(size), "counts": counts.encode("ascii")}) != 0
    return mask


def packed_iou(a: str, b: str, size: tuple[int, int]) -> float:
    """Intersection over union of two packed masks; 1 if both are empty."""
    first, second = ({"size": list(size), "counts": counts.encode("ascii")} for counts in (a, b))
    if not (coco_mask.area(first) or coco_mask.area(second)):
        return 1.0
    return float(coco_mask.iou([first], [second], [0])[0, 0])
