"""Exports: annotations in several formats, with a record of what was written and lost; whole or absent."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..distribution import own_version
from ..errors import InputError, OutputError, SettingsError
from ..files import (
    make_folder,
    replacing,
    replacing_folder,
    temporary_folder_beside,
    write_text_atomic,
)
from ..results import FrameResult
from .appending import join_exports
from .frame_images import Images
from .options import options_by_format, refuse_soft
from .reading import Annotations, load_json, reading
from .records import Join, dumps
from .registry import FORMATS, writer_class, writers
from .transfer import Written, holds_images, write
from .with_frames import ImageSource

PROGRAM = "vos"
SUMMARY = "export.json"


def export(
    annotations: Annotations | Iterable[FrameResult],
    output: str | os.PathLike[str],
    formats: Sequence[str],
    *,
    names: Mapping[int, str] | None = None,
    categories: Mapping[int, str] | None = None,
    class_map: Mapping[str, str | int] | None = None,
    sequence: str | None = None,
    options: Mapping[str, Any] | None = None,
    images: Images | None = None,
    frames: ImageSource | None = None,
    overwrite: bool = False,
    append: bool = False,
    source: Mapping[str, Any] | None = None,
) -> list[Written]:
    """Write annotations in one or more formats into the folder ``output``, with ``export.json`` last.

    A single folder format fills ``output`` itself; else every format has its own file or folder in it. An
    ``output`` that ends in ``.zip`` becomes an archive, the same bytes for the same input.

    Args:
        annotations: what to write, such as the results that :func:`vos.track` yields.
        output: the folder or archive to make.
        formats: names in :data:`vos.formats.registry.FORMATS`.
        names, categories, class_map, sequence, images, frames: see :func:`write`.
        options: each goes to the formats that have it.
        overwrite: replace an earlier export.
        append: add the video to an earlier export in the same formats, which must be able to hold several;
            with nothing there, begin one. Classes keep their numbers.
        source: where the annotations come from, for the record.

    Raises:
        VosError: see :func:`write`; nothing is left behind then.
    """
    annotations = annotations if isinstance(annotations, Annotations) else Annotations.of(annotations)
    output = Path(output)
    chosen = options_by_format(list(dict.fromkeys(formats)), options or {})
    for name, given in chosen.items():
        refuse_soft(name, given)
    if images is not None and not any(holds_images(name) for name in chosen):
        raise InputError(f"{', '.join(chosen)} hold no images: leave --images out")
    earlier = _earlier(output, chosen) if append else None
    if earlier is None:
        _refuse_earlier(output, overwrite=overwrite)
    make_folder(output.parent)
    facts: dict[str, Any] = {"names": names, "categories": categories, "sequence": sequence}
    write_one = partial(write, annotations, frames=frames, **facts)
    fill = _Export(output, chosen, images, class_map or {}, source or {}, earlier, write_one).fill
    if output.suffix != ".zip":
        with replacing_folder(output) as temporary:
            written = fill(temporary)
    else:
        with replacing(output) as archive, temporary_folder_beside(output) as building:
            written = fill(building)
            _zip(building, archive)
    return [replace(result, path=output / result.path) for result in written]


@dataclass(frozen=True)
class _Export:
    """What :func:`export` was asked for."""

    output: Path
    chosen: Mapping[str, Mapping[str, Any]]
    """Format -> its options."""
    images: Images | None
    class_map: Mapping[str, str | int]
    source: Mapping[str, Any]
    earlier: Mapping[str, Any] | None
    """The record of the export that is added to."""
    write_one: Callable[..., Written]
    """Path, format -> what was written."""

    def fill(self, folder: Path) -> list[Written]:
        """Write all formats and the record into an empty folder; paths of what is returned are below it."""
        known = {entry["format"]: entry["classes"] for entry in (self.earlier or {}).get("formats", ())}
        written = []
        joins: dict[str, Join] = {}
        for name, options in self.chosen.items():
            alone = len(self.chosen) == 1 and FORMATS[name].is_folder
            place = Path() if alone else Path(FORMATS[name].default_name)
            result = self.write_one(
                folder / place,
                name,
                options=options,
                images=self.images if holds_images(name) else None,
                class_map={**known.get(name, {}), **self.class_map},
            )
            if self.earlier is not None:
                joins |= {(place / pattern).as_posix(): join for pattern, join in _joins(name).items()}
                result = replace(result, classes={**known[name], **result.classes})
            written.append(replace(result, path=place))
        if self.earlier is not None:
            join_exports(self.output, folder, joins)
        write_text_atomic(folder / SUMMARY, dumps(self._summary(written)) + "\n")
        return written

    def _summary(self, written: Sequence[Written]) -> dict[str, Any]:
        entries = [
            w.as_dict() | {"path": w.path.as_posix(), "options": self.chosen[w.format]} for w in written
        ]
        summary = {"program": PROGRAM, "version": own_version(), "source": self.source, "formats": entries}
        if self.earlier is not None:
            before = {key: value for key, value in self.earlier.items() if key != "earlier"}
            summary["earlier"] = [*self.earlier.get("earlier", ()), before]
        return summary


def _joins(format: str) -> Mapping[str, Join]:
    """How another video is added to a format.

    Raises:
        SettingsError: there is no way.
    """
    joins: Mapping[str, Join] | None = getattr(writer_class(format), "joins", None)
    if joins is None:
        able = [name for name in writers() if getattr(writer_class(name), "joins", None) is not None]
        raise SettingsError(f"format {format} holds one video; --append goes with {', '.join(able)}")
    return joins


def _earlier(output: Path, chosen: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of the export to add to; None where there is none.

    Raises:
        SettingsError: it is of other formats, or of one that holds one video.
        OutputError: it is an archive.
    """
    for name in chosen:
        _joins(name)
    if output.suffix == ".zip":
        raise OutputError(f"{output}: --append adds to a folder, not to an archive")
    if not (output / SUMMARY).is_file():
        return None
    with reading(output / SUMMARY, "the record of an export"):
        earlier: dict[str, Any] = load_json(output / SUMMARY)
        formats = [entry["format"] for entry in earlier["formats"]]
    if formats != list(chosen):
        raise SettingsError(f"{output} holds {', '.join(formats)}: --append takes the same, in that order")
    return earlier


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
