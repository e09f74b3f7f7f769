"""What every reader of annotations gives, and what readers share: files that may be damaged or hostile."""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np
from PIL import Image

from ..documents import parse_json, read_text
from ..errors import FormatError, InputError, VosError
from ..frame import Frame, no_image
from ..limits import check_pixels
from ..ops.boxes import Box
from ..results import MAX_OBJECT_ID, VOID, FrameResult, Source
from .records import FrameRecord, ObjectMask

_PNG, _PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"
OWN_RECORDS = ("export.json", "import.json")
"""What exports and imports of this program leave beside annotations."""
LARGEST_FILE = 2 << 30
"""Bytes of a text file that is read whole."""


@dataclass(frozen=True)
class BoxPrompt:
    """A box without a mask: a hint of where an object is, for the tracker."""

    frame_index: int
    frame_name: str
    object_id: int
    box: Box


@dataclass(frozen=True)
class Request:
    """What the caller of a reader knows."""

    sequence: str | None = None
    """Which of several videos; None: the only one."""
    size: tuple[int, int] | None = None
    """(height, width) of the frames, for formats that do not say."""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Annotations:
    """The masks of one video, wherever they come from.

    Iterating yields a :class:`~vos.frame.Frame` (without image) and a :class:`~vos.results.FrameResult` per
    frame, in order, and reads one frame at a time; it may be repeated.
    """

    records: Callable[[], Iterator[FrameRecord]]
    sequence: str = "video"
    names: dict[int, str] = field(default_factory=dict)
    """Of the objects that have one."""
    categories: dict[int, str] = field(default_factory=dict)
    """Of the objects that have one besides their name."""
    fps: float | None = None
    boxes: list[BoxPrompt] = field(default_factory=list)
    """Boxes without masks."""
    notes: list[str] = field(default_factory=list)
    """What was changed or left out, for people."""
    ids: dict[str, int] = field(default_factory=dict)
    """Id in the file -> ours, for ids that were given a new number."""
    overlap: int = 0
    """Pixels that several objects claimed, in the latest time through the frames."""
    unpacked: object = None
    """The temporary folder that frames are read from, where the file was an archive; it lives as long as
    this."""
    guard: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    """Makes errors of what goes wrong with a frame."""

    @classmethod
    def of(cls, results: Iterable[FrameResult]) -> Annotations:
        """The annotations in the results of a tracker, which are kept as run lengths.

        Args:
            results: one per frame, of one size, as :func:`vos.track` yields them; read once.

        Raises:
            InputError: for anything else, or two results of one frame.
        """
        records: dict[int, FrameRecord] = {}
        if not isinstance(results, Iterable):
            raise InputError(f"need the results of a tracker (vos.FrameResult), got {results!r:.60}")
        for result in results:
            if not isinstance(result, FrameResult):
                raise InputError(f"need the results of a tracker (vos.FrameResult), got {result!r:.60}")
            size = (result.labels.shape[0], result.labels.shape[1])
            record = FrameRecord.of(Frame(result.frame_index, no_image(size)), result)
            first = next(iter(records.values()), record)
            if record.index in records:
                raise InputError(f"there are two results of frame {record.index}")
            if record.size != first.size:
                raise InputError(
                    f"the results are of one size: frame {first.index} is {first.size[1]}x{first.size[0]}, "
                    f"frame {record.index} {record.size[1]}x{record.size[0]}"
                )
            records[record.index] = record
        in_order = [records[index] for index in sorted(records)]
        return cls(lambda: iter(in_order))

    def __iter__(self) -> Iterator[tuple[Frame, FrameResult]]:
        self.overlap = 0
        for record in self.records():
            with self.guard():
                labels, overlap = record.labels()
                frame, result = record.frame(), _result(record, labels)
            self.overlap += overlap
            yield frame, result


def _result(record: FrameRecord, labels: np.ndarray) -> FrameResult:
    confidence = {o.object_id: 1.0 if o.confidence is None else float(o.confidence) for o in record.objects}
    source = {o.object_id: Source(o.source) if o.source else Source.USER for o in record.objects}
    return FrameResult(record.index, labels, confidence, source=source)


_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    expat.ExpatError,
    zipfile.BadZipFile,
    zlib.error,
    Image.DecompressionBombError,
)
"""What goes wrong with a damaged file, in our code and in Pillow's."""


@contextlib.contextmanager
def reading(path: Path, title: str) -> Iterator[None]:
    """Whatever a damaged file leads to becomes one line that names the file.

    Raises:
        FormatError: for it.
    """
    try:
        yield
    except VosError:
        raise
    except FileNotFoundError as error:
        raise FormatError(f"cannot read {error.filename or path}: there is no such file") from error
    except _FAULTS as error:
        raise FormatError(f"cannot read {path} as {title}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing" if error.args else "something is missing"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, TypeError | AttributeError | IndexError):
        return f"a value is not of the kind that belongs there ({error})"
    text = " ".join(str(error).split())
    return text or type(error).__name__


def left_out(kinds: Iterable[str]) -> list[str]:
    """What to tell the user of shapes that are neither masks nor boxes, by the kind of each."""
    counts = Counter(kinds)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return [f"shapes of kinds that are not read were left out: {listed}"] if counts else []


def base_name(path: object) -> str:
    """The last part of a path in a file, which may be of Windows."""
    return re.split(r"[/\\]", str(path))[-1]


def distinct_names(videos: Sequence[Any], *ways: Callable[[Any], str]) -> dict[str, Any]:
    """Videos by name: by the first of the ways that gives no two of them the same name, else by number."""
    for way in ways:
        found = {way(video): video for video in videos}
        if len(found) == len(videos):
            return found
    return {str(number): video for number, video in enumerate(videos, 1)}


