"""CVAT for video 1.1 and CVAT for images 1.1: XML with run lengths of the box of every mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ..ops.polygons import fill, rings
from ..ops.rle import check_size, decode_row_runs, encode_counts, row_runs
from .outlines import OutlineOptions
from .reading import Annotations, BoxPrompt, IdMap, Request, base_name, left_out, load_xml, merged
from .records import FrameRecord, ObjectMask, RecordedVideo, RecordWriter
from .xml_text import check_xml_names, check_xml_text

_ATTRIBUTE = "track_id"


@dataclass(frozen=True)
class CvatVideoOptions(OutlineOptions):
    """Options of the video format."""

    tracks: Literal["single", "polygon", "mask"] = "single"
    """``single``: a track per mask, as CVAT itself exports them; ``polygon``: a track per object with one
    outline in every frame (holes and further pieces are lost); ``mask``: a track per object with masks."""


class _CvatWriter(RecordWriter):
    """What both have in common."""

    mode = ""

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Head, shapes, end."""
        check_xml_names(video)
        with out.open("w", encoding="utf-8", newline="\n") as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
            self._write_meta(file, video)
            self._write_shapes(file, video)
            file.write("</annotations>\n")

    def _write_shapes(self, file: TextIO, video: RecordedVideo) -> None:
        raise NotImplementedError

    def _write_meta(self, file: TextIO, video: RecordedVideo) -> None:
        last = max(video.indices, default=0)
        height, width = video.size
        file.write(
            f"<meta><task><id>0</id><name>{escape(video.sequence)}</name><size>{last + 1}</size>"
            f"<mode>{self.mode}</mode><overlap>0</overlap><bugtracker></bugtracker><created></created>"
            f"<updated></updated><start_frame>0</start_frame><stop_frame>{last}</stop_frame>"
            "<frame_filter></frame_filter>\n<labels>\n"
        )
        for name in video.categories():
            file.write(
                f"<label><name>{_text(name)}</name><type>{self._shape_type()}</type><attributes><attribute>"
                f"<name>{_ATTRIBUTE}</name><mutable>False</mutable><input_type>number</input_type>"
                "<default_value>0</default_value><values>0;65534;1</values></attribute></attributes></label>\n"
            )
        file.write(
            f"</labels>\n<original_size><width>{width}</width><height>{height}</height></original_size>"
            "</task><dumped></dumped></meta>\n"
        )

    def _shape_type(self) -> str:
        return "mask"


