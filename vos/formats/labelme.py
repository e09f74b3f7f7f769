"""labelme: one JSON beside each image, with a 1-bit PNG of the box of every mask."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from ..files import visible
from ..ops.polygons import at_least_three, fill, rings
from ..ops.rle import check_size, encode_counts
from .outlines import OutlineOptions
from .reading import (
    OWN_RECORDS,
    Annotations,
    BoxPrompt,
    IdMap,
    Request,
    base_name,
    frame_numbers,
    left_out,
    load_json,
    merged,
    natural_key,
)
from .records import FrameRecord, ObjectMask, RecordedVideo, RecordWriter, dumps

_VERSION = "5.5.0"
"""Of labelme, whose files these are."""


@dataclass(frozen=True)
class LabelMeOptions(OutlineOptions):
    """Options of the writer."""

    shape: Literal["mask", "polygon"] = "mask"
    """``polygon``: the outer outline of every piece; holes are lost."""


class LabelMeWriter(RecordWriter):
    """``<name>.json`` for every frame; the object id is the ``group_id``."""

    Options = LabelMeOptions
    is_folder = True

    def image_path(self, record: FrameRecord) -> Path | None:
        """Beside its JSON."""
        return Path(record.image_name)

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """A file per frame."""
        for record in video.frames():
            shapes = [s for found in record.visible for s in self._shapes(video, record, found)]
            content: dict[str, Any] = {
                "version": _VERSION,
                "flags": {},
                "shapes": shapes,
                "imagePath": record.image_name,
                "imageData": None,
                "imageHeight": record.size[0],
                "imageWidth": record.size[1],
            }
            (out / f"{record.name}.json").write_text(dumps(content) + "\n", encoding="ascii", newline="\n")

    def _shapes(
        self, video: RecordedVideo, record: FrameRecord, found: ObjectMask
    ) -> Iterator[dict[str, Any]]:
        mask = record.mask(found)
        shape = {
            "label": video.category(found.object_id),
            "group_id": found.object_id,
            "description": video.name(found.object_id),
            "flags": {},
        }
        if self.options.shape == "mask":
            x0, y0, x1, y1 = record.box(found)
            png = _encode(mask[y0 : y1 + 1, x0 : x1 + 1])
            yield shape | {"points": [[x0, y0], [x1, y1]], "shape_type": "mask", "mask": png}
            return
        outlines = [outer for outer, _ in rings(mask, epsilon=self.options.epsilon)]
        self.count_wrong(found, fill(outlines, record.size), mask)
        for outline in outlines:
            points = [[float(x), float(y)] for x, y in at_least_three(outline).tolist()]
            yield shape | {"points": points, "shape_type": "polygon", "mask": None}


def _encode(mask: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(mask)).save(buffer, format="PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def read_labelme(path: Path, request: Request) -> Annotations:
    """A folder of JSON files, or one. Masks and polygons are masks, rectangles are box prompts; ``group_id``
    is the object, and a shape without one is an object of its own."""
    files = [path]
    if not path.is_file():
        found = sorted(visible(path.glob("*.json")), key=lambda p: natural_key(p.stem))
        files = [file for file in found if file.name not in OWN_RECORDS or "shapes" in load_json(file)]
    if not files:
        raise ValueError("there are no JSON files in it")
    numbers = frame_numbers([file.stem for file in files])
    keys: list[Any] = []
    names: dict[Any, str] = {}
    labels: dict[Any, str] = {}
    rectangles: list[tuple[int, Any, dict[str, Any]]] = []
    others: list[str] = []
    for n, file in enumerate(files):
        for place, shape in enumerate(_content(file)["shapes"]):
            kind = shape.get("shape_type", "polygon")
            if kind not in ("polygon", "mask", "rectangle"):
                others.append(str(kind))
                continue
            key = _identity(shape, n, place)
            keys.append(key)
            labels[key] = str(shape["label"])
            if shape.get("description"):
                names[key] = str(shape["description"])
            if kind == "rectangle":
                rectangles.append((n, key, shape))
    ids = IdMap(keys)

    def records() -> Iterator[FrameRecord]:
        for n, (number, file) in enumerate(zip(numbers, files, strict=True)):
            content = _content(file)
            size = check_size([content["imageHeight"], content["imageWidth"]])
            masks = [
                ObjectMask(ids[_identity(shape, n, place)], encode_counts(mask))
                for place, shape in enumerate(content["shapes"])
                if (mask := _mask(shape, size, file)) is not None
            ]
            image = base_name(content.get("imagePath") or "") or None
            yield FrameRecord(number, file.stem, size, merged(masks, size), image)

    boxes = [BoxPrompt(numbers[n], files[n].stem, ids[key], _box(shape)) for n, key, shape in rectangles]
    object_names = {ids[key]: name for key, name in names.items()}
    categories = {ids[key]: label for key, label in labels.items() if label != names.get(key)}
    sequence = path.stem if path.is_file() else path.resolve().name
    notes = ids.notes() + left_out(others)
    return Annotations(records, sequence, object_names, categories, None, boxes, notes, ids.changed)


def _content(file: Path) -> dict[str, Any]:
    content = load_json(file)
    if not isinstance(content, dict) or "shapes" not in content:
        raise ValueError(f"{file.name} has no shapes")
    return content


def _identity(shape: dict[str, Any], file: int, place: int) -> str:
    group = shape.get("group_id")
    return f"file {file} shape {place}" if group is None else str(group)


def _mask(shape: dict[str, Any], size: tuple[int, int], file: Path) -> np.ndarray | None:
    """(H, W) bool; None for a shape that is no area."""
    kind = shape.get("shape_type", "polygon")
    points = np.array(shape["points"], dtype=np.float64).reshape(-1, 2)
    if kind == "polygon":
        return fill([points], size)
    if kind != "mask":
        return None
    with Image.open(io.BytesIO(base64.b64decode(shape["mask"], validate=True))) as image:
        part = np.asarray(image.convert("L")) > 0
    x0, y0 = (int(value) for value in points[0])
    height, width = part.shape
    if x0 < 0 or y0 < 0 or x0 + width > size[1] or y0 + height > size[0]:
        raise ValueError(f"{file.name}: a mask at {x0},{y0} of {width}x{height} is outside the image")
    mask = np.zeros(size, bool)
    mask[y0 : y0 + height, x0 : x0 + width] = part
    return mask


def _box(shape: dict[str, Any]) -> tuple[int, int, int, int]:
    points = np.array(shape["points"], dtype=np.float64).reshape(-1, 2)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return round(float(x0)), round(float(y0)), round(float(x1)) - 1, round(float(y1)) - 1
