"""Label Studio: one task per frame with brush masks, and the labelling configuration that goes with them."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image

from ..ops.brush import decode_brush, encode_brush
from ..ops.polygons import fill
from ..ops.rle import check_size, encode_counts
from .layouts import encode_grey_png
from .reading import (
    Annotations,
    BoxPrompt,
    IdMap,
    Request,
    base_name,
    frame_numbers,
    left_out,
    load_json,
    merged,
)
from .records import FrameRecord, ObjectMask, RecordedVideo, RecordWriter, dumps
from .xml_text import check_xml_names

_ID = re.compile(r"object (\S+?)(?:: (.*))?", re.DOTALL)
"""What our regions say in ``meta.text``: the id, and the name where there is one."""


@dataclass(frozen=True)
class LabelStudioOptions:
    """Options of the writer."""

    url: str = "/data/local-files/?d="
    """What stands before the image names in the tasks."""
    bitmask: bool = False
    """``bitmasklabels`` (a PNG) in place of ``brushlabels`` (run lengths)."""


class LabelStudioWriter(RecordWriter):
    """``tasks.json`` and ``config.xml``. Masks that a person gave are annotations, others predictions."""

    Options = LabelStudioOptions
    is_folder = True

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """One task a line."""
        check_xml_names(video)
        with (out / "tasks.json").open("w", encoding="ascii", newline="\n") as file:
            file.write("[")
            separator = "\n"
            for record in video.frames():
                file.write(separator + dumps(self._task(video, record)))
                separator = ",\n"
            file.write("\n]\n")
        kind = "BitmaskLabels" if self.options.bitmask else "BrushLabels"
        config = [
            "<View>",
            '  <Image name="image" value="$image"/>',
            f'  <{kind} name="mask" toName="image">',
            *(f"    <Label value={quoteattr(name)}/>" for name in video.categories()),
            f"  </{kind}>",
            "</View>",
        ]
        (out / "config.xml").write_text("\n".join(config) + "\n", encoding="utf-8", newline="\n")

    def _task(self, video: RecordedVideo, record: FrameRecord) -> dict[str, Any]:
        height, width = record.size
        data = {"image": self.options.url + quote(record.image_name), "frame": record.index}
        task: dict[str, Any] = {"data": data | {"width": width, "height": height}}
        given = [self._region(video, record, found) for found in record.visible if found.is_given]
        others = [self._region(video, record, found) for found in record.visible if not found.is_given]
        if given:
            task["annotations"] = [{"result": given}]
        if others:
            scores = [found.confidence or 0.0 for found in record.visible if not found.is_given]
            score = round(sum(scores) / len(scores), 6)
            task["predictions"] = [{"model_version": "vos", "score": score, "result": others}]
        return task

    def _region(self, video: RecordedVideo, record: FrameRecord, found: ObjectMask) -> dict[str, Any]:
        mask = record.mask(found)
        kind = "bitmasklabels" if self.options.bitmask else "brushlabels"
        if self.options.bitmask:
            png = base64.b64encode(encode_grey_png(np.where(mask, 255, 0).astype(np.uint8))).decode("ascii")
            value: dict[str, Any] = {"imageDataURL": f"data:image/png;base64,{png}"}
        else:
            value = {"format": "rle", "rle": encode_brush(mask)}
        name = video.name(found.object_id)
        text = f"object {found.object_id}" + (f": {name}" if name else "")
        region = {
            "id": f"o{found.object_id}f{record.index}",
            "type": kind,
            "from_name": "mask",
            "to_name": "image",
            "original_width": record.size[1],
            "original_height": record.size[0],
            "image_rotation": 0,
            "value": value | {kind: [video.category(found.object_id)]},
            "meta": {"text": [text]},
        }
        return region if found.confidence is None else region | {"score": found.confidence}


def read_label_studio(path: Path, request: Request) -> Annotations:
    """Brush, bitmask and polygon regions are masks, rectangles are box prompts.

    Regions are identified by ``meta.text`` ("object 3"); one without it is an object of its own.
    """
    tasks = load_json(path / "tasks.json" if path.is_dir() else path)
    if not isinstance(tasks, list) or not all("image" in task["data"] for task in tasks):
        raise ValueError("it is not a list of tasks with an image each")
    names = [unquote(base_name(str(task["data"]["image"]).replace("?d=", "/"))) for task in tasks]
    stems = [Path(name).stem for name in names]
    frames = [task["data"].get("frame") for task in tasks]
    numbers = frames if all(type(n) is int for n in frames) else frame_numbers(stems)
    regions = [_regions(task) for task in tasks]
    keyed = [(n, _identity(region, n)) for n, found in enumerate(regions) for region in found]
    ids = IdMap(key for _, key in keyed)
    sizes = [_size(task, found, request) for task, found in zip(tasks, regions, strict=True)]
    known = next((size for size in sizes if size), None)
    object_names: dict[int, str] = {}
    categories: dict[int, str] = {}
    boxes: list[BoxPrompt] = []
    for n, found in enumerate(regions):
        for region in found:
            object_id = ids[_identity(region, n)]
            categories[object_id] = _label(region)
            match = _ID.fullmatch(_meta(region))
            if match and match[2]:
                object_names[object_id] = match[2]
            if region["type"] == "rectanglelabels":
                boxes.append(BoxPrompt(numbers[n], stems[n], object_id, _box(region)))

    def records() -> Iterator[FrameRecord]:
        order = sorted(range(len(tasks)), key=lambda n: numbers[n])
        for n in order:
            size = sizes[n] or known
            if size is None:
                raise ValueError("it does not store the size of the images: give --size or --video")
            masks = [
                ObjectMask(
                    ids[_identity(region, n)], encode_counts(mask), region.get("score"), _source(region)
                )
                for region in regions[n]
                if (mask := _mask(region, size)) is not None
            ]
            yield FrameRecord(numbers[n], stems[n], size, merged(masks, size), names[n])

    categories = {k: text for k, text in categories.items() if text != object_names.get(k)}
    return Annotations(
        records,
        path.stem if path.is_file() else path.name,
        object_names,
        categories,
        None,
        boxes,
        ids.notes() + left_out(kind for task in tasks for kind in _other_kinds(task)),
        ids.changed,
    )


def _regions(task: dict[str, Any]) -> list[dict[str, Any]]:
    """All regions of a task's annotations and predictions that we can read.

    What an annotator made of a prediction replaces it, and of an object in both, the annotation counts.
    """
    drawn = [group for group in task.get("annotations") or () if not group.get("was_cancelled")]
    replaced = {group.get("parent_prediction") for group in drawn} - {None}
    # Label Studio also exports predictions by their numbers alone.
    guessed = [
        g for g in task.get("predictions") or () if isinstance(g, dict) and g.get("id") not in replaced
    ]
    found = [r | {"origin": "annotations"} for r in _readable(drawn)]
    known = {_identity(region, 0) for region in found}
    more = [r | {"origin": "predictions"} for r in _readable(guessed)]
    return found + [region for region in more if _identity(region, 0) not in known]


def _other_kinds(task: dict[str, Any]) -> Iterator[str]:
    """Kinds of the shapes that annotators drew and that we cannot read."""
    for group in task.get("annotations") or ():
        for region in group.get("result", ()):
            if "original_width" in region and region.get("type") not in _KINDS:
                yield str(region.get("type"))
            elif (region.get("value") or {}).get("rotation"):
                yield "rotation of a rectangle"


def _readable(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [r for group in groups for r in group.get("result", ()) if r.get("type") in _KINDS]


_KINDS = ("brushlabels", "bitmasklabels", "polygonlabels", "rectanglelabels")


def _meta(region: dict[str, Any]) -> str:
    text = (region.get("meta") or {}).get("text") or [""]
    return str(text[0] if isinstance(text, list) else text)


def _identity(region: dict[str, Any], task: int) -> str:
    match = _ID.fullmatch(_meta(region))
    return match[1] if match else f"task {task} region {region['id']}"


def _label(region: dict[str, Any]) -> str:
    labels: Iterable[Any] = region["value"].get(region["type"]) or ["object"]
    return str(next(iter(labels)))


def _source(region: dict[str, Any]) -> str:
    return "user" if region["origin"] == "annotations" else "tracked"


def _size(task: dict[str, Any], regions: list[dict[str, Any]], request: Request) -> tuple[int, int] | None:
    for place, keys in ((task["data"], ("height", "width")), *((r, _ORIGINAL) for r in regions)):
        if all(key in place for key in keys):
            return check_size([place[keys[0]], place[keys[1]]])
    return request.size


_ORIGINAL = ("original_height", "original_width")


def _mask(region: dict[str, Any], size: tuple[int, int]) -> np.ndarray | None:
    """(H, W) bool; None for a rectangle."""
    value = region["value"]
    if "rle" in value:
        return decode_brush(value["rle"], size)
    if "imageDataURL" in value:
        data = base64.b64decode(str(value["imageDataURL"]).split(",", 1)[-1], validate=True)
        with Image.open(io.BytesIO(data)) as image:
            if (image.height, image.width) != size:
                raise ValueError(f"a bitmask is {image.width}x{image.height}, its image {size[1]}x{size[0]}")
            return np.asarray(image.convert("L")) > 127
    if "points" in value:
        points = np.array(value["points"], dtype=np.float64).reshape(-1, 2)
        return fill([points * np.array([size[1], size[0]]) / 100], size)
    return None


def _box(region: dict[str, Any]) -> tuple[int, int, int, int]:
    value = region["value"]
    width, height = region["original_width"] / 100, region["original_height"] / 100
    x0, y0 = value["x"] * width, value["y"] * height
    return (
        round(x0),
        round(y0),
        round(x0 + value["width"] * width) - 1,
        round(y0 + value["height"] * height) - 1,
    )
