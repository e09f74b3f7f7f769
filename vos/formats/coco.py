"""COCO JSON with run-length masks, one annotation per visible object and frame; with or without videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..ops.polygons import at_least_three, edges, fill_centres
from ..ops.rle import coco_box, coco_rle
from .appending import join_video_annotations
from .outlines import OutlineOptions
from .records import FrameRecord, Join, ObjectMask, RecordedVideo, RecordWriter, dumps, write_lines


@dataclass(frozen=True)
class CocoOptions(OutlineOptions):
    """Options of both writers."""

    segmentation: Literal["rle", "polygon"] = "rle"
    """``polygon``: the outer outline of every piece, as pycocotools fills it; holes are lost, and counted."""
    rle: Literal["compressed", "uncompressed"] = "compressed"
    """Run lengths as COCO's string, or as a list of numbers."""


class CocoWriter(RecordWriter):
    """``annotations.json``: ``images``, ``annotations``, ``categories`` and ``tracks``.

    The id of an image is its frame index, that of a track the object id. Annotations are numbered from 1 in
    order of frame and object id (COCO's own evaluation takes an annotation 0 for "none"). An object that is
    not visible in a frame has no annotation there. Boxes are ``x, y, width, height``.
    """

    Options = CocoOptions
    one_size = False

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Images in a first pass, annotations in a second."""
        numbers = self.classes = video.categories()
        with out.open("w", encoding="ascii", newline="\n") as file:
            file.write(self._head(video) + '"images": [')
            write_lines(file, (self._image(n, record) for n, record in enumerate(video.frames(), start=1)))
            file.write('\n], "annotations": [')
            write_lines(file, self._annotations(video, numbers))
            categories = [{"id": number, "name": name} for name, number in numbers.items()]
            tracks = [self._track(video, k, numbers) for k in video.ids]
            file.write(f'\n], "categories": {dumps(categories)}, "tracks": {dumps(tracks)}}}\n')

    def _head(self, video: RecordedVideo) -> str:
        return "{"

    def _image(self, number: int, record: FrameRecord) -> dict[str, Any]:
        return {
            "id": self._image_id(number, record),
            "file_name": record.image_name,
            "width": record.size[1],
            "height": record.size[0],
            "frame_index": record.index,
            "time": record.time,
        }

    def _image_id(self, number: int, record: FrameRecord) -> int:
        return record.index

    def _annotations(self, video: RecordedVideo, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
        count = 0
        for number, record in enumerate(video.frames(), start=1):
            for found in record.visible:
                count += 1
                yield {
                    "id": count,
                    "image_id": self._image_id(number, record),
                    "category_id": numbers[video.category(found.object_id)],
                    **self._identity(video, found.object_id),
                    "segmentation": self._segmentation(record, found),
                    "bbox": coco_box(record.box(found)),
                    "area": float(found.area),
                    "iscrowd": 0,
                    "score": found.confidence,
                    "source": found.source,
                }

    def _identity(self, video: RecordedVideo, object_id: int) -> dict[str, int]:
        return {"track_id": object_id}

    def _segmentation(self, record: FrameRecord, found: ObjectMask) -> Any:
        if self.options.segmentation == "rle":
            if self.options.rle == "compressed":
                return {"size": list(record.size), "counts": found.text}
            return coco_rle(found.counts, record.size, compressed=False)
        mask = record.mask(found)
        outlines = edges(mask, epsilon=self.options.epsilon)
        self.count_wrong(found, fill_centres(outlines, record.size), mask)
        return [at_least_three(outline).ravel().tolist() for outline in outlines]

    def _track(self, video: RecordedVideo, object_id: int, numbers: Mapping[str, int]) -> dict[str, Any]:
        category = video.category(object_id)
        return {
            "id": self._identity(video, object_id)["track_id"],
            "name": video.name(object_id) or category,
            "category_id": numbers[category],
        }


class CocoVideoWriter(CocoWriter):
    """With ``videos``: images and tracks count from 1, ``object_id`` is ours, ``frame_id`` the index."""

    joins: ClassVar[Mapping[str, Join]] = {"": join_video_annotations}

    def _head(self, video: RecordedVideo) -> str:
        height, width = video.size
        head = {"id": 1, "name": video.sequence, "width": width, "height": height, "fps": video.fps}
        return f'{{"videos": {dumps([head])}, '

    def _image_id(self, number: int, record: FrameRecord) -> int:
        return number

    def _image(self, number: int, record: FrameRecord) -> dict[str, Any]:
        return super()._image(number, record) | {"video_id": 1, "frame_id": record.index}

    def _identity(self, video: RecordedVideo, object_id: int) -> dict[str, int]:
        track = video.ids.index(object_id) + 1
        return {"video_id": 1, "track_id": track, "instance_id": track, "object_id": object_id}

    def _track(self, video: RecordedVideo, object_id: int, numbers: Mapping[str, int]) -> dict[str, Any]:
        return super()._track(video, object_id, numbers) | {"video_id": 1, "object_id": object_id}
