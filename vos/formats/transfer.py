"""From one format to another: read, choose, write. One frame is in memory; results are whole or absent."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import FormatError, InputError, OutputError, SettingsError
from ..files import make_folder, replacing_folder, temporary_folder_beside
from ..frame import Frame
from ..results import FrameResult
from .archives import annotations_in, is_archive, unpack
from .base import VideoFacts, Writer, renamed_note, safe_name
from .checking import guarded
from .frame_images import ImagePlace, Images, write_images
from .guessing import guess_format
from .options import check_options, refuse_soft
from .reading import Annotations, Request, reading
from .records import UNNAMED, FrameRecord, RecordWriter
from .registry import build_writer, find_format, reader_function, writer_class, writers
from .with_frames import ImageSource, audio_source, in_order_of_images, with_frames

PIECE = 50
"""Frames between two points at which what is written so far is put on disk."""


@dataclass(frozen=True)
class Written:
    """What was written in one format."""

    format: str
    path: Path
    frames: int
    objects: tuple[int, ...]
    losses: Mapping[str, Any] = field(default_factory=dict)
    """Numbers: wrong pixels by object, frames left out, ..."""
    notes: tuple[str, ...] = ()
    """Sentences for people."""
    classes: Mapping[str, int] = field(default_factory=dict)
    """Numbers of the classes, in formats that have them."""
    files: tuple[str, ...] = ()
    """What a folder holds, besides images of frames."""

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return dataclasses.asdict(self) | {"path": str(self.path)}


def read(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    sequence: str | None = None,
    size: tuple[int, int] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Annotations:
    """The annotations in a file or folder.

    Args:
        path: what to read; a ``.zip`` of it is unpacked to a temporary folder.
        format: its format, a name in :data:`vos.formats.registry.FORMATS`; None: found out.
        sequence: which of several videos in it.
        size: (height, width) of the frames, for formats that do not say.
        options: of the reader: ``link="iou"`` (yolo), ``variant="kitti"`` (mots).

    Raises:
        FormatError: it is damaged or of another format; damage further on is raised while frames are read.
        SettingsError: there is no such format.
    """
    path = place = Path(path)
    unpacked = None
    if is_archive(path):
        with reading(path, "an archive of annotations"):
            unpacked = unpack(path)
            place, format = annotations_in(Path(unpacked.name), format)
    name = format or guess_format(path)
    function = reader_function(name)
    if not path.exists():
        raise FormatError(f"cannot read {path}: there is no such file or folder")
    with reading(path, name):
        annotations = function(place, Request(sequence, size, options or {}))
    annotations.unpacked = unpacked
    annotations.categories = {k: text for k, text in annotations.categories.items() if text != UNNAMED}
    return guarded(annotations, path, name)


def write(
    annotations: Annotations | Iterable[FrameResult],
    path: str | os.PathLike[str],
    format: str,
    *,
    names: Mapping[int, str] | None = None,
    categories: Mapping[int, str] | None = None,
    class_map: Mapping[str, str | int] | None = None,
    sequence: str | None = None,
    options: Mapping[str, Any] | None = None,
    images: Images | None = None,
    frames: ImageSource | None = None,
    overwrite: bool = False,
) -> Written:
    """Write annotations in a format, all of them or nothing.

    Args:
        annotations: what to write, such as the results that :func:`vos.track` yields.
        path: the file or folder to make.
        format: a name in :data:`vos.formats.registry.FORMATS`.
        names, categories: laid over those of the annotations.
        class_map: name or category of an object -> the name or the number of its class in the format.
        sequence: name of the video, in place of that of the annotations; made safe.
        options: of the format.
        images: for formats that hold the frames' images.
        frames: the video, for formats that are made of its frames, see :func:`needs_frames`.
        overwrite: replace a file that is there; a folder is never replaced unless it is empty.

    Raises:
        InputError: for anything else than annotations or results.
        SettingsError: an unknown format or option.
        OutputError: something is there already, or the place cannot be used.
        FormatError: the annotations turn out damaged, or cannot be held by the format.
    """
    found = find_format(format, writers())
    annotations = annotations if isinstance(annotations, Annotations) else Annotations.of(annotations)
    path = Path(path)
    _refuse_existing(path, is_folder=found.is_folder, overwrite=overwrite)
    checked = check_options(format, options or {})
    refuse_soft(format, checked)
    _check_images(format, images)
    if found.needs_frames and frames is None:
        raise InputError(f"format {format} needs the video's frames: use `vos export` and give --video")
    make_folder(path.parent)
    name = sequence or annotations.sequence
    facts = VideoFacts(
        fps=annotations.fps,
        names={**annotations.names, **(names or {})},
        categories={**annotations.categories, **(categories or {})},
        sequence=safe_name(name),
        class_map=class_map or {},
        audio=audio_source(frames) if found.needs_frames and frames is not None else None,
    )
    if found.names_video and facts.sequence != name:
        annotations = replace(annotations, notes=[*annotations.notes, renamed_note(name)])
    if images is not None and images.video.is_images:
        annotations = in_order_of_images(annotations, images.video.paths)
    if images is not None and images.suffix is not None:
        annotations = _with_suffix(annotations, images.suffix)
    pairs = with_frames(annotations, frames) if found.needs_frames and frames is not None else annotations
    with temporary_folder_beside(path) as work:
        more = {"options": checked} if checked else {}
        if not found.is_folder:
            writer = build_writer(format, path, work=work, facts=facts, **more)
            count, ids, _ = _drive(pairs, writer, None)
            return _written(format, path, count, ids, writer, annotations)
        with replacing_folder(path) as temporary:
            inner = temporary / "result"
            writer = build_writer(format, inner, work=work, facts=facts, **more)
            place = writer.image_path if images is not None and isinstance(writer, RecordWriter) else None
            count, ids, targets = _drive(pairs, writer, place)
            if images is not None:
                write_images(inner, targets, images)
            for entry in sorted(inner.iterdir()):
                entry.rename(temporary / entry.name)
            inner.rmdir()
        return _written(format, path, count, ids, writer, annotations)


def needs_frames(format: str) -> bool:
    """Whether the format is made of the video's frames."""
    return find_format(format, writers()).needs_frames