def _text(text: str) -> str:
    return escape(text, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def _quoted(text: str) -> str:
    return quoteattr(text, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def _mask_attributes(record: FrameRecord, found: ObjectMask) -> str:
    x0, y0, x1, y1 = record.box(found)
    runs = row_runs(record.mask(found)[y0 : y1 + 1, x0 : x1 + 1])
    text = ", ".join(map(str, runs.tolist()))
    return f'rle="{text}" left="{x0}" top="{y0}" width="{x1 - x0 + 1}" height="{y1 - y0 + 1}" z_order="0"'


def _origin(found: ObjectMask) -> str:
    return "manual" if found.is_given else "auto"


def _id_element(object_id: int) -> str:
    return f'<attribute name="{_ATTRIBUTE}">{object_id}</attribute>'


class CvatVideoWriter(_CvatWriter):
    """``<track>`` elements. The ``track_id`` attribute and the group tell what belongs together."""

    Options = CvatVideoOptions
    mode = "interpolation"

    def _shape_type(self) -> str:
        return "polygon" if self.options.tracks == "polygon" else "mask"

    def _write_shapes(self, file: TextIO, video: RecordedVideo) -> None:
        last = max(video.indices, default=0)
        if self.options.tracks == "single":
            number = 0
            for record in video.frames():
                for found in record.visible:
                    attributes = _mask_attributes(record, found)
                    self._open(file, number, video, found)
                    self._shape(file, "mask", record.index, attributes, found.object_id, outside=False)
                    if record.index < last:
                        self._shape(file, "mask", record.index + 1, attributes, found.object_id, outside=True)
                    file.write("</track>\n")
                    number += 1
            return
        for number, (object_id, frames) in enumerate(video.by_object()):
            self._write_track(file, video, number, object_id, frames)

    def _write_track(
        self,
        file: TextIO,
        video: RecordedVideo,
        number: int,
        object_id: int,
        frames: Iterator[tuple[FrameRecord, ObjectMask]],
    ) -> None:
        """One object; where it vanishes its last shape is repeated as ``outside``."""
        polygon = self.options.tracks == "polygon"
        kind = "polygon" if polygon else "mask"
        last = max(video.indices, default=0)
        opened, before = False, (-1, "")
        for record, found in frames:
            if not found.area:
                continue
            if not opened:
                self._open(file, number, video, found)
                opened = True
            if before[0] >= 0 and record.index > before[0] + 1:
                self._shape(file, kind, before[0] + 1, before[1], object_id, outside=True)
            attributes = self._polygon(record, found) if polygon else _mask_attributes(record, found)
            self._shape(file, kind, record.index, attributes, object_id, outside=False)
            before = (record.index, attributes)
        if opened:
            if before[0] < last:
                self._shape(file, kind, before[0] + 1, before[1], object_id, outside=True)
            file.write("</track>\n")

    def _polygon(self, record: FrameRecord, found: ObjectMask) -> str:
        mask = record.mask(found)
        outer = rings(mask, epsilon=self.options.epsilon)[0][0]
        self.count_wrong(found, fill([outer], record.size), mask)
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in outer.tolist())
        return f'points="{points}" z_order="0"'

    def _open(self, file: TextIO, number: int, video: RecordedVideo, found: ObjectMask) -> None:
        label = _quoted(video.category(found.object_id))
        group = found.object_id
        file.write(f'<track id="{number}" label={label} source="{_origin(found)}" group_id="{group}">\n')

    def _shape(
        self, file: TextIO, kind: str, frame: int, attributes: str, object_id: int, *, outside: bool
    ) -> None:
        file.write(
            f'<{kind} frame="{frame}" keyframe="1" outside="{int(outside)}" occluded="0" {attributes}>'
            f"{_id_element(object_id)}</{kind}>\n"
        )


class CvatImagesWriter(_CvatWriter):
    """``<image>`` elements, also for frames without an object."""

    mode = "annotation"

    def _write_shapes(self, file: TextIO, video: RecordedVideo) -> None:
        for record in video.frames():
            height, width = record.size
            check_xml_text(record.image_name, "image name")
            name = _quoted(record.image_name)
            file.write(f'<image id="{record.index}" name={name} width="{width}" height="{height}">\n')
            for found in record.visible:
                label = _quoted(video.category(found.object_id))
                file.write(
                    f'<mask label={label} source="{_origin(found)}" occluded="0" '
                    f"{_mask_attributes(record, found)} "
                    f'group_id="{found.object_id}">{_id_element(found.object_id)}</mask>\n'
                )
            file.write("</image>\n")


@dataclass(frozen=True)
class _Shape:
    frame: int
    element: Element
    label: str
    attribute: str | None
    group: str | None
    track: str
    track_is_one: bool
    """Whether its track has no other shape."""

    def key(self) -> tuple[str, str]:
        """What tells the object: (kind, value)."""
        if self.attribute is not None:
            return "attribute", self.attribute
        if self.track_is_one and self.group not in (None, "0", ""):
            return "group", str(self.group)
        return "track", self.track


def read_cvat(path: Path, request: Request) -> Annotations:
    """Both formats. An object is what has one attribute ``track_id``, else one track; of shapes alone
    in their track, and of those of images, one group."""
    root = load_xml(path)
    if root.tag != "annotations":
        raise ValueError(f"its root is <{root.tag}>, not <annotations>")
    images = root.findall("image")
    shapes = [*_shapes_of_tracks(root), *_shapes_of_images(images)]
    kinds = {shape.key()[0] for shape in shapes}
    keys = [shape.key()[1] if len(kinds) == 1 else " ".join(shape.key()) for shape in shapes]
    ids = IdMap(keys)
    size = _video_size(root, request)
    by_frame: dict[int, list[tuple[_Shape, int]]] = {}
    for shape, key in zip(shapes, keys, strict=True):
        by_frame.setdefault(shape.frame, []).append((shape, ids[key]))
    frames = _frames(images) or {n: (f"{n:05d}", None, size) for n in sorted(by_frame)}

    def records() -> Iterator[FrameRecord]:
        for index in sorted(frames):
            name, file_name, frame_size = frames[index]
            if frame_size is None:
                raise ValueError("it does not store the size of the frames: give --size or --video")
            masks = [
                ObjectMask(object_id, encode_counts(mask), z_order=int(shape.element.get("z_order", "0")))
                for shape, object_id in by_frame.get(index, ())
                if (mask := _mask(shape.element, frame_size)) is not None
            ]
            yield FrameRecord(index, name, frame_size, merged(masks, frame_size), file_name)

    boxes = [
        BoxPrompt(shape.frame, frames[shape.frame][0], object_id, _box(shape.element))
        for of_frame in by_frame.values()
        for shape, object_id in of_frame
        if shape.element.tag == "box"
    ]
    categories = {ids[key]: shape.label for shape, key in zip(shapes, keys, strict=True)}
    name = root.findtext("meta/task/name") or path.stem
    others = (e.tag for parent in (*root.findall("track"), *images) for e in parent if e.tag in _NO_AREAS)
    notes = ids.notes() + left_out(others)
    return Annotations(records, name, {}, categories, None, boxes, notes, ids.changed)


_KINDS = ("mask", "polygon", "box", "ellipse")
_NO_AREAS = ("polyline", "points", "cuboid", "skeleton")


def _shapes_of_tracks(root: Element) -> Iterator[_Shape]:
    for number, track in enumerate(root.findall("track")):
        shown = [e for e in track if e.tag in _KINDS and e.get("outside", "0") == "0"]
        for element in shown:
            yield _Shape(
                int(element.attrib["frame"]),
                element,
                track.attrib["label"],
                _attribute(element),
                track.get("group_id"),
                track.get("id", str(number)),
                len(shown) == 1,
            )


def _shapes_of_images(images: list[Element]) -> Iterator[_Shape]:
    for number, image in enumerate(images):
        for place, element in enumerate(e for e in image if e.tag in _KINDS):
            yield _Shape(
                int(image.attrib["id"]),
                element,
                element.attrib["label"],
                _attribute(element),
                element.get("group_id"),
                f"image {number} shape {place}",
                True,
            )


def _attribute(element: Element) -> str | None:
    for attribute in element.findall("attribute"):
        if attribute.get("name") == _ATTRIBUTE:
            return (attribute.text or "").strip()
    return None


def _video_size(root: Element, request: Request) -> tuple[int, int] | None:
    size = root.find(".//original_size")
    if size is None:
        return request.size
    return check_size([int(size.findtext("height") or 0), int(size.findtext("width") or 0)])


def _frames(images: list[Element]) -> dict[int, tuple[str, str | None, tuple[int, int] | None]]:
    """Index -> name, file name, size of every image."""
    frames: dict[int, tuple[str, str | None, tuple[int, int] | None]] = {}
    for image in images:
        file_name = base_name(image.attrib["name"])
        size = check_size([int(image.attrib["height"]), int(image.attrib["width"])])
        if int(image.attrib["id"]) in frames:
            raise ValueError(f"the image id {image.attrib['id']} occurs twice")
        frames[int(image.attrib["id"])] = (Path(file_name).stem, file_name, size)
    return frames


def _mask(element: Element, size: tuple[int, int]) -> np.ndarray | None:
    """(H, W) bool of a shape; None for a box."""
    if element.tag == "mask":
        left, top, width, height = (int(element.attrib[key]) for key in ("left", "top", "width", "height"))
        if left < 0 or top < 0 or left + width > size[1] or top + height > size[0]:
            raise ValueError(
                f"a mask at {left},{top} of {width}x{height} is outside the {size[1]}x{size[0]} frame"
            )
        runs = [int(part) for part in element.attrib["rle"].split(",")]
        mask = np.zeros(size, bool)
        mask[top : top + height, left : left + width] = decode_row_runs(runs, (height, width))
        return mask
    if element.tag == "polygon":
        points = [[float(v) for v in pair.split(",")] for pair in element.attrib["points"].split(";")]
        return fill([np.array(points)], size)
    if element.tag == "ellipse":
        cx, cy, rx, ry = (float(element.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
        turn = np.deg2rad(float(element.get("rotation", "0")))
        rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
        along = (columns - cx) * np.cos(turn) + (rows - cy) * np.sin(turn)
        across = (rows - cy) * np.cos(turn) - (columns - cx) * np.sin(turn)
        return np.asarray((along / rx) ** 2 + (across / ry) ** 2 <= 1)
    return None


def _box(element: Element) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (float(element.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    return round(x0), round(y0), round(x1) - 1, round(y1) - 1
