"""What every annotation format is made of: frames with the run lengths of their objects.

A writer that needs the whole video before it can write a byte (categories are numbered by name, tracks are
per object) keeps these records instead of label maps, one line of JSON per frame, in pieces on disk.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TextIO

import numpy as np

from ..errors import FormatError, MediaError
from ..files import replacing, replacing_folder
from ..frame import Frame, no_image
from ..ops.boxes import Box
from ..ops.rle import (
    Counts,
    compress,
    counts_area,
    counts_box,
    decode_counts,
    decompress,
    label_counts,
    paint_counts,
)
from ..results import FrameResult, Source, label_dtype
from ..settings import override
from .base import Blocks, VideoFacts, Writer

UNNAMED = "object"
"""Category of objects that were given no name."""
IMAGE_SUFFIX = ".jpg"
"""Of a frame's image in files that name it, where the frame does not come from an image file."""
_GIVEN = (Source.USER.value, Source.CORRECTED.value)


@dataclass(frozen=True, eq=False)
class ObjectMask:
    """One object in one frame; it may be known there and cover no pixel."""

    object_id: int
    encoded: Counts | str
    """COCO counts, see :mod:`vos.ops.rle`, or their compressed string."""
    confidence: float | None = None
    source: str | None = None
    """A value of :class:`vos.results.Source`, None where the file does not say."""
    z_order: int = 0
    """Where masks overlap, the higher is in front."""
    measured: tuple[int, Box | None] | None = None
    """Area and tight box, where they are known already."""

    @cached_property
    def counts(self) -> Counts:
        """COCO counts."""
        return decompress(self.encoded) if isinstance(self.encoded, str) else self.encoded

    @cached_property
    def text(self) -> str:
        """COCO's compressed string."""
        return self.encoded if isinstance(self.encoded, str) else compress(self.encoded)

    @cached_property
    def area(self) -> int:
        """Number of pixels."""
        return counts_area(self.counts) if self.measured is None else self.measured[0]

    @property
    def is_given(self) -> bool:
        """Whether the mask was given or corrected by a person."""
        return self.source in _GIVEN


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """One frame and its objects, ascending by id."""

    index: int
    name: str
    size: tuple[int, int]
    """(height, width)."""
    objects: tuple[ObjectMask, ...] = ()
    file_name: str | None = None
    time: float | None = None

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ValueError(f"frame {self.index} is negative; frames are counted from 0")

    @property
    def visible(self) -> tuple[ObjectMask, ...]:
        """The objects that cover at least one pixel."""
        return tuple(found for found in self.objects if found.area)

    @property
    def image_name(self) -> str:
        """Name of the frame's image file."""
        return self.file_name or f"{self.name}{IMAGE_SUFFIX}"

    def box(self, found: ObjectMask) -> Box:
        """Tight box of a visible object, inclusive indices."""
        box = counts_box(found.counts, self.size[0]) if found.measured is None else found.measured[1]
        assert box is not None
        return box

    def mask(self, found: ObjectMask) -> np.ndarray:
        """(H, W) bool."""
        return decode_counts(found.counts, self.size)

    def labels(self) -> tuple[np.ndarray, int]:
        """(H, W) label map, and the number of pixels that several objects claim.

        Such a pixel goes to the object with the highest ``z_order``, then to the smaller one.
        """
        height, width = self.size
        across = np.zeros((width, height), dtype=label_dtype(found.object_id for found in self.objects))
        overlap = 0
        for found in sorted(self.visible, key=lambda found: (-found.z_order, found.area, found.object_id)):
            overlap += paint_counts(across, found.counts, found.object_id)
        return np.ascontiguousarray(across.T), overlap

    def frame(self) -> Frame:
        """A frame without its image: black, of no memory."""
        return Frame(self.index, no_image(self.size), self.name, self.time, self.file_name)

    @classmethod
    def of(cls, frame: Frame, result: FrameResult) -> FrameRecord:
        """The record of a frame and its result."""
        size = (result.labels.shape[0], result.labels.shape[1])
        nothing = np.array([result.labels.size], dtype=np.int64)
        found = label_counts(result.labels)
        objects = tuple(
            ObjectMask(
                object_id,
                found.get(object_id, nothing),
                _rounded(result.confidence.get(object_id)),
                source.value if (source := result.source.get(object_id)) else None,
            )
            for object_id in sorted({*found, *result.ids})
        )
        return cls(frame.index, frame.name, size, objects, frame.file_name, frame.time)

    def as_json(self) -> str:
        """One line, see :meth:`from_json`."""
        objects = [
            [o.object_id, o.text, o.confidence, o.source, o.area, self.box(o) if o.area else None]
            for o in self.objects
        ]
        return dumps([self.index, self.name, self.size, objects, self.file_name, self.time])

    @classmethod
    def from_json(cls, line: str | bytes) -> FrameRecord:
        """What :meth:`as_json` wrote."""
        index, name, size, objects, file_name, time = json.loads(line)
        masks = tuple(
            ObjectMask(n, text, confidence, source, 0, (area, box))
            for n, text, confidence, source, area, box in objects
        )
        return cls(index, name, (size[0], size[1]), masks, file_name, time)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)