def holds_images(format: str) -> bool:
    """Whether the frames' images have a place in the format."""
    kind = writer_class(format)
    return issubclass(kind, RecordWriter) and kind.image_path is not RecordWriter.image_path


def _check_images(format: str, images: Images | None) -> None:
    """Refuse images where there is no place for them, or for such ones."""
    if images is None:
        return
    if not holds_images(format):
        raise InputError(f"format {format} holds no images: leave --images out")
    prescribed = getattr(writer_class(format), "image_suffix", None)
    if prescribed is not None and images.suffix not in (None, prescribed):
        raise SettingsError(
            f"format {format} has {prescribed} images, not {images.suffix}: leave --image-format out"
        )


def _with_suffix(annotations: Annotations, suffix: str) -> Annotations:
    """The annotations with image files of that suffix."""

    def records() -> Iterator[FrameRecord]:
        for record in annotations.records():
            yield replace(record, file_name=record.name + suffix)

    return replace(annotations, records=records)


def _drive(
    pairs: Iterable[tuple[Frame, FrameResult]],
    writer: Writer,
    place: Callable[[FrameRecord], Path | None] | None,
) -> tuple[int, tuple[int, ...], dict[int, ImagePlace]]:
    """All frames through the writer; number of frames, ids, and where the images of frames belong."""
    count = 0
    ids: set[int] = set()
    targets: dict[int, ImagePlace] = {}
    with writer:
        for frame, result in pairs:
            writer.write(frame, result)
            ids.update(result.ids)
            count += 1
            if count % PIECE == 0:
                writer.checkpoint()
            if place is not None:
                size = (result.labels.shape[0], result.labels.shape[1])
                target = place(FrameRecord(frame.index, frame.name, size, (), frame.file_name, frame.time))
                if target is not None:
                    targets[frame.index] = ImagePlace(target, size)
    return count, tuple(sorted(ids)), targets


def _written(
    format: str, path: Path, frames: int, ids: tuple[int, ...], writer: Writer, annotations: Annotations
) -> Written:
    notes = [*annotations.notes, *getattr(writer, "notes", ())]
    losses = {key: value for key, value in getattr(writer, "losses", {}).items() if value}
    if annotations.overlap:
        losses["overlapping_pixels"] = annotations.overlap
    classes, files = getattr(writer, "classes", {}), getattr(writer, "files", ())
    return Written(format, path, frames, ids, losses, tuple(notes), classes, files)


def _refuse_existing(path: Path, *, is_folder: bool, overwrite: bool) -> None:
    if not path.exists():
        return
    if is_folder and path.is_dir() and not any(path.iterdir()):
        return
    if not is_folder and path.is_file() and overwrite:
        return
    hint = "give --overwrite to replace it, or" if not is_folder and path.is_file() else "choose"
    raise OutputError(f"{path} is there already: {hint} another place")


def select(
    annotations: Annotations,
    *,
    start: int = 0,
    end: int | None = None,
    stride: int = 1,
    objects: Sequence[int] | None = None,
) -> Annotations:
    """Some frames and some objects; nothing is renumbered.

    Args:
        annotations: to choose from.
        start, end, stride: frame indices ``start``, ``start + stride``, ... before ``end``.
        objects: ids to keep; None keeps all.

    Raises:
        InputError: there is no such object, or no such frame; raised when the frames have been gone through.
    """
    wanted = range(start, 1 << 62 if end is None else end, stride)
    boxes = annotations.boxes

    def records() -> Iterator[FrameRecord]:
        ids = {box.object_id for box in boxes}
        indices = {box.frame_index for box in boxes}
        for record in annotations.records():
            ids.update(found.object_id for found in record.objects)
            indices.add(record.index)
            if record.index in wanted:
                kept = tuple(o for o in record.objects if objects is None or o.object_id in objects)
                yield replace(record, objects=kept)
        unknown = sorted(set(objects or ()) - ids)
        if unknown:
            raise InputError(
                f"there is no object {unknown[0]}; the ids are {', '.join(map(str, sorted(ids))) or 'none'}"
            )
        if indices and not any(index in wanted for index in indices):
            raise InputError(f"no frame is chosen; there are frames {min(indices)} to {max(indices)}")

    chosen = [
        box for box in boxes if box.frame_index in wanted and (objects is None or box.object_id in objects)
    ]
    return replace(annotations, records=records, boxes=chosen)
