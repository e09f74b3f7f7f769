"""Objects found in images, as one COCO JSON file: masks that may overlap, boxes, names, scores."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import write_text_atomic
from ..ops.rle import mask_fields


def image_entry(
    file_name: str,
    size: tuple[int, int],
    objects: Sequence[tuple[str, float, NDArray[np.bool_]]],
    *,
    frame_index: int | None = None,
) -> dict[str, Any]:
    """An image of ``size`` (H, W) with its objects (name, score 0..1, (H, W) mask), JSON-able."""
    height, width = size
    entry: dict[str, Any] = {"file_name": file_name, "width": width, "height": height}
    if frame_index is not None:
        entry["frame_index"] = frame_index
    found = [
        {"name": name, "score": round(float(score), 6), **mask_fields(mask)} for name, score, mask in objects
    ]
    return {**entry, "objects": found}


def write_discoveries(
    path: str | os.PathLike[str], info: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]
) -> None:
    """Write ``annotations.json``: ``info``, ``images``, ``annotations`` with scores, ``categories``.

    Categories are the names in the order in which they were first found. Annotations are numbered from 1,
    images by their frame or in order from 0.

    Args:
        path: the file, complete or as it was.
        info: goes into the file as it is.
        entries: of :func:`image_entry`, in order.

    Raises:
        OutputError: if the file cannot be written.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: dict[str, int] = {}
    for entry in entries:
        image = {key: value for key, value in entry.items() if key != "objects"}
        image_id = image.get("frame_index", len(images))
        images.append({"id": image_id, **image})
        for found in entry["objects"]:
            fields = dict(found)
            category = categories.setdefault(fields.pop("name"), len(categories) + 1)
            own = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category, "iscrowd": 0}
            annotations.append({**own, **fields})
    content = {
        "info": dict(info),
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }
    write_text_atomic(Path(path), json.dumps(content, allow_nan=False) + "\n")
