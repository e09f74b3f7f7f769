"""From one format to another: read, choose, write. One frame is in memory; results are whole or absent."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2

from ..errors import FormatError, InputError, OutputError, SettingsError
from ..files import make_folder, replacing, replacing_folder, write_text_atomic
from ..frame import Frame
from ..settings import override
from .base import VideoFacts, Writer, safe_name
from .guessing import guess_format
from .reading import Annotations, Request, guarded, reading
from .records import UNNAMED, FrameRecord, NoOptions, RecordWriter, dumps, option_names
from .registry import FORMATS, build_writer, find_format, reader_function, writer_class, writers
from .with_frames import Pictures, with_frames

PROGRAM = "vos"
SUMMARY = "export.json"
JPEG_QUALITY = 95
PIECE = 50
"""Frames between two points at which a writer of pictures puts what it has on disk."""


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
        path: what to read.
        format: its format, a name in :data:`vos.formats.registry.FORMATS`; None: found out.
        sequence: which of several videos in it.
        size: (height, width) of the frames, for formats that do not say.
        options: of the reader: ``link="iou"`` (yolo), ``variant="kitti"`` (mots).

    Raises:
        FormatError: it is damaged or of another format; damage further on is raised while frames are read.
        SettingsError: there is no such format.
    """
    path = Path(path)
    name = format or guess_format(path)
    function = reader_function(name)
    if not path.exists():
        raise FormatError(f"cannot read {path}: there is no such file or folder")
    with reading(path, name):
        annotations = function(path, Request(sequence, size, options or {}))
    annotations.categories = {k: text for k, text in annotations.categories.items() if text != UNNAMED}
    return guarded(annotations, path, name)


def write(
    annotations: Annotations,
    path: str | os.PathLike[str],
    format: str,
    *,
    names: Mapping[int, str] | None = None,
    categories: Mapping[int, str] | None = None,
    sequence: str | None = None,
    options: Mapping[str, Any] | None = None,
    pictures: Pictures | None = None,
    link: bool = False,
    frames: Pictures | None = None,
    overwrite: bool = False,
) -> Written:
    """Write annotations in a format, all of them or nothing.

    Args:
        annotations: what to write.
        path: the file or folder to make.
        format: a name in :data:`vos.formats.registry.FORMATS`.
        names, categories: laid over those of the annotations.
        sequence: name of the video, in place of that of the annotations; made safe.
        options: of the format.
        pictures: the video, for formats that hold the pictures.
        link: make hard links to pictures that are files of the right kind, rather than copies.
        frames: the video, for formats that are made of its frames, see :func:`needs_frames`.
        overwrite: replace a file that is there; a folder is never replaced unless it is empty.

    Raises:
        SettingsError: an unknown format or option.
        OutputError: something is there already, or the place cannot be used.
        FormatError: the annotations turn out damaged, or cannot be held by the format.
    """
    found = find_format(format, writers())
    path = Path(path)
    _refuse_existing(path, is_folder=found.is_folder, overwrite=overwrite)
    make_folder(path.parent)
    facts = VideoFacts(
        fps=annotations.fps,
        names={**annotations.names, **(names or {})},
        categories={**annotations.categories, **(categories or {})},
        sequence=safe_name(sequence or annotations.sequence),
    )
    checked = check_options(format, options or {})
    refuse_soft(format, checked)
    if needs_frames(format):
        if frames is None:
            raise InputError(
                f"format {format} is made of the video's frames: use `vos export` and give --video"
            )
        return _write_pictures_of(annotations, path, format, facts, checked, frames)
    if not found.is_folder:
        if pictures is not None:
            raise InputError(f"format {format} is a single file, which holds no images: leave --images out")
        writer = _build(format, path, facts, checked)
        count, ids, _ = _drive(annotations, writer, None)
        return _written(format, path, count, ids, writer, annotations)
    with replacing_folder(path) as temporary:
        inner = temporary / "result"
        writer = _build(format, inner, facts, checked)
        place = getattr(writer, "image_path", None) if pictures is not None else None
        count, ids, targets = _drive(annotations, writer, place)
        if pictures is not None:
            if not targets:
                raise InputError(f"format {format} holds no images: leave --images out")
            _write_pictures(inner, targets, pictures, link=link)
        for entry in sorted(inner.iterdir()):
            entry.rename(temporary / entry.name)
        inner.rmdir()
    return _written(format, path, count, ids, writer, annotations)