def load_text(path: Path) -> str:
    """A UTF-8 file, whole.

    Raises:
        ValueError: it is too large or not UTF-8.
    """
    if path.is_dir():
        raise ValueError("it is a folder")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise ValueError(f"it has {size} bytes; up to {LARGEST_FILE} are read")
    return read_text(path)


def load_json(path: Path, pack: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """What a JSON file holds; see :func:`vos.documents.parse_json`.

    Raises:
        ValueError: it is not JSON.
    """
    return parse_json(load_text(path), pack)


def load_xml(path: Path) -> Element:
    """The root of an XML file; document types and entities, which can be bombs, are refused.

    Raises:
        ValueError: it is not XML, or has a document type.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(load_text(path), True)
    except expat.ExpatError as error:
        raise ValueError(f"it is not XML ({error})") from None
    return builder.close()


def _refuse_doctype(*_: Any) -> None:
    raise ValueError("it has a document type, which is not read")


def load_labels(path: Path) -> np.ndarray:
    """(H, W) uint8 or uint16: the numbers of an index or grey PNG, as they are stored.

    Raises:
        ValueError: it is no image, a colour image, or has more than 16 bits.
        OSError: it cannot be read.
    """
    return decode_labels(path.read_bytes())


def decode_labels(data: bytes) -> np.ndarray:
    """As :func:`load_labels`, of a file's content."""
    if data.startswith(_PNG) and _PNG_END not in data:
        raise ValueError("the PNG is cut short")
    with Image.open(io.BytesIO(data)) as image:
        check_pixels(image.width, image.height)
        values = np.asarray(image)
        mode = image.mode
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.ndim == 3 and mode in ("RGB", "RGBA") and (values[..., :1] == values[..., :3]).all():
        values = values[..., 0]
    if values.ndim != 2:
        raise ValueError("it is a colour image; masks are index PNG (with a palette) or grey")
    if values.dtype not in (np.uint8, np.uint16):
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError(f"it has {mode} pixels; masks have whole numbers of 8 or 16 bits")
        values = values.astype(np.uint16)
    return values


def load_image_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image, from its header."""
    with Image.open(path) as image:
        return image.height, image.width


def natural_key(text: str) -> list[Any]:
    """Sorts ``frame10`` behind ``frame9``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.findall(r"\d+|\D+", text)]


def frame_numbers(names: Sequence[str]) -> list[int]:
    """Frame indices of files by their stems: the numbers they end in where all have one and no two are equal,
    else their places."""
    ends = [re.search(r"\d+$", name) for name in names]
    numbers = [int(end[0]) for end in ends if end]
    if len(numbers) == len(names) == len(set(numbers)) and max(numbers, default=0) < 1 << 31:
        return numbers
    return list(range(len(names)))


class IdMap:
    """Object ids of a file as ours: kept where they are whole numbers in range, else given new ones.

    Args:
        ids: all ids of the file in order of appearance, numbers or text.
    """

    def __init__(self, ids: Iterable[Any]) -> None:
        distinct = list(dict.fromkeys(str(value) for value in ids))
        kept = {text: number for text in distinct if (number := _own_number(text)) is not None}
        # "1" and "01" are two objects of the file.
        if len(set(kept.values())) < len(kept):
            kept = {}
        self.changed: dict[str, int] = {}
        taken, free = set(kept.values()), 1
        for text in distinct:
            if text in kept:
                continue
            while free in taken or free == VOID:
                free += 1
            if free > MAX_OBJECT_ID:
                raise ValueError(f"there are more than {MAX_OBJECT_ID - 1} objects")
            self.changed[text] = free
            taken.add(free)
        self._numbers = kept | self.changed

    def __getitem__(self, value: Any) -> int:
        return self._numbers[str(value)]

    def notes(self) -> list[str]:
        """What to tell the user."""
        if not self.changed:
            return []
        shown = ", ".join(f"{text} is {number}" for text, number in list(self.changed.items())[:5])
        more = f", and {len(self.changed) - 5} more" if len(self.changed) > 5 else ""
        return [f"ids outside 1..{MAX_OBJECT_ID}, 255, or not numbers have new ones: {shown}{more}"]


def _own_number(text: str) -> int | None:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        return None
    number = int(text)
    return number if 1 <= number <= MAX_OBJECT_ID and number != VOID else None


def choose_sequence(found: Sequence[str], wanted: str | None) -> str:
    """The sequence asked for, or the only one.

    Raises:
        FormatError: there is none, it is not there, or there are several to choose from.
    """
    if not found:
        raise ValueError("there is no video in it")
    listed = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
    if wanted is None and len(found) > 1:
        raise FormatError(
            f"there are {len(found)} videos to choose from ({listed}): give one with --sequence"
        )
    if wanted is not None and wanted not in found:
        raise FormatError(f"there is no video {wanted!r}; there is {listed}")
    return found[0] if wanted is None else wanted


def merged(masks: Iterable[ObjectMask], size: tuple[int, int]) -> tuple[ObjectMask, ...]:
    """Masks by id, ascending; several of one object become their union."""
    from ..ops.rle import decode_counts, encode_counts

    by_id: dict[int, ObjectMask] = {}
    for found in masks:
        before = by_id.get(found.object_id)
        if before is None:
            by_id[found.object_id] = found
        else:
            union = decode_counts(before.counts, size) | decode_counts(found.counts, size)
            by_id[found.object_id] = replace(before, encoded=encode_counts(union), measured=None)
    return tuple(by_id[object_id] for object_id in sorted(by_id))
