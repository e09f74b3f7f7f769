"""MOTS, in the variants of MOTSChallenge and KITTI: text with run lengths, and 16-bit PNGs.

The number of an object is ``1000 * class + id``; 10000 marks what is to be ignored.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from ..errors import FormatError
from ..files import visible
from ..ops.rle import check_counts, check_size, decompress
from .appending import join_lines, join_names_by_line
from .layouts import encode_grey_png
from .reading import (
    Annotations,
    IdMap,
    Request,
    choose_sequence,
    frame_numbers,
    load_labels,
    load_text,
    natural_key,
)
from .records import UNNAMED, FrameRecord, Join, ObjectMask, RecordedVideo, RecordWriter

_CLASS = 1000
_IGNORE = 10
_LAST_CLASS = 64
"""The largest whose numbers fit into 16 bits."""
_KNOWN = {"car": 1, "pedestrian": 2, "person": 2}
_OFFICIAL = {1: "car", 2: "pedestrian"}


@dataclass(frozen=True)
class MotsOptions:
    """Options of both formats."""

    variant: Literal["mots", "kitti"] = "mots"
    """MOTSChallenge counts frames from 1, KITTI from 0; folders differ, too."""
    split: str = "train"
    """In the name of the list of sequences."""


class _Numbers:
    """Classes and ids of a video as MOTS has them."""

    def __init__(self, video: RecordedVideo) -> None:
        known = _KNOWN | video.fixed_numbers()
        others = sorted({video.category(k) for k in video.ids} - set(known))
        free = [n for n in range(3, _LAST_CLASS + 1) if n != _IGNORE and n not in video.taken_numbers()]
        if len(others) > len(free):
            raise FormatError(f"MOTS has room for {len(free)} classes, the video has {len(others)}")
        self.classes = known | dict(zip(others, free, strict=False))
        self.others = others
        used = {self.classes[video.category(k)] for k in video.ids}
        if not all(1 <= number <= _LAST_CLASS for number in used):
            raise FormatError(
                f"MOTS has the classes 1 to {_LAST_CLASS}, got {', '.join(map(str, sorted(used)))}"
            )
        self._class_of = {k: self.classes[video.category(k)] for k in video.ids}
        kept = {k for k in video.ids if k < _CLASS}
        spare = (n for n in range(1, _CLASS) if n not in kept)
        self.changed: dict[int, int] = {}
        for object_id in video.ids:
            if object_id not in kept:
                number = next(spare, None)
                if number is None:
                    raise FormatError(
                        f"MOTS has room for {_CLASS - 1} objects, the video has {len(video.ids)}"
                    )
                self.changed[object_id] = number

    def of(self, object_id: int) -> tuple[int, int]:
        """(class, number in the file)."""
        number = self._class_of[object_id]
        return number, number * _CLASS + self.changed.get(object_id, object_id)

    def notes(self) -> list[str]:
        """What to tell the user."""
        notes = []
        if self.others:
            listed = ", ".join(f"{name} is {self.classes[name]}" for name in self.others)
            notes.append(
                f"official MOTS tools read the classes 1 (car), 2 (pedestrian) and 10 only; {listed}"
            )
        if self.changed:
            listed = ", ".join(f"{k} is {n}" for k, n in self.changed.items())
            notes.append(f"MOTS ids end at {_CLASS - 1}: {listed}")
        return notes


class MotsTextWriter(RecordWriter):
    """``<sequence>/gt/gt.txt`` and ``seqinfo.ini``, or ``instances_txt/<sequence>.txt`` for KITTI."""

    Options = MotsOptions
    is_folder = True
    joins: ClassVar[Mapping[str, Join]] = {"seqmaps/*.txt": join_lines, "evaluate_mots.seqmap.*": join_lines}

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """One line per object and frame."""
        kitti = self.options.variant == "kitti"
        numbers = _Numbers(video)
        self.notes += numbers.notes()
        self.classes = {video.category(k): numbers.classes[video.category(k)] for k in video.ids}
        text = (
            Path("instances_txt", f"{video.sequence}.txt") if kitti else Path(video.sequence, "gt", "gt.txt")
        )
        (out / text).parent.mkdir(parents=True)
        height, width = video.size
        with (out / text).open("w", encoding="ascii", newline="\n") as file:
            for record in video.frames():
                for found in record.visible:
                    kind, number = numbers.of(found.object_id)
                    frame = record.index + (0 if kitti else 1)
                    file.write(f"{frame} {number} {kind} {height} {width} {found.text}\n")
        _write_lists(video, out, self.options)


def _write_lists(video: RecordedVideo, out: Path, options: MotsOptions) -> None:
    length = max(video.indices, default=-1) + 1
    if options.variant == "kitti":
        line = f"{video.sequence} empty {0:06d} {max(length - 1, 0):06d}\n"
        (out / f"evaluate_mots.seqmap.{options.split}").write_text(line, encoding="utf-8", newline="\n")
        return
    height, width = video.size
    lines = [
        "[Sequence]",
        f"name={video.sequence}",
        "imDir=img1",
        f"frameRate={round(video.fps or 30)}",
        f"seqLength={length}",
        f"imWidth={width}",
        f"imHeight={height}",
        "imExt=.jpg",
    ]
    folder = out / video.sequence
    folder.mkdir(exist_ok=True)
    (folder / "seqinfo.ini").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    (out / "seqmaps").mkdir()
    listed = out / "seqmaps" / f"MOTS-{options.split}.txt"
    listed.write_text(f"name\n{video.sequence}\n", encoding="utf-8", newline="\n")


class MotsPngWriter(RecordWriter):
    """``instances/000000.png`` (KITTI: ``instances/<sequence>/``), ``instances/labels.txt``."""

    Options = MotsOptions
    is_folder = True
    joins: ClassVar[Mapping[str, Join]] = {"instances/labels.txt": join_names_by_line}

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """One 16-bit image per frame."""
        kitti = self.options.variant == "kitti"
        folder = out / "instances" / (video.sequence if kitti else "")
        folder.mkdir(parents=True)
        numbers = _Numbers(video)
        self.notes += numbers.notes()
        self.classes = {video.category(k): numbers.classes[video.category(k)] for k in video.ids}
        table = np.zeros(max(video.ids, default=0) + 1, np.uint16)
        for object_id in video.ids:
            table[object_id] = numbers.of(object_id)[1]
        for record in video.frames():
            name = f"{record.index + (0 if kitti else 1):06d}.png"
            (folder / name).write_bytes(encode_grey_png(table[record.labels()[0]]))
        names = _OFFICIAL | {numbers.classes[video.category(k)]: video.category(k) for k in video.ids}
        listed = [" ".join(names.get(n, f"class {n}").split()) for n in range(1, max(names) + 1)]
        (out / "instances" / "labels.txt").write_text(
            "\n".join(listed) + "\n", encoding="utf-8", newline="\n"
        )


def read_mots_text(path: Path, request: Request) -> Annotations:
    """One sequence; what is marked to be ignored is left out. With ``seqinfo.ini`` it is MOTSChallenge, which
    counts frames from 1, else KITTI, unless the option ``variant`` says which."""
    files = {path.stem: path} if path.is_file() else _text_files(path)
    sequence = choose_sequence(list(files), request.sequence)
    text = files[sequence]
    info = text.parent.parent / "seqinfo.ini"
    rows = [_row(number, line) for number, line in enumerate(load_text(text).splitlines(), 1) if line.strip()]
    kitti = request.options.get("variant") == "kitti" or (
        "variant" not in request.options and (not info.is_file() or any(row[0] == 0 for row in rows))
    )
    first = 0 if kitti else 1
    if any(row[0] < first for row in rows):
        raise ValueError(f"it has frame {min(row[0] for row in rows)}; MOTSChallenge counts frames from 1")
    used = [row for row in rows if row[1] // _CLASS != _IGNORE]
    ids = _identities([row[1] for row in used])
    by_frame: dict[int, list[tuple[int, int, int, tuple[int, int], str]]] = {}
    for row in used:
        by_frame.setdefault(row[0] - first, []).append(row)
    length, fps, size = _sequence_facts(info) if info.is_file() else (0, None, None)
    if not length:
        length = _last_frame(text.parent.parent, sequence) + 1
    if rows:
        size = rows[0][3]

    def records() -> Iterator[FrameRecord]:
        for index in sorted({*range(length if size else 0), *by_frame}):
            assert size is not None
            objects = [
                ObjectMask(ids[row[1]], check_counts(decompress(row[4]), check_size(list(row[3]))))
                for row in by_frame.get(index, ())
            ]
            if any(row[3] != size for row in by_frame.get(index, ())):
                raise ValueError(f"the masks of frame {index + first} are of another size than the first")
            objects.sort(key=lambda found: found.object_id)
            yield FrameRecord(index, f"{index:05d}", size, tuple(objects))

    notes = ids.notes()
    if kitti and "variant" not in request.options and all(row[0] for row in rows) and not _is_kitti(text):
        notes.append(
            "frames are taken to count from 0, as in KITTI MOTS; those of MOTSChallenge, which count from 1, "
            "are in SEQUENCE/gt/gt.txt beside SEQUENCE/seqinfo.ini"
        )
    if len(used) < len(rows):
        notes.append(f"{len(rows) - len(used)} masks of regions to be ignored were left out")
    categories = {ids[row[1]]: _OFFICIAL[row[2]] for row in used if row[2] in _OFFICIAL}
    return Annotations(records, sequence, {}, categories, fps, [], notes, ids.changed)


_KITTI_FOLDERS = ("instances_txt", "label_02")


def _is_kitti(text: Path) -> bool:
    """Whether a file lies where KITTI has its texts."""
    return text.parent.name in _KITTI_FOLDERS


def _text_files(path: Path) -> dict[str, Path]:
    challenge = {p.parent.parent.name: p for p in sorted(path.glob("**/gt/gt.txt"))}
    if challenge:
        return challenge
    for name in (*_KITTI_FOLDERS, "."):
        found = {p.stem: p for p in visible((path / name).glob("*.txt"))}
        if found:
            return found
    return {}


def _row(number: int, line: str) -> tuple[int, int, int, tuple[int, int], str]:
    parts = line.split(" ")
    if len(parts) != 6:
        raise ValueError(
            f"line {number} has {len(parts)} fields; a MOTS line has 6, with single blanks between"
        )
    try:
        frame, identity, kind, height, width = (int(part) for part in parts[:5])
    except ValueError:
        raise ValueError(f"line {number} does not begin with five whole numbers") from None
    if frame < 0 or identity < 0:
        raise ValueError(f"line {number} has a negative number")
    return frame, identity, kind, (height, width), parts[5]


class _identities(IdMap):
    """Objects by their number in the file: the id within the class, where that is unique."""

    def __init__(self, numbers: list[int]) -> None:
        distinct = sorted(set(numbers))
        short = {number: number % _CLASS for number in distinct}
        unique = len(set(short.values())) == len(distinct)
        self._short = short if unique else {number: number for number in distinct}
        super().__init__(self._short.values())

    def __getitem__(self, value: int) -> int:
        return super().__getitem__(self._short[value])


def _sequence_facts(info: Path) -> tuple[int, float | None, tuple[int, int] | None]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(load_text(info))
        section = parser["Sequence"]
        size = (int(section["imHeight"]), int(section["imWidth"]))
        return int(section["seqLength"]), float(section["frameRate"]), check_size(list(size))
    except (configparser.Error, KeyError, ValueError) as error:
        raise ValueError(f"{info.name} is damaged: {error}") from None


def _last_frame(root: Path, sequence: str) -> int:
    """Of KITTI's list of sequences; -1 where there is none."""
    for seqmap in sorted(root.glob("evaluate_mots.seqmap.*")):
        for line in load_text(seqmap).splitlines():
            parts = line.split()
            if len(parts) == 4 and parts[0] == sequence:
                return int(parts[3])
    return -1


