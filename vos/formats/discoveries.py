"""Objects found in images, as one COCO JSON file: masks that may overlap, boxes, names, scores."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import write_text_atomic
from ..ops.rle import mask_fields


class DiscoveriesWriter:
    """``annotations.json``: ``info``, ``images``, ``annotations`` with scores, ``categories``.

    The file is replaced, whole, after every image: whatever stops a run, it holds all images done so far.
    Categories are the names in the order in which they were first found. Annotations are numbered from 1.

    Args:
        path: the file.
        info: goes into the file as it is.
    """

    def __init__(self, path: str | os.PathLike[str], info: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._info = dict(info)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._categories: dict[str, int] = {}

    def add(
        self,
        file_name: str,
        size: tuple[int, int],
        objects: Sequence[tuple[str, float, NDArray[np.bool_]]],
        *,
        frame_index: int | None = None,
    ) -> None:
        """Add an image of ``size`` (H, W) with its objects: name, score 0..1, (H, W) mask.

        Raises:
            OutputError: if the file cannot be written.
        """
        image_id = len(self._images) if frame_index is None else frame_index
        height, width = size
        image = {"id": image_id, "file_name": file_name, "width": width, "height": height}
        self._images.append(image if frame_index is None else {**image, "frame_index": frame_index})
        for name, score, mask in objects:
            category = self._categories.setdefault(name, len(self._categories) + 1)
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image_id,
                    "category_id": category,
                    "iscrowd": 0,
                    "score": round(float(score), 6),
                    **mask_fields(mask),
                }
            )
        self._write()

    def _write(self) -> None:
        content = {
            "info": self._info,
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": number, "name": name} for name, number in self._categories.items()],
        }
        write_text_atomic(self.path, json.dumps(content, allow_nan=False) + "\n")