def needs_frames(format: str) -> bool:
    """Whether the format is made of the video's frames."""
    return find_format(format, writers()).needs_frames


def _write_pictures_of(
    annotations: Annotations,
    path: Path,
    format: str,
    facts: VideoFacts,
    options: Mapping[str, Any],
    pictures: Pictures,
) -> Written:
    """Write a format that shows the frames; what is done so far is on disk and not in memory."""
    count = 0
    ids: set[int] = set()
    with tempfile.TemporaryDirectory(prefix=".vos-", suffix=".part", dir=path.parent) as work:
        more = {"options": options} if options else {}
        with build_writer(format, path, work=Path(work), facts=facts, **more) as writer:
            for frame, result in with_frames(annotations, pictures):
                writer.write(frame, result)
                ids.update(result.ids)
                count += 1
                if count % PIECE == 0:
                    writer.checkpoint()
    return _written(format, path, count, tuple(sorted(ids)), writer, annotations)


def _build(format: str, path: Path, facts: VideoFacts, options: Mapping[str, Any]) -> Writer:
    more = {"options": options} if issubclass(writer_class(format), RecordWriter) else {}
    return build_writer(format, path, facts=facts, **more)


def _drive(
    annotations: Annotations, writer: Writer, place: Callable[[FrameRecord], Path | None] | None
) -> tuple[int, tuple[int, ...], dict[int, Path]]:
    """All frames through the writer; number of frames, ids, and where the pictures of frames belong."""
    frames = 0
    ids: set[int] = set()
    targets: dict[int, Path] = {}
    with writer:
        for frame, result in annotations:
            writer.write(frame, result)
            ids.update(result.ids)
            frames += 1
            if place is not None:
                size = (result.labels.shape[0], result.labels.shape[1])
                target = place(FrameRecord(frame.index, frame.name, size, (), frame.file_name, frame.time))
                if target is not None:
                    targets[frame.index] = target
    return frames, tuple(sorted(ids)), targets


def _written(
    format: str, path: Path, frames: int, ids: tuple[int, ...], writer: Writer, annotations: Annotations
) -> Written:
    notes = [*annotations.notes, *getattr(writer, "notes", ())]
    losses = {key: value for key, value in getattr(writer, "losses", {}).items() if value}
    if annotations.overlap:
        losses["overlapping_pixels"] = annotations.overlap
    return Written(format, path, frames, ids, losses, tuple(notes))


