"""Label Studio video: one task with a region per object, a box per frame; it has no masks on video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

from ..ops.boxes import Box
from ..ops.polygons import rings
from .outlines import OutlineOptions
from .reading import Annotations, BoxPrompt, IdMap, Request, choose_sequence, load_json
from .records import FrameRecord, ObjectMask, RecordedVideo, RecordWriter, dumps
from .xml_text import check_xml_names

_DEFAULT_RATE = 25.0


@dataclass(frozen=True)
class LabelStudioVideoOptions(OutlineOptions):
    """Options of the writer; ``epsilon`` is for outlines."""

    url: str = "/data/local-files/?d="
    """What stands before the video's name in the task."""
    shape: Literal["box", "vector"] = "box"
    """``videorectangle``, or ``videovector``: the outer outline of the largest piece."""


class LabelStudioVideoWriter(RecordWriter):
    """``tasks.json`` and ``config.xml``; frames count from 1, coordinates are percent."""

    Options = LabelStudioVideoOptions
    is_folder = True

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """One region per object, one object after the other."""
        check_xml_names(video)
        fps = video.fps or _DEFAULT_RATE
        if video.fps is None:
            self.notes.append(f"the frame rate is not known; {fps:g} frames per second are written")
        if any(_is_off(record, fps) for record in video.frames()):
            self.notes.append(
                f"the video has no constant rate: Label Studio counts frames at {fps:g} per second, so its "
                "boxes will be beside the objects"
            )
        length = max(video.indices, default=-1) + 1
        data = {"video": f"{self.options.url}{video.sequence}"}
        with (out / "tasks.json").open("w", encoding="ascii", newline="\n") as file:
            file.write(f'[{{"data": {dumps(data)}, "predictions": [{{"model_version": "vos", "result": [')
            separator = "\n"
            for object_id, frames in video.by_object():
                region = self._region(video, object_id, frames, length, fps)
                if region["value"]["sequence"]:
                    file.write(separator + dumps(region))
                    separator = ",\n"
            file.write("\n]}]}]\n")
        tag = "VideoVector" if self.options.shape == "vector" else "VideoRectangle"
        config = [
            "<View>",
            f'  <Video name="video" value="$video" frameRate="{fps:g}"/>',
            f'  <{tag} name="shape" toName="video"/>',
            '  <Labels name="labels" toName="video">',
            *(f"    <Label value={quoteattr(name)}/>" for name in video.categories()),
            "  </Labels>",
            "</View>",
        ]
        (out / "config.xml").write_text("\n".join(config) + "\n", encoding="utf-8", newline="\n")
        self.losses["masks"] = "boxes only" if self.options.shape == "box" else "outlines only"

    def _region(
        self,
        video: RecordedVideo,
        object_id: int,
        frames: Iterator[tuple[FrameRecord, ObjectMask]],
        length: int,
        fps: float,
    ) -> dict[str, Any]:
        shown = [(record.index, self._shape(record, found)) for record, found in frames if found.area]
        indices = [index for index, _ in shown] + [length]
        steps = {b - a for a, b in zip(video.indices, video.indices[1:], strict=False)} or {1}
        sequence = [
            {
                "frame": index + 1,
                "time": round(index / fps, 6),
                "rotation": 0,
                "enabled": following == length or following - index <= min(steps),
                **shape,
            }
            for (index, shape), following in zip(shown, indices[1:], strict=True)
        ]
        if sequence and shown[-1][0] < max(video.indices):
            sequence[-1]["enabled"] = False
        vector = self.options.shape == "vector"
        value = {
            "framesCount": length,
            "duration": round(length / fps, 6),
            "labels": [video.category(object_id)],
            "sequence": sequence,
        }
        return {
            "id": f"o{object_id}",
            "type": "videovector" if vector else "videorectangle",
            "from_name": "shape",
            "to_name": "video",
            "origin": "prediction",
            "original_width": video.size[1],
            "original_height": video.size[0],
            "value": value | ({"closed": True} if vector else {}),
            "meta": {"text": [f"object {object_id}"]},
        }

    def _shape(self, record: FrameRecord, found: ObjectMask) -> dict[str, Any]:
        height, width = record.size
        if self.options.shape == "vector":
            outer = rings(record.mask(found), epsilon=self.options.epsilon)[0][0]
            points = [
                (round(100 * (x + 0.5) / width, 6), round(100 * (y + 0.5) / height, 6))
                for x, y in outer.tolist()
            ]
            return {
                "closed": True,
                "vertices": [
                    {"id": f"p{n}", "x": x, "y": y, "prevPointId": f"p{n - 1}" if n else None}
                    for n, (x, y) in enumerate(points)
                ],
            }
        x0, y0, x1, y1 = record.box(found)
        return {
            "x": round(100 * x0 / width, 6),
            "y": round(100 * y0 / height, 6),
            "width": round(100 * (x1 - x0 + 1) / width, 6),
            "height": round(100 * (y1 - y0 + 1) / height, 6),
        }


