"""YOLO segmentation: a text file per image, a line per object: its class and one closed outline in 0..1.

Coordinates are ``(x + 0.25) / width``: Ultralytics multiplies and truncates, supervision rounds, and both
find pixel ``x`` again; with ``x + 0.5`` the rounding ones would move half of the outline by a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import yaml

from ..files import visible
from ..ops.boxes import Box, inclusive_box
from ..ops.polygons import Ring, at_least_three, closed_path, fill, rings
from ..ops.rle import encode_counts
from .appending import join_lines, join_yolo_data, yaml_text
from .linking import link_by_iou
from .outlines import OutlineOptions
from .reading import (
    Annotations,
    BoxPrompt,
    IdMap,
    Request,
    frame_numbers,
    load_image_size,
    load_text,
    merged,
    natural_key,
)
from .records import FrameRecord, Join, ObjectMask, RecordedVideo, RecordWriter

_INSIDE = 0.25
_FEW = 3
"""Outlines of which all may end at the lower edge by chance."""
_MANY_WRONG = 0.02
"""Share of wrong pixels from which on the writer recommends ``pieces=split``."""
_SMALLEST = 10
"""Ultralytics refuses images with fewer pixels a side."""


@dataclass(frozen=True)
class YoloOptions(OutlineOptions):
    """Options of the writer.

    Raises:
        ValueError: for a value out of range.
    """

    split: str = "train"
    """``train``, ``val`` or ``test``."""
    pieces: Literal["join", "split", "largest"] = "join"
    """One line for an object in several pieces, a line for each, or only the largest."""
    track_ids: bool = False
    """Put the object id at the end of every line: read by CVAT and supervision, not by Ultralytics."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split not in ("train", "val", "test"):
            raise ValueError(f"split must be train, val or test, got {self.split!r}")


class YoloWriter(RecordWriter):
    """``data.yaml``, ``labels/<split>/<sequence>_<name>.txt``, ``<split>.txt``."""

    Options = YoloOptions
    is_folder = True
    joins: ClassVar[Mapping[str, Join]] = {"data.yaml": join_yolo_data} | {
        f"{split}.txt": join_lines for split in ("train", "val", "test")
    }

    def image_path(self, record: FrameRecord) -> Path | None:
        """Beside the labels."""
        suffix = Path(record.image_name).suffix
        return Path("images", self.options.split, f"{self._stem(record)}{suffix}")

    def _stem(self, record: FrameRecord) -> str:
        return f"{self.facts.sequence}_{record.name}"

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """A file per frame; one without objects is empty."""
        numbers = self.classes = video.categories(first=0)
        split = self.options.split
        (out / "labels" / split).mkdir(parents=True)
        total: dict[int, int] = {}
        duplicates, images = 0, []
        for record in video.frames():
            lines: list[str] = []
            boxes: list[tuple[int, ...]] = []
            for found in record.visible:
                mask = record.mask(found)
                drawn, paths = self._outlines(mask)
                self.count_wrong(found, drawn, mask)
                total[found.object_id] = total.get(found.object_id, 0) + found.area
                number = numbers[video.category(found.object_id)]
                lines += [self._line(number, path, record.size, found.object_id) for path in paths]
                boxes += [(number, *path.min(axis=0), *path.max(axis=0)) for path in paths]
            duplicates += len(boxes) - len(set(boxes))
            text = "".join(line + "\n" for line in lines)
            (out / "labels" / split / f"{self._stem(record)}.txt").write_text(
                text, encoding="ascii", newline="\n"
            )
            images.append(str(self.image_path(record)))
        (out / f"{split}.txt").write_text("".join(f"{i}\n" for i in images), encoding="utf-8", newline="\n")
        (out / "data.yaml").write_text(self._data(numbers), encoding="utf-8", newline="\n")
        self._report(video, total, duplicates)

    def _outlines(self, mask: np.ndarray) -> tuple[np.ndarray, list[Ring]]:
        """What the paths of a mask fill, and the paths."""
        pieces = rings(mask, epsilon=self.options.epsilon)
        if self.options.pieces == "largest":
            pieces = pieces[:1]
        if self.options.pieces == "join":
            paths = [closed_path([ring for outer, holes in pieces for ring in (outer, *holes)])]
        else:
            paths = [closed_path([outer, *holes]) for outer, holes in pieces]
        size = (mask.shape[0], mask.shape[1])
        return fill(paths, size), [at_least_three(path) for path in paths]

    def _line(self, number: int, path: Ring, size: tuple[int, int], object_id: int) -> str:
        scaled = (path + _INSIDE) / np.array([size[1], size[0]])
        values = " ".join(f"{value:.6f}" for value in scaled.ravel().tolist())
        return f"{number} {values}" + (f" {object_id}" if self.options.track_ids else "")

    def _data(self, numbers: Mapping[str, int]) -> str:
        split = self.options.split
        folders = {"train": f"images/{split}", "val": f"images/{split}"} | {split: f"images/{split}"}
        lines = ["path: .", *(f"{key}: {folder}" for key, folder in folders.items()), "names:"]
        lines += [f"  {number}: {yaml_text(name)}" for name, number in numbers.items()]
        return "\n".join(lines if numbers else [*lines[:-1], "names: {}"]) + "\n"

    def _report(self, video: RecordedVideo, total: Mapping[int, int], duplicates: int) -> None:
        wrong = self.losses.get("wrong_pixels", {})
        many = [k for k, n in wrong.items() if n > _MANY_WRONG * total[int(k)]]
        if many and self.options.pieces == "join":
            self.notes.append(
                f"objects {', '.join(many)} are in several pieces, whose bridges are more than "
                f"{_MANY_WRONG:.0%} of their pixels: pieces=split writes a line for each piece"
            )
        if duplicates:
            self.notes.append(
                f"{duplicates} lines have class and box of another one of their image; "
                "Ultralytics takes them for duplicates and drops them"
            )
        if video.indices and min(video.size) < _SMALLEST:
            self.notes.append(f"Ultralytics refuses images with less than {_SMALLEST} pixels a side")