def _write_pictures(root: Path, targets: Mapping[int, Path], pictures: Pictures, *, link: bool) -> None:
    missing = dict(targets)
    for folder in {root / target.parent for target in targets.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    if pictures.is_images:
        for index, target in targets.items():
            if index < len(pictures.paths) and pictures.paths[index].suffix == target.suffix:
                _place_file(pictures.paths[index], root / target, link=link)
                del missing[index]
    if missing:
        for frame in pictures:
            if frame.index in missing:
                _encode(frame, root / missing.pop(frame.index))
                if not missing:
                    break
    if missing:
        raise InputError(f"the video has no frame {min(missing)}: are the masks of this video?")


def _place_file(source: Path, target: Path, *, link: bool) -> None:
    if link:
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or none with links
            pass
    shutil.copyfile(source, target)


def _encode(frame: Frame, target: Path) -> None:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if target.suffix.lower() in (".jpg", ".jpeg") else []
    done, data = cv2.imencode(target.suffix or ".png", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise InputError(f"images cannot be written as {target.suffix}")
    target.write_bytes(data.tobytes())


def check_options(format: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, checked before anything is written.

    Raises:
        SettingsError: the format has no such option, or it cannot have that value.
    """
    kind = getattr(writer_class(format), "Options", NoOptions)
    names = option_names(kind)
    for key in options:
        if key not in names:
            known = f"its options are {', '.join(names)}" if names else "it has none"
            raise SettingsError(f"format {format} has no option {key!r}; {known}")
    override(kind(), dict(options))
    return dict(options)


def refuse_soft(format: str, options: Mapping[str, Any]) -> None:
    """Masks on disk have no probabilities to make soft edges of.

    Raises:
        SettingsError: for ``edge=soft``.
    """
    if options.get("edge") == "soft":
        raise SettingsError(
            f"format {format}: edge soft needs the tracker's probabilities, which masks on disk do not have: "
            f"ask for it while tracking (vos track --write {format} -O edge=soft), or take edge refined"
        )


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
    """
    wanted = range(start, 1 << 62 if end is None else end, stride)

    def records() -> Iterator[FrameRecord]:
        for record in annotations.records():
            if record.index in wanted:
                kept = tuple(o for o in record.objects if objects is None or o.object_id in objects)
                yield replace(record, objects=kept)

    return replace(annotations, records=records)


def export(
    annotations: Annotations,
    output: str | os.PathLike[str],
    formats: Sequence[str],
    *,
    names: Mapping[int, str] | None = None,
    categories: Mapping[int, str] | None = None,
    sequence: str | None = None,
    options: Mapping[str, Any] | None = None,
    pictures: Pictures | None = None,
    link: bool = False,
    frames: Pictures | None = None,
    overwrite: bool = False,
    source: Mapping[str, Any] | None = None,
) -> list[Written]:
    """Write annotations in one or more formats into the folder ``output``, with ``export.json`` last.

    A single folder format fills ``output`` itself; else every format has its own file or folder in it. An
    ``output`` that ends in ``.zip`` becomes an archive, the same bytes for the same input.

    Args:
        annotations: what to write.
        output: the folder or archive to make.
        formats: names in :data:`vos.formats.registry.FORMATS`.
        names, categories, sequence, pictures, link, frames: see :func:`write`.
        options: each goes to the formats that have it.
        overwrite: replace an earlier export.
        source: where the annotations come from, for the record.

    Raises:
        VosError: see :func:`write`; nothing is left behind then.
    """
    output = Path(output)
    formats = list(dict.fromkeys(formats))
    chosen = options_by_format(formats, options or {})
    for name in formats:
        refuse_soft(name, chosen[name])
    _refuse_earlier(output, overwrite=overwrite)
    make_folder(output.parent)
    zipped = output.suffix == ".zip"
    holder = output.with_suffix("") if zipped else output
    written: list[Written] = []
    done: list[Written] = []

    def fill(folder: Path) -> None:
        for name in formats:
            alone = len(formats) == 1 and FORMATS[name].is_folder
            target = folder if alone else folder / FORMATS[name].default_name
            with_pictures = pictures if FORMATS[name].is_folder and _holds_pictures(name) else None
            result = write(
                annotations,
                target,
                name,
                names=names,
                categories=categories,
                sequence=sequence,
                options=chosen[name],
                pictures=with_pictures,
                link=link and not zipped,
                frames=frames,
            )
            done.append(result)
        written.extend(replace(w, path=output / w.path.relative_to(folder)) for w in done)
        summary = {
            "program": PROGRAM,
            "source": dict(source or {}),
            "formats": [
                w.as_dict() | {"path": w.path.relative_to(output).as_posix(), "options": chosen[w.format]}
                for w in written
            ],
        }
        write_text_atomic(folder / SUMMARY, dumps(summary) + "\n")

    if pictures is not None and not any(_holds_pictures(name) for name in formats):
        raise InputError(f"{', '.join(formats)} hold no images: leave --images out")
    if not zipped:
        with replacing_folder(holder) as temporary:
            fill(temporary)
        return written
    with replacing(output) as archive:
        building = archive.with_name(archive.name + ".d")
        building.mkdir()
        try:
            fill(building)
            _zip(building, archive)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return written


def _holds_pictures(format: str) -> bool:
    kind = writer_class(format)
    return issubclass(kind, RecordWriter) and kind.image_path is not RecordWriter.image_path


def options_by_format(formats: Sequence[str], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options of every format; each must be known to one at least."""
    known: dict[str, set[str]] = {}
    for name in formats:
        find_format(name, writers())
        known[name] = set(option_names(getattr(writer_class(name), "Options", NoOptions)))
    for key in options:
        if not any(key in names for names in known.values()):
            listed = ", ".join(sorted(set().union(*known.values()))) or "none"
            raise SettingsError(f"{', '.join(formats)} have no option {key!r}; known: {listed}")
    return {
        name: check_options(name, {k: v for k, v in options.items() if k in known[name]}) for name in formats
    }


def _refuse_earlier(output: Path, *, overwrite: bool) -> None:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    ours = output.is_file() if output.suffix == ".zip" else (output / SUMMARY).is_file()
    if not overwrite or not ours:
        hint = "give --overwrite to replace it, or choose" if ours else "choose"
        raise OutputError(f"{output} is there already: {hint} another place")


def _zip(folder: Path, archive: Path) -> None:
    """All files in order of name, with one fixed time."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            with file.open(info, "w", force_zip64=True) as member, path.open("rb") as source:
                shutil.copyfileobj(source, member)
