"""What the data sets that are folders of index PNGs have in common."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ..files import visible
from ..results import MAX_OBJECTS, VOID, VOID_16, object_ids
from .index_png import COMPRESSION, encode_index_png
from .reading import Annotations, Request, choose_sequence, frame_numbers, load_labels, natural_key
from .records import FrameRecord, Join, ObjectMask, RecordedVideo, RecordWriter


def encode_png(labels: np.ndarray, *, wide: bool) -> bytes:
    """(H, W) ids as PNG: 8 bits with the DAVIS palette, or ``wide``: 16-bit grey."""
    if not wide:
        return encode_index_png(labels.astype(np.uint8))
    return encode_grey_png(labels.astype(np.uint16))


def encode_grey_png(values: np.ndarray) -> bytes:
    """(H, W) uint8 or uint16 as a grey PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(values)).save(buffer, format="PNG", compress_level=COMPRESSION)
    return buffer.getvalue()


@dataclass(frozen=True)
class LayoutOptions:
    """Of all layouts.

    Raises:
        ValueError: for a value out of range.
    """

    split: str = "train"
    """Name of the list or folder the video goes to."""
    every: int = 1
    """Keep the frames whose index is a multiple of this."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every must be 1 or more, got {self.every}")
        if not self.split or self.split in (".", "..") or "/" in self.split or "\\" in self.split:
            raise ValueError(f"split must be a plain name, got {self.split!r}")


class LayoutWriter(RecordWriter):
    """A folder with an index PNG per frame, named by the frame's number."""

    Options = LayoutOptions
    is_folder = True
    image_suffix = ".jpg"
    joins: ClassVar[Mapping[str, Join]] = {}
    digits: ClassVar[int] = 5
    first: ClassVar[int] = 0
    """Number of the first frame of a video."""

    def masks_folder(self) -> Path:
        """Where the masks go, below the root."""
        return Path(self.options.split, "Annotations", self.facts.sequence)

    def images_folder(self) -> Path:
        """Where the images go, below the root."""
        return Path(self.options.split, "JPEGImages", self.facts.sequence)

    def stem(self, record: FrameRecord) -> str:
        """Name of the frame's files."""
        return f"{record.index + self.first:0{self.digits}d}"

    def image_path(self, record: FrameRecord) -> Path | None:
        """Every frame that has a mask has an image."""
        if record.index % self.options.every:
            return None
        return self.images_folder() / f"{self.stem(record)}.jpg"

    def assemble(self, video: RecordedVideo, out: Path) -> None:
        """Write the masks, then what the data set says about them."""
        folder = out / self.masks_folder()
        folder.mkdir(parents=True)
        wide = max(video.ids, default=0) > MAX_OBJECTS
        visible: dict[int, list[str]] = {object_id: [] for object_id in video.ids}
        for record in self.kept(video):
            labels, _ = record.labels()
            (folder / f"{self.stem(record)}.png").write_bytes(self.encode(labels, wide))
            for found in record.visible:
                visible[found.object_id].append(self.stem(record))
        self.describe(video, out, {k: stems for k, stems in visible.items() if stems})

    def kept(self, video: RecordedVideo) -> Iterator[FrameRecord]:
        """The frames that are written."""
        dropped = 0
        for record in video.frames():
            if record.index % self.options.every:
                dropped += 1
            else:
                yield record
        if dropped:
            self.losses["frames"] = dropped

    def encode(self, labels: np.ndarray, wide: bool) -> bytes:
        """One mask."""
        return encode_png(labels, wide=wide)

    def describe(self, video: RecordedVideo, out: Path, visible: dict[int, list[str]]) -> None:
        """Write lists and descriptions; ``visible``: stems of the frames an object is visible in."""


def find_folders(path: Path) -> dict[str, Path]:
    """Sequences of a data set: name -> folder of PNGs, in natural order.

    They are looked for below every ``Annotations`` folder; else the folder itself or those in it are taken.
    Where a name occurs twice (in two splits, say), the folder around it is part of the name.
    """
    roots = [path, *(p for p in visible(path.glob("*")) if p.is_dir())]
    below = [root / "Annotations" for root in roots if (root / "Annotations").is_dir()]
    if path.name == "Annotations":
        below = [path]
    folders: list[Path] = []
    for root in below or [path]:
        folders += [
            f for f in (root, *root.glob("*"), *root.glob("*/*")) if f.is_dir() and any(f.glob("*.png"))
        ]
    folders.sort(key=lambda f: natural_key(f.as_posix()))
    names = [folder.name for folder in folders]
    unique = {
        folder.name if names.count(folder.name) == 1 else folder.relative_to(path).as_posix(): folder
        for folder in folders
    }
    return unique


Values = Callable[[np.ndarray], np.ndarray]


