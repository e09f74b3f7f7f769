"""Datumaro JSON: one item per frame with compressed run lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import visible
from ..ops.boxes import inclusive_box
from ..ops.polygons import fill
from ..ops.rle import check_size, encode_counts, parse_coco_rle
from .reading import Annotations, BoxPrompt, IdMap, Request, base_name, frame_numbers, load_json, merged
from .records import FrameRecord, ObjectMask, RecordedVideo, RecordWriter, dumps

_IMAGES = 2
"""Datumaro's number for items that are images."""


@dataclass(frozen=True)
class DatumaroOptions:
    """Options of the writer."""

    split: str = "train"
    """Name of the file and of the folder of images."""


class DatumaroWriter(RecordWriter):
    """``annotations/<split>.json``; the object id is the group and the attribute ``track_id``."""

    Options = DatumaroOptions
    is_folder = True

    def image_path(self, record: FrameRecord) -> Path | None:
        """Below ``images/<split>``."""
        return Path("images", self.options.split, record.image_name)

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """One item a line."""
        numbers = {name: n for n, name in enumerate(sorted(video.categories()))}
        labels = [{"name": name, "parent": "", "attributes": []} for name in numbers]
        head = {
            "dm_format_version": "1.0",
            "media_type": _IMAGES,
            "infos": {},
            "categories": {"label": {"labels": labels, "label_groups": [], "attributes": ["track_id"]}},
        }
        (out / "annotations").mkdir()
        path = out / "annotations" / f"{self.options.split}.json"
        with path.open("w", encoding="ascii", newline="\n") as file:
            file.write(dumps(head)[:-1] + ', "items": [')
            count, separator = 0, "\n"
            for record in video.frames():
                annotations = []
                for found in record.visible:
                    count += 1
                    number = numbers[video.category(found.object_id)]
                    annotations.append(_annotation(record, found, count, number))
                item = {
                    "id": record.name,
                    "attr": {"frame": record.index},
                    "image": {"path": record.image_name, "size": list(record.size)},
                    "annotations": annotations,
                }
                file.write(separator + dumps(item))
                separator = ",\n"
            file.write("\n]}\n")


def _annotation(record: FrameRecord, found: ObjectMask, number: int, label: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "mask",
        "label_id": label,
        "group": found.object_id,
        "z_order": 0,
        "attributes": {"track_id": found.object_id},
        "rle": {"counts": found.text, "size": list(record.size)},
    }


def read_datumaro(path: Path, request: Request) -> Annotations:
    """Masks and polygons; boxes are prompts. Objects are identified by ``track_id``, else by their group."""
    file = path
    if path.is_dir():
        files = visible((path / "annotations").glob("*.json")) or visible(path.glob("*.json"))
        if len(files) != 1:
            raise ValueError(f"there are {len(files)} JSON files in its annotations: give one of them")
        file = files[0]
    data = load_json(file)
    labels = [str(label["name"]) for label in data["categories"].get("label", {}).get("labels", ())]
    items = data["items"]
    stems = [base_name(item["id"]) for item in items]
    frames = [item.get("attr", {}).get("frame") for item in items]
    numbers = frames if all(type(n) is int for n in frames) else frame_numbers(stems)
    keys = [[_identity(a, n) for a in item["annotations"]] for n, item in enumerate(items)]
    ids = IdMap(key for of_item in keys for key in of_item)
    categories: dict[int, str] = {}
    boxes: list[BoxPrompt] = []
    for n, item in enumerate(items):
        for key, annotation in zip(keys[n], item["annotations"], strict=True):
            label = annotation.get("label_id")
            if isinstance(label, int) and 0 <= label < len(labels):
                categories[ids[key]] = labels[label]
            if annotation["type"] == "bbox":
                x, y, width, height = (float(v) for v in annotation["bbox"])
                box = inclusive_box(x, y, width, height)
                boxes.append(BoxPrompt(numbers[n], stems[n], ids[key], box))

    def records() -> Iterator[FrameRecord]:
        for n in sorted(range(len(items)), key=lambda n: numbers[n]):
            item = items[n]
            size = item.get("image", {}).get("size") or request.size
            if size is None:
                raise ValueError("it does not store the size of the images: give --size or --video")
            height_width = check_size(list(size))
            masks = [
                ObjectMask(ids[key], counts, z_order=int(annotation.get("z_order", 0)))
                for key, annotation in zip(keys[n], item["annotations"], strict=True)
                if (counts := _counts(annotation, height_width)) is not None
            ]
            image = base_name(item.get("image", {}).get("path") or "") or None
            yield FrameRecord(numbers[n], stems[n], height_width, merged(masks, height_width), image)

    return Annotations(records, file.stem, {}, categories, None, boxes, ids.notes(), ids.changed)


def _identity(annotation: dict[str, Any], item: int) -> str:
    track = (annotation.get("attributes") or {}).get("track_id")
    if track is not None:
        return str(track)
    return (
        str(annotation["group"]) if annotation.get("group") else f"item {item} annotation {annotation['id']}"
    )


def _counts(annotation: dict[str, Any], size: tuple[int, int]) -> np.ndarray | None:
    if annotation["type"] == "mask":
        return parse_coco_rle(annotation["rle"], size)
    if annotation["type"] == "polygon":
        return encode_counts(fill([np.array(annotation["points"], dtype=np.float64).reshape(-1, 2)], size))
    return None
