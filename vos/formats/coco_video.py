"""COCO JSON with videos and tracks, as tracking tools read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..ops.rle import counts_fields
from .records import FrameRecord, ObjectMask, RecordedVideo, RecordWriter, dumps


class CocoVideoWriter(RecordWriter):
    """``videos``, ``images``, ``annotations``, ``categories`` and ``tracks``; ids count from 1."""

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Images in a first pass, annotations in a second."""
        numbers = video.categories()
        tracks = {object_id: number for number, object_id in enumerate(video.ids, start=1)}
        height, width = video.size
        head = {"id": 1, "name": video.sequence, "width": width, "height": height, "fps": video.fps}
        with out.open("w", encoding="ascii", newline="\n") as file:
            file.write(f'{{"videos": {dumps([head])}, "images": [')
            separator = "\n"
            for number, record in enumerate(video.frames(), start=1):
                file.write(separator + dumps(self._image(record, number)))
                separator = ",\n"
            file.write('\n], "annotations": [')
            count, separator = 0, "\n"
            for number, record in enumerate(video.frames(), start=1):
                for found in record.visible:
                    count += 1
                    category = numbers[video.category(found.object_id)]
                    annotation = self._annotation(record, found, number, tracks[found.object_id], category)
                    file.write(separator + dumps({"id": count, **annotation}))
                    separator = ",\n"
            listed = [
                {
                    "id": track,
                    "object_id": object_id,
                    "name": video.name(object_id) or video.category(object_id),
                    "category_id": numbers[video.category(object_id)],
                }
                for object_id, track in tracks.items()
            ]
            categories = [{"id": number, "name": name} for name, number in numbers.items()]
            file.write(f'\n], "categories": {dumps(categories)}, "tracks": {dumps(listed)}}}\n')

    @staticmethod
    def _image(record: FrameRecord, number: int) -> dict[str, Any]:
        return {
            "id": number,
            "video_id": 1,
            "file_name": record.image_name,
            "width": record.size[1],
            "height": record.size[0],
            "frame_id": record.index,
            "frame_index": record.index,
            "time": record.time,
        }

    @staticmethod
    def _annotation(
        record: FrameRecord, found: ObjectMask, image: int, track: int, category: int
    ) -> dict[str, Any]:
        return {
            "image_id": image,
            "video_id": 1,
            "category_id": category,
            "track_id": track,
            "instance_id": track,
            "object_id": found.object_id,
            **counts_fields(found.counts, record.size),
            "iscrowd": 0,
            "score": found.confidence,
            "source": found.source,
        }