def without_void(labels: np.ndarray) -> np.ndarray:
    """Pixels marked void as background."""
    return np.where((labels == VOID) | (labels == VOID_16), 0, labels).astype(labels.dtype)


def foreground(labels: np.ndarray) -> np.ndarray:
    """Whatever is not background as object 1."""
    return (labels > 0).astype(np.uint8)


def read_png_folder(
    folder: Path, sequence: str, *, first: int = 0, values: Values | None = None, any_origin: bool = False
) -> Annotations:
    """The masks of one folder.

    Args:
        folder: with a PNG per frame.
        sequence: its name.
        first: number of the first frame, where names are numbers.
        values: applied to every label map; None: a folder of 0 and 255 alone has one object, in any other
            255 is void, also in frames that have nothing else.
        any_origin: no data set says what white beside greys is: refuse it.

    Raises:
        ValueError: there is no PNG, or the values have two likely readings.
    """
    paths = sorted(visible(folder.glob("*.png")), key=lambda p: natural_key(p.stem))
    if not paths:
        raise ValueError(f"there are no PNG files in {folder}")
    if values is None:
        telling = next((labels for p in paths if not _is_black_and_white(labels := _load(p))), None)
        values = foreground if telling is None else without_void
        if telling is not None and any_origin:
            _refuse_grey_and_white(telling)
    numbers = frame_numbers([p.stem for p in paths])
    offset = first if numbers[0] >= first and paths[0].stem[-1:].isdigit() else 0

    def records() -> Iterator[FrameRecord]:
        size = None
        for number, path in zip(numbers, paths, strict=True):
            labels = values(_load(path))
            size = size or labels.shape
            if labels.shape != size:
                raise ValueError(
                    f"{path.name} is {labels.shape[1]}x{labels.shape[0]}, others are {size[1]}x{size[0]}"
                )
            yield record_of_labels(labels, number - offset, path.stem)

    return Annotations(records, sequence)


def _is_black_and_white(labels: np.ndarray) -> bool:
    """Whether there is nothing but 0 and white: 255, or 65535 in 16 bits."""
    return bool(((labels == 0) | (labels == VOID) | (labels == VOID_16)).all())


_GREYS = 3
"""Values besides black and white that a soft edge has at least."""
_DARK = 38
"""Ids up to this are numbered from 1 and not greys that were chosen to be seen."""


def _refuse_grey_and_white(labels: np.ndarray) -> None:
    """ValueError where white is more likely an object than void, or greys are its soft edge."""
    ids, (height, width) = object_ids(labels), labels.shape
    if not ids or not (labels == VOID).any():
        return
    inner = np.ones((max(height - 2, 0), max(width - 2, 0)), np.bool_)
    for row, column in np.ndindex(3, 3):
        inner &= labels[row : row + height - 2, column : column + width - 2] == labels[1:-1, 1:-1]
    solid = set(np.unique(labels[1:-1, 1:-1][inner]).tolist())
    remedy = "the format davis (--from davis, `vos import`: --format davis) reads 255 as void"
    if len(ids) >= _GREYS and VOID in solid and solid.isdisjoint(ids):
        raise ValueError(
            f"the masks have {len(ids)} greys at the edge of white: soft edges of one object, or ids. Save "
            f"them as 0 and 255, cut at 127; {remedy}, and all else as ids"
        )
    if min(ids) > _DARK and VOID in solid:
        raise ValueError(
            f"the masks have 255 beside {', '.join(map(str, ids[:5]))}: it is void, or one more object in "
            f"white. Number the objects from 1; {remedy}"
        )


def _load(path: Path) -> np.ndarray:
    try:
        return load_labels(path)
    except Exception as error:
        raise ValueError(f"{path.name}: {error}") from error


def record_of_labels(labels: np.ndarray, index: int, name: str, **more: Any) -> FrameRecord:
    """A frame's record from its label map; every visible object was given by a person."""
    from ..ops.rle import label_counts

    counts = label_counts(labels)
    objects = tuple(ObjectMask(k, counts[k]) for k in object_ids_of(labels) if k in counts)
    return FrameRecord(index, name, (labels.shape[0], labels.shape[1]), objects, **more)


def object_ids_of(labels: np.ndarray) -> tuple[int, ...]:
    """Ids in a label map; ValueError for one that is out of range."""
    ids = object_ids(labels)
    if ids and ids[-1] > 65534:
        raise ValueError(f"a mask has the value {ids[-1]}; object ids go up to 65534")
    return ids


def read_layout(path: Path, request: Request, *, first: int = 0, values: Values | None = None) -> Annotations:
    """One sequence of a data set that is laid out in folders."""
    if not path.is_dir():
        raise ValueError("it is not a folder")
    folders = find_folders(path)
    sequence = choose_sequence(list(folders), request.sequence)
    return read_png_folder(folders[sequence], sequence.split("/")[-1], first=first, values=values)
