"""SA-V: a binary PNG per object and frame, or one JSON with the run lengths of all masklets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..files import visible
from ..ops.rle import coco_rle, counts_area, encode_counts, parse_coco_rle
from .appending import join_lines
from .base import safe_name
from .layouts import LayoutOptions, LayoutWriter, encode_png
from .reading import (
    Annotations,
    IdMap,
    Request,
    choose_sequence,
    frame_numbers,
    load_json,
    load_labels,
    natural_key,
)
from .records import FrameRecord, Join, ObjectMask, RecordedVideo, RecordWriter, dumps

_RATE = 4
"""SA-V annotates every fourth frame, and its viewer expects that."""
_SMALL, _MEDIUM = 32**2, 96**2


class SavWriter(LayoutWriter):
    """``Annotations_6fps/<sequence>/000/00000.png``: 0 and 1, also where the object is absent."""

    joins: ClassVar[Mapping[str, Join]] = {"sav_*.txt": join_lines}

    def masks_folder(self) -> Path:
        """Below ``Annotations_6fps``."""
        return Path("Annotations_6fps", self.facts.sequence)

    def images_folder(self) -> Path:
        """Below ``JPEGImages_24fps``."""
        return Path("JPEGImages_24fps", self.facts.sequence)

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """One folder per object."""
        folders = {object_id: out / self.masks_folder() / f"{object_id:03d}" for object_id in video.ids}
        (out / self.masks_folder()).mkdir(parents=True)
        for folder in folders.values():
            folder.mkdir()
        nothing: bytes | None = None
        for record in self.kept(video):
            nothing = nothing or encode_png(np.zeros(record.size, np.uint8), wide=False)
            masks = {found.object_id: record.mask(found) for found in record.visible}
            for object_id, folder in folders.items():
                data = encode_png(masks[object_id], wide=False) if object_id in masks else nothing
                (folder / f"{self.stem(record)}.png").write_bytes(data)
        (out / f"sav_{self.options.split}.txt").write_text(
            f"{video.sequence}\n", encoding="utf-8", newline="\n"
        )


class ObjectMasksWriter(RecordWriter):
    """``<object>/<frame>.png``: 0 and 1, for every object and frame, named as they are.

    It is what a result for SA-V looks like. Objects without a name go by their id, of three digits, and so do
    all where two have the same name, or the name of one is the number of another.
    """

    is_folder = True

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """One folder per object, those that are never visible too."""
        ids = sorted({*video.ids, *self.facts.names})
        folders = {k: out / safe_name(self.facts.names.get(k, f"{k:03d}")) for k in ids}
        if len({_plain_number(folder.name) for folder in folders.values()}) < len(folders):
            self.notes.append("two objects have the same name: folders are named by ids")
            folders = {k: out / f"{k:03d}" for k in ids}
        for folder in folders.values():
            folder.mkdir(parents=True)
        for record in video.frames():
            masks = {found.object_id: record.mask(found) for found in record.visible}
            nothing = np.zeros(record.size, np.uint8)
            for k, folder in folders.items():
                data = encode_png(masks.get(k, nothing), wide=False)
                (folder / f"{record.name}.png").write_bytes(data)


def read_sav(path: Path, request: Request) -> Annotations:
    """The folders of one sequence; objects are numbered by their folders, where those are in range."""
    root = path / "Annotations_6fps" if (path / "Annotations_6fps").is_dir() else path
    sequences = {p.name: p for p in visible(root.iterdir()) if p.is_dir()}
    sequence = choose_sequence(list(sequences), request.sequence)
    return _read_objects(sequences[sequence], sequence)


def read_object_masks(path: Path, request: Request) -> Annotations:
    """The folders of the objects; those whose folder is not a number are numbered, and named as it is."""
    found = _read_objects(path, path.resolve().name)
    found.names = {number: name for name, number in found.ids.items() if not name.isdigit()}
    return found


def _plain_number(folder: str) -> str:
    """The name of an object's folder as its reader takes it: ``007`` is object 7."""
    return folder.lstrip("0") or "0"


def _read_objects(root: Path, sequence: str) -> Annotations:
    """A folder with a folder of binary PNGs per object."""
    folders = sorted((p for p in visible(root.iterdir()) if p.is_dir()), key=lambda p: natural_key(p.name))
    plain = {p.name: _plain_number(p.name) for p in folders}
    ids = IdMap(plain.values())
    stems = sorted({p.stem for folder in folders for p in visible(folder.glob("*.png"))}, key=natural_key)
    if not stems:
        raise ValueError("there are no masks (<object>/<frame>.png) in it")
    numbers = frame_numbers(stems)

    def records() -> Iterator[FrameRecord]:
        size: Any = None
        for number, stem in zip(numbers, stems, strict=True):
            objects = []
            for folder in folders:
                file = folder / f"{stem}.png"
                if not file.is_file():
                    continue
                values = load_labels(file)
                mask = values > 0
                if mask.any() and (values[mask] != values.max()).any():
                    raise ValueError(
                        f"{folder.name}/{file.name} has several values, but a folder holds the masks of one "
                        "object, 0 and 1 or 0 and 255; index PNGs are the format masks"
                    )
                size = size or mask.shape
                if mask.shape != size:
                    raise ValueError(f"{folder.name}/{file.name} is of another size than the first mask")
                objects.append(ObjectMask(ids[plain[folder.name]], encode_counts(mask)))
            objects.sort(key=lambda found: found.object_id)
            yield FrameRecord(number, stem, size, tuple(objects))

    return Annotations(records, sequence, notes=ids.notes(), ids=ids.changed)


@dataclass(frozen=True)
class SavJsonOptions(LayoutOptions):
    """Options of the JSON."""


