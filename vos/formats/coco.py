"""Annotations as COCO JSON with run-length masks, one annotation per visible object and frame."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import replacing
from ..frame import Frame
from ..ops.rle import mask_fields
from ..results import FrameResult, object_ids
from .base import Blocks, VideoFacts, Writer

UNNAMED = "object"
"""Category of objects that were given no name."""


class CocoWriter(Writer):
    """``annotations.json``: ``images``, ``annotations``, ``categories`` and ``tracks``.

    The id of an image is its frame index. Annotations are numbered from 1 in order of frame and object id
    (COCO's own evaluation takes an annotation 0 for "none"). An object that is not visible in a frame has no
    annotation there. Segmentations are compressed RLE strings; boxes are ``x, y, width, height``.

    Args:
        path: the file.
        work: folder for pieces until :meth:`close`; None keeps them in memory.
        facts: the names of the objects, which become the categories.
    """

    default_name = "annotations.json"

    def __init__(
        self, path: str | os.PathLike[str], *, work: Path | None = None, facts: VideoFacts | None = None
    ) -> None:
        self.path = Path(path)
        self._names = (facts or VideoFacts()).names  # may grow until the end
        self._blocks = Blocks(work, ".jsonl")
        self._lines: list[str] = []
        self._seen: set[int] = set()

    def write(self, frame: Frame, segmentation: FrameResult) -> None:
        """Add the image and an annotation for every object that has pixels."""
        height, width = segmentation.labels.shape
        image = {
            "id": frame.index,
            "file_name": f"{frame.name}.png",
            "width": width,
            "height": height,
            "frame_index": frame.index,
            "time": frame.time,
        }
        ids = object_ids(segmentation.labels)
        self._seen.update(ids, segmentation.ids)
        annotations = [self._annotation(segmentation, object_id) for object_id in ids]
        self._lines.append(_dumps([image, annotations]))

    def _annotation(self, segmentation: FrameResult, object_id: int) -> dict[str, Any]:
        score = segmentation.confidence.get(object_id)
        return {
            "image_id": segmentation.frame_index,
            "category_id": 0,
            "track_id": object_id,
            **mask_fields(segmentation.mask(object_id)),
            "iscrowd": 0,
            "score": None if score is None else round(float(score), 6),
        }

    def checkpoint(self) -> dict[str, Any]:
        """Close the current piece."""
        if self._lines:
            self._blocks.append("".join(line + "\n" for line in self._lines).encode("ascii"))
            self._lines.clear()
        return {"blocks": self._blocks.count, "seen": sorted(self._seen)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the pieces counted in ``state``."""
        self._blocks.count = state["blocks"]
        self._seen = set(state["seen"])
        self._lines.clear()

    def close(self) -> None:
        """Put the pieces together. Nothing but one piece is in memory at a time."""
        self.checkpoint()
        names = sorted({self._name(object_id) for object_id in self._seen})
        category = {name: number for number, name in enumerate(names, start=1)}
        category_of = {object_id: category[self._name(object_id)] for object_id in self._seen}
        with replacing(self.path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as file:
            file.write('{"images": [')
            separator = "\n"
            for block in self._blocks:
                for line in block.splitlines():
                    file.write(separator + _dumps(json.loads(line)[0]))
                    separator = ",\n"
            file.write('\n], "annotations": [')
            number, separator = 0, "\n"
            for block in self._blocks:
                for line in block.splitlines():
                    for annotation in json.loads(line)[1]:
                        number += 1
                        annotation["category_id"] = category_of[annotation["track_id"]]
                        file.write(separator + _dumps({"id": number, **annotation}))
                        separator = ",\n"
            tracks = [
                {"id": object_id, "name": self._name(object_id), "category_id": category_of[object_id]}
                for object_id in sorted(self._seen)
            ]
            categories = [{"id": number, "name": name} for name, number in category.items()]
            file.write(f'\n], "categories": {_dumps(categories)}, "tracks": {_dumps(tracks)}}}\n')

    def _name(self, object_id: int) -> str:
        return self._names.get(object_id) or UNNAMED


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