def _is_off(record: FrameRecord, fps: float) -> bool:
    """Whether the frame is shown half a frame or more from where a constant rate would show it."""
    return record.time is not None and abs(record.time * fps - record.index) >= 0.5


def read_label_studio_video(path: Path, request: Request) -> Annotations:
    """Boxes of one video as prompts; between two of an enabled stretch they are interpolated."""
    tasks = load_json(path / "tasks.json" if path.is_dir() else path)
    if not isinstance(tasks, list) or not tasks or "video" not in tasks[0]["data"]:
        raise ValueError("it is not a list of tasks with a video each")
    names = [Path(str(task["data"]["video"]).replace("?d=", "/").rsplit("/", 1)[-1]).stem for task in tasks]
    sequence = choose_sequence(names, request.sequence)
    task = tasks[names.index(sequence)]
    groups = [*(task.get("annotations") or ()), *(task.get("predictions") or ())]
    regions = [r for group in groups for r in group.get("result", ()) if r.get("type") == "videorectangle"]
    ids = IdMap(_identity(region) for region in regions)
    boxes = [
        BoxPrompt(frame, f"{frame:05d}", ids[_identity(region)], box)
        for region in regions
        for frame, box in _boxes(region, request)
    ]
    boxes.sort(key=lambda prompt: (prompt.frame_index, prompt.object_id))
    categories = {ids[_identity(r)]: str((r["value"].get("labels") or ["object"])[0]) for r in regions}
    return Annotations(lambda: iter(()), sequence, {}, categories, None, boxes, ids.notes(), ids.changed)


def _identity(region: dict[str, Any]) -> str:
    text = (region.get("meta") or {}).get("text") or [""]
    match = re.fullmatch(r"object (\S+)", str(text[0]))
    return match[1] if match else str(region["id"])


def _boxes(region: dict[str, Any], request: Request) -> Iterator[tuple[int, Box]]:
    """(frame index, box) of every frame in which the region is enabled."""
    if "original_width" in region:
        width, height = region["original_width"], region["original_height"]
    elif request.size is not None:
        height, width = request.size
    else:
        raise ValueError("it does not store the size of the video: give --size or --video")
    sequence = sorted(region["value"]["sequence"], key=lambda key: key["frame"])
    for key, following in zip(sequence, [*sequence[1:], None], strict=True):
        first = int(key["frame"])
        if first < 1:
            raise ValueError(f"frame {first} of a region; frames count from 1")
        last = first + 1
        if key.get("enabled", True):
            last = (
                int(following["frame"]) if following else int(region["value"].get("framesCount", first)) + 1
            )
        if last - first > 1 << 24:
            raise ValueError(f"a region is shown in {last - first} frames")
        for frame in range(first, max(last, first + 1)):
            share = (frame - first) / (last - first) if following and last > first else 0.0
            target = following if following and key.get("enabled", True) else key
            x, y, w, h = (key[n] + share * (target[n] - key[n]) for n in ("x", "y", "width", "height"))
            yield (
                frame - 1,
                (
                    round(x * width / 100),
                    round(y * height / 100),
                    round((x + w) * width / 100) - 1,
                    round((y + h) * height / 100) - 1,
                ),
            )