def read_yolo(path: Path, request: Request) -> Annotations:
    """Outlines and boxes of every label file; ids where the lines end with one, or scores, as predictions do.

    Without ids every line is an object of its own, unless the option ``link=iou`` joins those that overlap in
    neighbouring frames.
    """
    files = _label_files(path)
    stems = [file.stem for file in files]
    prefix = _common_prefix(stems)
    numbers = frame_numbers([stem[len(prefix) :] for stem in stems])
    names = _class_names(path)
    rows = [_rows(file) for file in files]
    both = _have_scores_and_ids([row for some in rows for row in some])
    parsed = [_Label(file, some, both=both) for file, some in zip(files, rows, strict=True)]
    has_scores = any(label.has_fractions for label in parsed)
    for label in parsed:
        label.interpret(has_scores=has_scores)
    has_ids = any(label.has_ids for label in parsed)
    ids = IdMap(identity for n, label in enumerate(parsed) for identity in label.identities(n))
    categories: dict[int, str] = {}
    boxes: list[BoxPrompt] = []
    sizes = [_size(file, request) for file in files]
    for n, (label, size) in enumerate(zip(parsed, sizes, strict=True)):
        for identity, number, values in zip(label.identities(n), label.classes, label.values, strict=True):
            categories[ids[identity]] = names.get(number, f"class {number}")
            if len(values) == 4:
                boxes.append(
                    BoxPrompt(numbers[n], stems[n][len(prefix) :], ids[identity], _box(values, size))
                )

    def records() -> Iterator[FrameRecord]:
        for n, (label, size) in enumerate(zip(parsed, sizes, strict=True)):
            masks = [
                ObjectMask(
                    ids[identity],
                    encode_counts(fill([np.floor(values.reshape(-1, 2) * size[::-1])], size)),
                    score,
                )
                for identity, values, score in zip(
                    label.identities(n), label.values, label.scores, strict=True
                )
                if len(values) > 4
            ]
            name = stems[n][len(prefix) :]
            yield FrameRecord(numbers[n], name, size, merged(masks, size), f"{stems[n]}.jpg")

    notes = (
        []
        if has_ids
        else ["the labels have no ids: every outline is an object of its own (--link-iou joins them)"]
    )
    sequence = prefix.rstrip("_") or path.stem
    found = Annotations(
        records, sequence, {}, categories, None, boxes, notes + (ids.notes() if has_ids else [])
    )
    if request.options.get("link") == "iou" and not has_ids:
        return link_by_iou(found)
    return found


def _common_prefix(stems: list[str]) -> str:
    """What all names have before the last ``_`` that they share: the sequence's name in our files."""
    first, last = min(stems), max(stems)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first.rfind("_", 0, length) + 1]


class _Row(NamedTuple):
    """A line of a label file."""

    line: int
    label: int
    values: list[float]
    last: str
    """The last one as it is written."""


