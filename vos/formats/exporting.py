"""Exports: annotations in several formats, with a record of what was written and lost; whole or absent."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..distribution import own_version
from ..errors import InputError, OutputError
from ..files import make_folder, replacing, replacing_folder, write_text_atomic
from .frame_images import Images
from .options import options_by_format, refuse_soft
from .reading import Annotations
from .records import dumps
from .registry import FORMATS
from .transfer import Written, holds_images, write
from .with_frames import Pictures

PROGRAM = "vos"
SUMMARY = "export.json"


def export(
    annotations: Annotations,
    output: str | os.PathLike[str],
    formats: Sequence[str],
    *,
    names: Mapping[int, str] | None = None,
    categories: Mapping[int, str] | None = None,
    class_map: Mapping[str, str | int] | None = None,
    sequence: str | None = None,
    options: Mapping[str, Any] | None = None,
    images: Images | None = None,
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
        names, categories, class_map, sequence, images, frames: see :func:`write`.
        options: each goes to the formats that have it.
        overwrite: replace an earlier export.
        source: where the annotations come from, for the record.

    Raises:
        VosError: see :func:`write`; nothing is left behind then.
    """
    output = Path(output)
    chosen = options_by_format(list(dict.fromkeys(formats)), options or {})
    for name, given in chosen.items():
        refuse_soft(name, given)
    if images is not None and not any(holds_images(name) for name in chosen):
        raise InputError(f"{', '.join(chosen)} hold no images: leave --images out")
    _refuse_earlier(output, overwrite=overwrite)
    make_folder(output.parent)
    facts: dict[str, Any] = {
        "names": names,
        "categories": categories,
        "class_map": class_map,
        "sequence": sequence,
    }
    fill = partial(_fill, partial(write, annotations, frames=frames, **facts), chosen, images, source or {})
    if output.suffix != ".zip":
        with replacing_folder(output) as temporary:
            written = fill(temporary)
    else:
        with (
            replacing(output) as archive,
            tempfile.TemporaryDirectory(prefix=".vos-", suffix=".part", dir=output.parent) as building,
        ):
            written = fill(Path(building))
            _zip(Path(building), archive)
    return [replace(result, path=output / result.path) for result in written]


def _fill(
    write_one: Callable[..., Written],
    chosen: Mapping[str, Mapping[str, Any]],
    images: Images | None,
    source: Mapping[str, Any],
    folder: Path,
) -> list[Written]:
    """Write all formats and the summary into an empty folder; the paths of what is returned are below it."""
    written = []
    for name, options in chosen.items():
        alone = len(chosen) == 1 and FORMATS[name].is_folder
        target = folder if alone else folder / FORMATS[name].default_name
        result = write_one(target, name, options=options, images=images if holds_images(name) else None)
        written.append(replace(result, path=target.relative_to(folder)))
    entries = [w.as_dict() | {"path": w.path.as_posix(), "options": chosen[w.format]} for w in written]
    summary = {"program": PROGRAM, "version": own_version(), "source": source, "formats": entries}
    write_text_atomic(folder / SUMMARY, dumps(summary) + "\n")
    return written


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
