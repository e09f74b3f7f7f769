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