def _rows(file: Path) -> list[_Row]:
    """The lines of a label file."""
    rows = []
    for number, line in enumerate(load_text(file).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            rows.append(_Row(number, int(parts[0]), [float(part) for part in parts[1:]], parts[-1]))
        except ValueError:
            raise ValueError(f"line {number} of {file.name} is not a class and numbers") from None
    return rows


def _have_scores_and_ids(rows: list[_Row]) -> bool:
    """Whether all lines end with a score and an id, as those of tracked predictions.

    Raises:
        ValueError: the last two numbers may as well be a point at the lower edge.
    """
    if not rows or not all(len(row.values) >= 6 and len(row.values) % 2 == 0 for row in rows):
        return False
    # A coordinate is hardly written without a fraction.
    if not all(row.last.isdecimal() and row.values[-1] >= 1 and 0 <= row.values[-2] <= 1 for row in rows):
        return False
    if all(row.last == "1" for row in rows):
        if len(rows) < _FEW:
            return False
        raise ValueError(
            "all lines end with a number and 1: a score and the id 1, or a point at the lower edge; write "
            "them without scores (Ultralytics: save_conf=False)"
        )
    return True


class _Label:
    """One label file.

    With ``both`` its lines end with a score and an id.
    """

    def __init__(self, file: Path, rows: list[_Row], *, both: bool) -> None:
        self.classes: list[int] = []
        self.values: list[np.ndarray] = []
        self.ids: list[int | None] = []
        self.scores: list[float | None] = []
        self._last: list[float | None] = []
        self._both = both
        for number, kind, values, _ in rows:
            if both:
                *values, score, identity = values
                self.scores.append(score)
                self.ids.append(int(identity))
            last = values.pop() if len(values) % 2 and len(values) >= 5 else None
            if len(values) not in (4,) and (len(values) < 6 or len(values) % 2):
                raise ValueError(f"line {number} of {file.name} has {len(values)} coordinates")
            array = np.array(values)
            if not np.isfinite(array).all() or array.min() < -0.5 or array.max() > 1.5:
                raise ValueError(f"line {number} of {file.name} has a coordinate outside 0..1")
            self.classes.append(kind)
            self.values.append(array)
            self._last.append(last)

    @property
    def has_fractions(self) -> bool:
        """Whether a line ends with a number that is no id."""
        return any(last is not None and not last.is_integer() for last in self._last)

    def interpret(self, *, has_scores: bool) -> None:
        """Take the numbers that lines end with for scores or for ids, where they do not end with both."""
        if self._both:
            return
        nothing = [None] * len(self._last)
        self.scores = self._last if has_scores else list(nothing)
        self.ids = list(nothing) if has_scores else [None if n is None else int(n) for n in self._last]

    @property
    def has_ids(self) -> bool:
        """Whether lines end with an id."""
        return any(identity is not None for identity in self.ids)

    def identities(self, frame: int) -> list[str]:
        """A key per line, the same for one object."""
        return [
            str(identity) if identity is not None else f"frame {frame} line {n}"
            for n, identity in enumerate(self.ids)
        ]


def _label_files(path: Path) -> list[Path]:
    root = path.parent if path.suffix in (".yaml", ".yml") else path
    if not root.is_dir():
        raise ValueError("it is neither a folder nor a data.yaml")
    below = root / "labels" if (root / "labels").is_dir() else root
    files = [f for f in visible(below.glob("**/*.txt")) if below != root or f.name not in _LISTS]
    if not files:
        raise ValueError("there are no label files (.txt) in it")
    return sorted(files, key=lambda f: natural_key(f.relative_to(below).as_posix()))


_LISTS = ("train.txt", "val.txt", "test.txt", "classes.txt")


def _class_names(path: Path) -> dict[int, str]:
    root = path.parent if path.suffix in (".yaml", ".yml") else path
    for file in (path, root / "data.yaml", root / "data.yml"):
        if file.suffix in (".yaml", ".yml") and file.is_file():
            try:
                names = (yaml.safe_load(load_text(file)) or {}).get("names") or {}
            except yaml.YAMLError as error:
                raise ValueError(f"{file.name} is not YAML ({error})") from None
            return {
                int(k): str(v) for k, v in (names.items() if isinstance(names, dict) else enumerate(names))
            }
    classes = root / "classes.txt"
    return dict(enumerate(load_text(classes).splitlines())) if classes.is_file() else {}


def _size(file: Path, request: Request) -> tuple[int, int]:
    """Of the image beside the labels, else what the caller knows."""
    parts = list(file.parts)
    if "labels" in parts:
        at = len(parts) - 1 - parts[::-1].index("labels")
        images = Path(*parts[:at], "images", *parts[at + 1 :])
        for suffix in (".jpg", ".jpeg", ".png", ".bmp", ".webp"):
            if images.with_suffix(suffix).is_file():
                return load_image_size(images.with_suffix(suffix))
    if request.size is None:
        raise ValueError(f"there is no image for {file.name}, so its size is unknown: give --size or --video")
    return request.size


def _box(values: Any, size: tuple[int, int]) -> Box:
    x, y, width, height = (float(v) * n for v, n in zip(values, (size[1], size[0]) * 2, strict=True))
    return inclusive_box(x - width / 2, y - height / 2, width, height)