class SavJsonWriter(RecordWriter):
    """One JSON per video: ``masklet[frame][object]`` as compressed run lengths, all zeros where absent."""

    Options = SavJsonOptions

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Facts about the objects first, in one pass; the run lengths in a second."""
        height, width = video.size
        every = self.options.every
        statistics = [_Statistics() for _ in video.ids]
        edited, count, last = 0, 0, 0.0
        kept = [index for index in video.indices if index % every == 0]
        for record in video.frames():
            if record.index % every:
                continue
            found = {o.object_id: o for o in record.objects}
            for object_id, facts in zip(video.ids, statistics, strict=True):
                facts.add(count, found.get(object_id))
            edited += any(o.is_given for o in record.objects)
            count += 1
            last = record.time if record.time is not None else record.index / (video.fps or 24)
        if count < len(video.indices):
            self.losses["frames"] = len(video.indices) - count
        if kept != list(range(0, len(kept) * every, every)):
            self.notes.append(
                "frames were left out: the masks are in order, and readers that take the second one for "
                f"frame {every} of the video find others"
            )
        if every != _RATE:
            self.notes.append(f"every={every}: the published viewer takes every {_RATE}th frame of the video")
        given = any(facts.given for facts in statistics)
        kind = "manual" if given else "auto"
        header: dict[str, Any] = {
            "video_id": video.sequence,
            "video_duration": round(last, 6),
            "video_frame_count": float(max(video.indices, default=-1) + 1),
            "video_height": float(height),
            "video_width": float(width),
            "video_resolution": float(height * width),
            "video_environment": "",
            "video_split": self.options.split,
            "frame_indices": kept,
        }
        areas = [facts.mean_area for facts in statistics]
        footer: dict[str, Any] = {
            "masklet_id": list(video.ids),
            "masklet_size_rel": [round(area / (height * width), 9) if height else 0.0 for area in areas],
            "masklet_size_abs": [round(area, 3) for area in areas],
            "masklet_size_bucket": [_bucket(area) for area in areas],
            "masklet_visibility_changes": [facts.changes for facts in statistics],
            "masklet_first_appeared_frame": [float(facts.first or 0) for facts in statistics],
            "masklet_frame_count": [facts.frames for facts in statistics],
            "masklet_edited_frame_count": [facts.given for facts in statistics],
            "masklet_type": [kind for _ in statistics],
            "masklet_num": len(statistics),
        }
        if not given:
            footer["masklet_stability_score"] = [facts.scores for facts in statistics]
        with out.open("w", encoding="ascii", newline="\n") as file:
            file.write(dumps(header)[:-1] + ', "masklet": [')
            separator = "\n"
            for record in video.frames():
                if record.index % every:
                    continue
                counts = {o.object_id: o.counts for o in record.objects}
                nothing = np.array([height * width], dtype=np.int64)
                masks = [coco_rle(counts.get(object_id, nothing), video.size) for object_id in video.ids]
                file.write(separator + dumps(masks))
                separator = ",\n"
            file.write("\n], " + dumps(footer)[1:] + "\n")


class _Statistics:
    """What SA-V says about one object."""

    def __init__(self) -> None:
        self.frames = self.area = self.changes = self.given = 0
        self.first: int | None = None
        self.scores: list[float | None] = []
        self._was_visible = False

    @property
    def mean_area(self) -> float:
        """Over the frames in which it is visible."""
        return self.area / self.frames if self.frames else 0.0

    def add(self, place: int, found: ObjectMask | None) -> None:
        """The next frame."""
        visible = found is not None and found.area > 0
        if visible and found is not None:
            self.frames += 1
            self.area += found.area
        if found is not None:
            self.given += found.is_given
        if self.first is None:
            self.first = place if visible else None
        elif visible != self._was_visible:
            self.changes += 1
        self._was_visible = visible
        self.scores.append(None if found is None else found.confidence)


def _bucket(area: float) -> str:
    return "small" if area < _SMALL else "medium" if area < _MEDIUM else "large"


def _indices(data: dict[str, Any]) -> range:
    """Of the frames of a file that does not say: every fourth of the video, where that makes as many."""
    frames, count = int(data["video_frame_count"]), len(data["masklet"])
    steps = (_RATE, 1, round(frames / count) if count else 1)
    step = next((n for n in steps if n and -(-frames // n) == count), 1)
    return range(0, count * step, step)


def read_sav_json(path: Path, request: Request) -> Annotations:
    """Masklets; their ids are ours where they are in range. Frame k of the file is frame k * 4, as SA-V has
    it, or k times another step where the number of frames says so; our own files hold the indices."""
    data = load_json(path)
    masklets, listed = data["masklet"], data["masklet_id"]
    ids = IdMap(int(value) for value in listed)
    indices = [int(n) for n in data.get("frame_indices") or _indices(data)]
    if len(indices) != len(masklets):
        raise ValueError(f"it has {len(indices)} frame indices for {len(masklets)} frames")
    size = (int(data["video_height"]), int(data["video_width"]))

    def records() -> Iterator[FrameRecord]:
        for place, (index, masks) in enumerate(zip(indices, masklets, strict=True)):
            if len(masks) != len(listed):
                raise ValueError(f"frame {place} has {len(masks)} masks for {len(listed)} objects")
            objects = [
                ObjectMask(ids[int(value)], counts)
                for value, mask in zip(listed, masks, strict=True)
                if counts_area(counts := parse_coco_rle(mask, size))
            ]
            objects.sort(key=lambda found: found.object_id)
            yield FrameRecord(index, f"{index:05d}", size, tuple(objects))

    sequence = str(data.get("video_id") or path.stem)
    return Annotations(records, sequence, notes=ids.notes(), ids=ids.changed)