def read_mots_png(path: Path, request: Request) -> Annotations:
    """16-bit images. Images right in ``instances/`` are MOTSChallenge's, which count from 1."""
    root = path / "instances" if (path / "instances").is_dir() else path
    folders = {p.name: p for p in visible(root.iterdir()) if p.is_dir() and any(p.glob("*.png"))}
    kitti = bool(folders) or request.options.get("variant") == "kitti"
    sequence = choose_sequence(list(folders), request.sequence) if folders else path.resolve().name
    files = sorted(
        visible((folders[sequence] if folders else root).glob("*.png")), key=lambda p: natural_key(p.stem)
    )
    if not files:
        raise ValueError("there are no PNG files in it")
    numbers = frame_numbers([p.stem for p in files])
    first = 0 if kitti or numbers[0] == 0 else 1
    found = sorted({int(n) for p in files for n in np.unique(load_labels(p)) if n and n // _CLASS != _IGNORE})
    ids = _identities(found)
    table = np.zeros(1 << 16, np.uint16)
    for number in found:
        table[number] = ids[number]
    listed = next(
        (p for p in (root / "labels.txt", root.parent / "labels.txt") if p.is_file()), root / "labels.txt"
    )
    names = dict(enumerate(load_text(listed).splitlines(), 1)) if listed.is_file() else dict(_OFFICIAL)

    def records() -> Iterator[FrameRecord]:
        from .layouts import record_of_labels

        for number, file in zip(numbers, files, strict=True):
            yield record_of_labels(table[load_labels(file)], number - first, file.stem)

    categories = {ids[n]: names[n // _CLASS] for n in found if names.get(n // _CLASS, UNNAMED) != UNNAMED}
    return Annotations(records, sequence, {}, categories, None, [], ids.notes(), ids.changed)