def dumps(value: Any) -> str:
    """JSON as all formats have it: ASCII, no NaN."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def write_lines(file: TextIO, values: Iterable[Any]) -> None:
    """The items of a JSON list, one a line."""
    separator = "\n"
    for value in values:
        file.write(separator + dumps(value))
        separator = ",\n"


class RecordedVideo:
    """All frames of a video as they were written; may be gone through several times, one at a time."""

    def __init__(self, blocks: Blocks, facts: VideoFacts, seen: set[int]) -> None:
        self._blocks = blocks
        self._facts = facts
        self.ids = tuple(sorted(seen))
        """Of all objects, visible or not."""
        self.sequence = facts.sequence
        self.fps = facts.fps
        indices = [(record.index, record.size) for record in self.frames()]
        self.indices = tuple(index for index, _ in indices)
        """Of the frames that were written."""
        self.size = indices[0][1] if indices else (0, 0)
        """(height, width) of all frames, (0, 0) where there is none."""

    def frames(self) -> Iterator[FrameRecord]:
        """The frames in order."""
        for block in self._blocks:
            for line in block.splitlines():
                yield FrameRecord.from_json(line)

    def by_object(self) -> Iterator[tuple[int, Iterator[tuple[FrameRecord, ObjectMask]]]]:
        """Every object in turn, with the frames in which it is known; use up one before the next."""
        with tempfile.TemporaryFile() as spill:
            places: dict[int, list[int]] = {object_id: [] for object_id in self.ids}
            for record in self.frames():
                for found in record.objects:
                    places[found.object_id].append(spill.tell())
                    spill.write(replace(record, objects=(found,)).as_json().encode("ascii") + b"\n")

            def of(object_id: int) -> Iterator[tuple[FrameRecord, ObjectMask]]:
                for place in places[object_id]:
                    spill.seek(place)
                    record = FrameRecord.from_json(spill.readline())
                    yield record, record.objects[0]

            for object_id in self.ids:
                yield object_id, of(object_id)

    def name(self, object_id: int) -> str:
        """Name of an object, empty where it has none."""
        return self._facts.names.get(object_id) or ""

    def category(self, object_id: int) -> str:
        """Category of an object: that of the class map, else its own, else its name, else ``object``."""
        own = self._facts.categories.get(object_id) or self.name(object_id) or UNNAMED
        return next((text for text in self._mapped(object_id, own) if isinstance(text, str)), own)

    def _mapped(self, object_id: int, category: str) -> list[str | int]:
        """What the class map says of an object, by its name and by its category."""
        class_map = self._facts.class_map
        return [class_map[key] for key in (self.name(object_id), category) if key in class_map]

    def fixed_numbers(self) -> dict[str, int]:
        """Category -> number, for those to which the class map gives one.

        Raises:
            FormatError: one category has two numbers, or two have one.
        """
        fixed: dict[str, int] = {}
        for object_id in self.ids:
            category = self.category(object_id)
            number = next((n for n in self._mapped(object_id, category) if isinstance(n, int)), None)
            if number is not None and fixed.setdefault(category, number) != number:
                raise FormatError(f"the class map gives {category!r} both {fixed[category]} and {number}")
        names = {number: name for name, number in fixed.items()}
        for name, number in fixed.items():
            if names[number] != name:
                raise FormatError(f"the class map gives {number} to both {name!r} and {names[number]!r}")
        return fixed

    def taken_numbers(self) -> set[int]:
        """All numbers in the class map, those of categories that do not occur included."""
        return {n for n in self._facts.class_map.values() if isinstance(n, int)}

    def categories(self, first: int = 1) -> dict[str, int]:
        """Category -> number: those of the class map, the others in order of name from ``first`` on."""
        fixed = self.fixed_numbers()
        free = (n for n in itertools.count(first) if n not in self.taken_numbers())
        names = sorted({self.category(object_id) for object_id in self.ids})
        return {name: fixed[name] if name in fixed else next(free) for name in names}


Join = Callable[[Path, Path], None]
"""Earlier file, new file -> the new one holds what both did; ValueError says why they do not go together."""


@dataclass(frozen=True)
class NoOptions:
    """Of a format that has none."""


class RecordWriter(Writer):
    """Base of the formats that are put together at the end.

    A subclass implements :meth:`assemble`. What it finds on the way that a user should know goes to
    :attr:`notes` (sentences) and :attr:`losses` (numbers).

    Args:
        path: the file or folder.
        work: folder for pieces until :meth:`close`; None keeps them in memory.
        facts: names, categories and rate of the video.
        options: of the format, laid over the defaults of :attr:`Options`.

    Raises:
        SettingsError: for an unknown option.
    """

    Options: ClassVar[type] = NoOptions
    is_folder: ClassVar[bool] = False
    joins: ClassVar[Mapping[str, Join] | None] = None
    """How another video is added, see :func:`vos.formats.appending.join_exports`; None: there is no way."""
    image_suffix: ClassVar[str | None] = None
    """Of the frames' images, where the format prescribes it."""
    one_size: ClassVar[bool] = True
    """Whether all frames must be of one size."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        work: Path | None = None,
        facts: VideoFacts | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.options: Any = override(self.Options(), options or {})
        self.facts = facts or VideoFacts()
        self.notes: list[str] = []
        self.losses: dict[str, Any] = {}
        self.classes: dict[str, int] = {}
        """Numbers of the classes, in formats that have them; after :meth:`close`."""
        self.files: tuple[str, ...] = ()
        """What a folder holds, after :meth:`close`."""
        self._blocks = Blocks(work, ".jsonl")
        self._lines: list[str] = []
        self._seen: set[int] = set()
        self._size: tuple[int, int] | None = None

    def write(self, frame: Frame, segmentation: FrameResult) -> None:
        """Remember the frame's masks.

        Raises:
            MediaError: the frame is of another size than the first.
        """
        record = FrameRecord.of(frame, segmentation)
        if self._size is None:
            self._size = record.size
        if record.size != self._size and self.one_size:
            raise MediaError(
                f"frame {frame.name} is {record.size[1]}x{record.size[0]}, "
                f"the first is {self._size[1]}x{self._size[0]}; the frames of a video are of one size"
            )
        self._seen.update(found.object_id for found in record.objects)
        self._lines.append(record.as_json())

    def checkpoint(self) -> dict[str, Any]:
        """Close the current piece."""
        if self._lines:
            self._blocks.append("".join(line + "\n" for line in self._lines).encode("ascii"))
            self._lines.clear()
        return {"blocks": self._blocks.count, "seen": sorted(self._seen), "size": self._size}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue after the pieces counted in ``state``."""
        self._blocks.count = state["blocks"]
        self._seen = set(state["seen"])
        self._size = None if state["size"] is None else (state["size"][0], state["size"][1])
        self._lines.clear()

    def close(self) -> None:
        """Put the result together; one frame is in memory at a time."""
        self.checkpoint()
        video = RecordedVideo(self._blocks, self.facts, self._seen)
        with replacing_folder(self.path) if self.is_folder else replacing(self.path) as temporary:
            self.assemble(video, temporary)
            if self.is_folder:
                files = sorted(p for p in temporary.rglob("*") if p.is_file())
                self.files = tuple(p.relative_to(temporary).as_posix() for p in files)

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Write the file ``out``, or fill the folder ``out``, which is empty."""
        raise NotImplementedError

    def count_wrong(self, found: ObjectMask, drawn: np.ndarray, mask: np.ndarray) -> None:
        """Add the pixels in which what is written of an object differs from its mask to the losses."""
        wrong = int((drawn ^ mask).sum())
        if wrong:
            by_object = self.losses.setdefault("wrong_pixels", {})
            by_object[str(found.object_id)] = by_object.get(str(found.object_id), 0) + wrong

    def image_path(self, record: FrameRecord) -> Path | None:
        """Where in the folder the frame's image belongs; None where the format does not hold images."""
        return None


def option_names(options: type) -> list[str]:
    """Names of a format's options."""
    return [field.name for field in dataclasses.fields(options)]
