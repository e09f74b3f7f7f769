"""Darwin JSON 2.0 (V7): one file per video, an annotation per object, polygons filled by parity."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..ops.boxes import Box, inclusive_box
from ..ops.polygons import at_least_three, fill_parity, rings
from ..ops.rle import check_size, encode_counts
from .outlines import OutlineOptions
from .reading import Annotations, BoxPrompt, IdMap, Request, load_json, merged
from .records import FrameRecord, ObjectMask, RecordedVideo, RecordWriter, dumps

_LONGEST = 1 << 24
"""Frames of a video, at most."""


class DarwinWriter(RecordWriter):
    """Outer rings and holes through the object's outermost pixels, in every frame in which it is visible."""

    Options = OutlineOptions

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """One object after the other, and of each one frame after the other."""
        height, width = video.size
        slot = {
            "type": "video",
            "slot_name": "0",
            "width": width,
            "height": height,
            "frame_count": max(video.indices, default=-1) + 1,
            "source_files": [{"file_name": video.sequence}],
        }
        item = {"name": video.sequence, "path": "/", "slots": [slot]}
        with out.open("w", encoding="ascii", newline="\n") as file:
            file.write(f'{{"version": "2.0", "item": {dumps(item)}, "annotations": [')
            separator = "\n"
            for object_id, frames in video.by_object():
                shown = ((record, found) for record, found in frames if found.area)
                if (first := next(shown, None)) is None:
                    continue
                head = {
                    "id": f"object-{object_id}",
                    "name": video.category(object_id),
                    "slot_names": ["0"],
                    "interpolated": False,
                    "instance_id": {"value": object_id},
                }
                file.write(f'{separator}{dumps(head)[:-1]}, "frames": {{')
                ranges = self._write_frames(file, itertools.chain([first], shown))
                file.write(f'}}, "ranges": {dumps(ranges)}}}')
                separator = ",\n"
            file.write("\n]}\n")

    def _write_frames(self, file: TextIO, shown: Iterable[tuple[FrameRecord, ObjectMask]]) -> list[list[int]]:
        """Write the shapes of an object; the ranges of frames in which it is visible, ends excluded."""
        ranges: list[list[int]] = []
        separator = ""
        for record, found in shown:
            file.write(f'{separator}"{record.index}": {dumps(self._shape(record, found))}')
            separator = ", "
            if ranges and ranges[-1][1] == record.index:
                ranges[-1][1] = record.index + 1
            else:
                ranges.append([record.index, record.index + 1])
        return ranges

    def _shape(self, record: FrameRecord, found: ObjectMask) -> dict[str, Any]:
        mask = record.mask(found)
        outlines = [
            at_least_three(ring)
            for outer, holes in rings(mask, epsilon=self.options.epsilon)
            for ring in (outer, *holes)
        ]
        if self.options.epsilon:
            self.count_wrong(found, fill_parity(outlines, record.size), mask)
        x0, y0, x1, y1 = record.box(found)
        return {
            "polygon": {
                "paths": [[{"x": float(x), "y": float(y)} for x, y in ring.tolist()] for ring in outlines]
            },
            "bounding_box": {"x": x0, "y": y0, "w": x1 - x0 + 1, "h": y1 - y0 + 1},
            "keyframe": True,
        }


def _pack(found: dict[str, Any]) -> Any:
    """The paths of a polygon as arrays, which take a twentieth of the memory of their points."""
    for key in ("paths", "path"):
        if isinstance(found.get(key), list):
            paths = found[key] if key == "paths" else [found[key]]
            if not all(paths):
                raise ValueError("a path of a polygon has no points")
            arrays = [
                np.array([[point["x"], point["y"]] for point in path], np.float64).reshape(-1, 2)
                for path in paths
            ]
            return {**found, "paths": arrays}
    return found


def read_darwin(path: Path, request: Request) -> Annotations:
    """Polygons of a video or an image; between two keyframes the earlier one holds. Boxes are prompts."""
    data = load_json(path, _pack)
    item = data["item"]
    slot = item["slots"][0]
    size = check_size([int(slot["height"]), int(slot["width"])])
    annotations = data["annotations"]
    ids = IdMap(_identity(a, n) for n, a in enumerate(annotations))
    shown: dict[int, list[tuple[int, dict[str, Any]]]] = {}
    boxes: list[BoxPrompt] = []
    for n, annotation in enumerate(annotations):
        object_id = ids[_identity(annotation, n)]
        for frame, shape in _shapes(annotation):
            if "polygon" in shape:
                shown.setdefault(frame, []).append((object_id, shape["polygon"]))
            elif "bounding_box" in shape:
                boxes.append(BoxPrompt(frame, f"{frame:05d}", object_id, _box(shape["bounding_box"])))

    def records() -> Iterator[FrameRecord]:
        for frame in sorted(shown):
            masks = [
                ObjectMask(k, encode_counts(fill_parity(polygon["paths"], size)))
                for k, polygon in shown[frame]
            ]
            yield FrameRecord(frame, f"{frame:05d}", size, merged(masks, size))

    categories = {ids[_identity(a, n)]: str(a["name"]) for n, a in enumerate(annotations)}
    sequence = Path(str(item["name"])).stem
    return Annotations(records, sequence, {}, categories, None, boxes, ids.notes(), ids.changed)


def _identity(annotation: dict[str, Any], number: int) -> str:
    instance = annotation.get("instance_id")
    if isinstance(instance, dict) and instance.get("value") is not None:
        return str(instance["value"])
    return str(annotation.get("id", f"annotation {number}"))


def _shapes(annotation: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(frame, shape) of all frames in which the annotation is shown."""
    if "frames" not in annotation:
        yield 0, annotation
        return
    keys = sorted((int(frame), shape) for frame, shape in annotation["frames"].items())
    ranges = [(int(first), int(last)) for first, last in annotation.get("ranges") or ()]
    ranges = ranges or [(frame, frame + 1) for frame, _ in keys]
    for first, last in ranges:
        if not 0 <= first <= last <= _LONGEST:
            raise ValueError(f"a range of frames goes from {first} to {last}")
        place = 0
        for frame in range(first, last):
            while place + 1 < len(keys) and keys[place + 1][0] <= frame:
                place += 1
            if keys and keys[place][0] <= frame:
                yield frame, keys[place][1]


def _box(box: dict[str, Any]) -> Box:
    return inclusive_box(*(float(box[key]) for key in ("x", "y", "w", "h")))
