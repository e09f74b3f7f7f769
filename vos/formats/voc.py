"""Pascal VOC: masks of classes and of objects, boxes, lists, and the label map that other tools read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
import numpy as np
from PIL import Image

from ..errors import FormatError
from ..files import visible
from ..limits import MAX_PIXELS
from ..results import MAX_OBJECTS, VOID, davis_palette
from .layouts import encode_png, read_png_folder, record_of_labels, without_void
from .reading import Annotations, Request, frame_numbers, load_labels, load_text, natural_key
from .records import FrameRecord, RecordedVideo, RecordWriter
from .xml_text import check_xml_names, check_xml_text


@dataclass(frozen=True)
class VocOptions:
    """Options of the writer."""

    split: str = "train"
    """Name of the lists."""
    border: bool = False
    """Draw VOC's void line (255) around the objects, which loses their outermost pixels."""


class VocWriter(RecordWriter):
    """``SegmentationClass``, ``SegmentationObject``, ``Annotations``, ``ImageSets``, ``labelmap.txt``."""

    Options = VocOptions
    is_folder = True
    image_suffix = ".jpg"

    def image_path(self, record: FrameRecord) -> Path | None:
        """Below ``JPEGImages``."""
        return Path("JPEGImages", f"{record.name}.jpg")

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Two images and an XML per frame."""
        check_xml_names(video)
        numbers = self.classes = video.categories()
        if not all(1 <= number <= MAX_OBJECTS for number in numbers.values()):
            raise FormatError(
                f"VOC has room for the classes 1 to {MAX_OBJECTS}, the video has {len(numbers)}, "
                f"numbered up to {max(numbers.values())}"
            )
        wide = max(video.ids, default=0) > MAX_OBJECTS
        if wide and self.options.border:
            raise FormatError(f"border=true needs ids up to {MAX_OBJECTS}: 255 is the border")
        for name in ("SegmentationClass", "SegmentationObject", "Annotations", "ImageSets"):
            (out / name).mkdir()
        table = np.zeros(max(video.ids, default=0) + 1, np.uint8)
        for object_id in video.ids:
            table[object_id] = numbers[video.category(object_id)]
        stems, lost = [], 0
        for record in video.frames():
            check_xml_text(record.name, "frame name")
            labels, _ = record.labels()
            classes = table[labels]
            if self.options.border:
                line = _border(labels)
                lost += int((line & (labels > 0)).sum())
                labels, classes = (
                    np.where(line, VOID, values).astype(np.uint8) for values in (labels, classes)
                )
            (out / "SegmentationObject" / f"{record.name}.png").write_bytes(encode_png(labels, wide=wide))
            (out / "SegmentationClass" / f"{record.name}.png").write_bytes(encode_png(classes, wide=False))
            xml = "".join(f"{line}\n" for line in self._xml(video, record))
            (out / "Annotations" / f"{record.name}.xml").write_text(xml, encoding="utf-8", newline="\n")
            stems.append(record.name)
        for kind in ("Segmentation", "Main"):
            (out / "ImageSets" / kind).mkdir()
            listed = out / "ImageSets" / kind / f"{self.options.split}.txt"
            listed.write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8", newline="\n")
        lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
        for name, number in numbers.items():
            colour = ",".join(str(int(v)) for v in davis_palette()[number])
            shown = " ".join(name.replace(":", " ").split())
            if shown != name:
                self.notes.append(f"class {name!r} is called {shown!r}: labelmap.txt can hold no more")
            lines.append(f"{shown}:{colour}::")
        (out / "labelmap.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        if self.options.border:
            self.losses["border_pixels"] = lost

    def _xml(self, video: RecordedVideo, record: FrameRecord) -> Iterator[str]:
        height, width = record.size
        yield "<annotation>"
        yield f"<folder>{escape(video.sequence)}</folder><filename>{escape(record.name)}.jpg</filename>"
        yield f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        yield "<segmented>1</segmented>"
        for found in record.visible:
            x0, y0, x1, y1 = (n + 1 for n in record.box(found))
            name = escape(" ".join(video.category(found.object_id).split()))
            yield (
                f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated>"
                f"<difficult>0</difficult><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax>"
                f"<ymax>{y1}</ymax></bndbox></object>"
            )
        yield "</annotation>"


def _border(labels: np.ndarray) -> np.ndarray:
    """Pixels with another label among their eight neighbours."""
    kernel = np.ones((3, 3), np.uint8)
    values = labels.astype(np.uint8)
    return np.asarray(cv2.dilate(values, kernel) != cv2.erode(values, kernel))


def read_voc(path: Path, request: Request) -> Annotations:
    """Objects of ``SegmentationObject`` with the class most of their pixels have; without it, every class of
    ``SegmentationClass`` is an object. 255 is void and left out."""
    objects, classes = path / "SegmentationObject", path / "SegmentationClass"
    names = _class_names(path)
    if not objects.is_dir():
        found = read_png_folder(classes, path.resolve().name, values=without_void)
        found.categories |= {number: name for number, name in names.items() if number}
        found.notes.append("there is no SegmentationObject: every class is an object")
        return found
    files = sorted(visible(objects.glob("*.png")), key=lambda p: natural_key(p.stem))
    if not files:
        raise ValueError("there are no PNG files in SegmentationObject")
    numbers = frame_numbers([file.stem for file in files])
    categories: dict[int, str] = {}
    for file in files:
        labels = _load(file).astype(np.int64)
        if (classes / file.name).is_file():
            kinds = _load(classes / file.name).astype(np.int64)
            if kinds.shape != labels.shape:
                raise ValueError(f"{file.name} has another size in SegmentationClass")
            for object_id in sorted(set(np.unique(labels).tolist()) - {0, *categories}):
                number = int(np.bincount(kinds[labels == object_id]).argmax())
                categories[object_id] = names.get(number, f"class {number}")

    def records() -> Iterator[FrameRecord]:
        for number, file in zip(numbers, files, strict=True):
            yield record_of_labels(_load(file), number, file.stem)

    return Annotations(records, path.resolve().name, categories=categories)


def _load(path: Path) -> np.ndarray:
    """(H, W) numbers of an index PNG, or of a colour PNG in VOC's colours, as some tools write; no void.

    Raises:
        ValueError: a colour is none of VOC's.
    """
    with Image.open(path) as image:
        if image.mode != "RGB":
            return without_void(load_labels(path))
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{path.name} has {image.width}x{image.height} pixels")
        packed = np.asarray(image).astype(np.int64) @ (65536, 256, 1)
    colours = davis_palette().astype(np.int64) @ (65536, 256, 1)
    order = np.argsort(colours)
    place = np.searchsorted(colours, packed, sorter=order).clip(max=VOID)
    if (colours[order][place] != packed).any():
        raise ValueError(f"{path.name} has colours that VOC's palette does not have")
    return without_void(order[place].astype(np.uint8))


def _class_names(path: Path) -> dict[int, str]:
    """Number -> name: by the colours of ``labelmap.txt`` in VOC's palette, or by line where it gives none."""
    listed = path / "labelmap.txt"
    if not listed.is_file():
        return {}
    number_of = {tuple(int(v) for v in colour): n for n, colour in enumerate(davis_palette())}
    names = {}
    lines = [line for line in load_text(listed).splitlines() if line.strip() and not line.startswith("#")]
    for place, line in enumerate(lines):
        name, colour, *_ = line.split(":")
        number = number_of.get(tuple(int(v) for v in colour.split(","))) if colour else place
        if number:
            names[number] = name
    return names
