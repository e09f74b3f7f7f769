"""YouTube-VIS JSON: one annotation per object, with one entry per frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..ops.rle import coco_box, coco_rle, parse_coco_rle
from .appending import join_video_annotations
from .reading import (
    Annotations,
    IdMap,
    Request,
    base_name,
    choose_sequence,
    distinct_names,
    frame_numbers,
    load_json,
)
from .records import FrameRecord, Join, ObjectMask, RecordedVideo, RecordWriter, dumps, write_lines


@dataclass(frozen=True)
class YouTubeVisOptions:
    """Options of the writer."""

    predictions: bool = False
    """Write results (a list of objects with scores) in place of ground truth."""


class YouTubeVisWriter(RecordWriter):
    """``videos``, ``annotations``, ``categories``; run lengths as lists, null where an object is absent."""

    Options = YouTubeVisOptions
    joins: ClassVar[Mapping[str, Join]] = {"": join_video_annotations}

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """One object after the other."""
        numbers = self.classes = video.categories()
        places = {index: place for place, index in enumerate(video.indices)}
        height, width = video.size
        objects = (self._object(video, k, frames, places, numbers) for k, frames in video.by_object())
        with out.open("w", encoding="ascii", newline="\n") as file:
            if self.options.predictions:
                file.write("[")
                write_lines(file, objects)
                file.write("\n]\n")
                return
            files = [f"{video.sequence}/{record.image_name}" for record in video.frames()]
            head = {
                "id": 1,
                "width": width,
                "height": height,
                "length": len(files),
                "file_names": files,
                "frame_indices": list(video.indices),
            }
            categories = [{"id": n, "name": name, "supercategory": "object"} for name, n in numbers.items()]
            file.write(f'{{"info": {{}}, "licenses": [], "videos": {dumps([head])}, "categories": ')
            file.write(f'{dumps(categories)}, "annotations": [')
            write_lines(file, objects)
            file.write("\n]}\n")

    def _object(
        self,
        video: RecordedVideo,
        object_id: int,
        frames: Iterator[tuple[FrameRecord, ObjectMask]],
        places: dict[int, int],
        numbers: dict[str, int],
    ) -> dict[str, Any]:
        length = len(places)
        predictions = self.options.predictions
        masks: list[Any] = [None] * length
        boxes: list[Any] = [None] * length
        areas: list[Any] = [None] * length
        scores = []
        for record, found in frames:
            if not found.area:
                continue
            place = places[record.index]
            masks[place] = coco_rle(found.counts, record.size, compressed=predictions)
            boxes[place] = coco_box(record.box(found))
            areas[place] = found.area
            scores.append(1.0 if found.confidence is None else found.confidence)
        category = numbers[video.category(object_id)]
        if predictions:
            score = round(sum(scores) / len(scores), 6) if scores else 0.0
            return {"video_id": 1, "category_id": category, "segmentations": masks, "score": score}
        height, width = video.size
        return {
            "id": object_id,
            "object_id": object_id,
            "video_id": 1,
            "category_id": category,
            "iscrowd": 0,
            "width": width,
            "height": height,
            "length": length,
            "segmentations": masks,
            "bboxes": boxes,
            "areas": areas,
        }


def read_youtube_vis(path: Path, request: Request) -> Annotations:
    """One video of the file; the name of a video is the folder of its first image."""
    data = load_json(path)
    if not isinstance(data, dict) or "videos" not in data:
        raise ValueError("it has no videos; results without their ground truth name no frames")
    videos = distinct_names(data["videos"], _name, _folder, lambda video: str(video["id"]))
    sequence = choose_sequence(list(videos), request.sequence)
    video = videos[sequence]
    size = (int(video["height"]), int(video["width"]))
    stems = [Path(base_name(name)).stem for name in video["file_names"]]
    numbers = [int(n) for n in video.get("frame_indices", frame_numbers(stems))]
    annotations = [a for a in data.get("annotations") or [] if a["video_id"] == video["id"]]
    annotations.sort(key=lambda annotation: int(annotation["id"]))
    for annotation in annotations:
        if len(annotation["segmentations"]) != len(stems):
            raise ValueError(
                f"annotation {annotation['id']} has not one entry for each of {len(stems)} frames"
            )
    keys = {annotation["id"]: annotation.get("object_id", annotation["id"]) for annotation in annotations}
    ids = IdMap(keys.values())
    named = {category["id"]: str(category["name"]) for category in data.get("categories", ())}

    def records() -> Iterator[FrameRecord]:
        for place, (number, stem) in enumerate(zip(numbers, stems, strict=True)):
            objects = [
                ObjectMask(ids[keys[a["id"]]], parse_coco_rle(a["segmentations"][place], size))
                for a in annotations
                if a["segmentations"][place] is not None
            ]
            objects.sort(key=lambda found: found.object_id)
            file_name = base_name(video["file_names"][place])
            yield FrameRecord(number, stem, size, tuple(objects), file_name)

    categories = {
        ids[keys[a["id"]]]: named[a["category_id"]] for a in annotations if a["category_id"] in named
    }
    return Annotations(records, sequence, categories=categories, notes=ids.notes(), ids=ids.changed)


def _name(video: dict[str, Any]) -> str:
    first = str(video["file_names"][0]) if video["file_names"] else ""
    return first.split("/", maxsplit=1)[0] if "/" in first else str(video.get("name", video["id"]))


def _folder(video: dict[str, Any]) -> str:
    """The whole folder of the first image, where its first part is that of several videos."""
    return str(video["file_names"][0]).rpartition("/")[0] if video["file_names"] else str(video["id"])
