"""Label maps of named classes for many images, each written when it is done; an interrupted run resumes.

Importing this imports torch.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detectors.attention.blip import BlipMatcher, EncodedPrompts
from ..detectors.attention.segment import ImageClasses, SegmentSettings, segment_images
from ..distribution import own_version
from ..errors import InputError, MediaError
from ..files import make_folder, write_bytes_atomic, write_text_atomic
from ..formats.index_png import encode_index_png
from ..video.images import read_image
from .fingerprint import fingerprint_file, versions
from .folder import PROGRAM, Layout, claim, earlier_run
from .image_run import ImageRun, check_names
from .matcher import MatcherSettings, build_matcher, check_fits, encode_names
from .rank_layers import scores_of
from .summary import Progress

CLASSES = "classes.json"
AUTO = "auto"
"""In a record, in place of layers in the settings: they were ranked."""


@dataclass(frozen=True)
class SegmentSummary:
    """What was found."""

    output: Path
    files: dict[str, str]
    """Output's name -> path."""
    images: tuple[dict[str, Any], ...]
    """Per image ``image``, ``labels``, and by class ``match`` (0..1) and ``share`` of the pixels."""


def segment_layout(output: str | os.PathLike[str]) -> Layout:
    """``vos segment``: everything in one folder."""
    root = Path(output)
    paths = {"labels": root / "labels", "classes": root / CLASSES, "run": root / "run.json"}
    return Layout(root, paths, root / ".work")


def segment_files(
    images: Sequence[Path],
    names: Sequence[str],
    output: str | os.PathLike[str],
    settings: SegmentSettings | None = None,
    *,
    model: MatcherSettings | None = None,
    multi_prompt: bool = False,
    best_layers: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> SegmentSummary:
    """Label every pixel of images with one of the named classes.

    Writes ``labels/<image>.png`` with 0 for the background and 1, 2, ... for the classes in order,
    ``classes.json`` with their names and how well each matches each image, and ``run.json``.

    Args:
        images: files, whose stems name the results.
        names: the classes.
        output: folder for the results, made where absent.
        settings: how attention becomes label maps; None: the defaults.
        model: the matching model; None: the default one.
        multi_prompt: with the synonyms of every class as well.
        best_layers: read the two layers that InfoScore ranks first on these images, in place of those of
            ``settings``; a resumed run keeps those that it began with.
        resume: do what an earlier run of the same settings left to do: images it did not get to, could
            not read, or that have changed since.
        overwrite: replace an earlier result when the new one is complete.
        progress: called after every image.

    Raises:
        OutputError: two images of one name; or there is a result already, or the folder cannot be used.
        PromptError: for names that the model cannot use.
        ModelError: if the model's weights are missing.
        InputError: for ``best_layers`` with less than two images that can be read.
        MediaError: no image can be read.
        PartialResultError: images could not be read, all others are done; or the disk is full.
        InterruptedRunError: Ctrl-C or SIGTERM, after the first image; ``resume`` continues.
    """
    settings, model = settings or SegmentSettings(), model or MatcherSettings()
    check_names(images)
    layout = segment_layout(output)
    earlier = earlier_run(layout) if best_layers and resume else {}
    if is_kept := earlier.get("settings", {}).get("layers") == AUTO:
        settings = dataclasses.replace(settings, layers=tuple(earlier["layers"]))
    is_ranked = best_layers and not is_kept
    matcher = build_matcher(model)
    encoded = encode_names(matcher, names, multi_prompt=multi_prompt)
    if is_ranked:
        usable = _comparable(images, matcher)
        single = encode_names(matcher, names)  # what InfoScore is defined on, with synonyms or without
        ranking = scores_of(matcher, single, usable, batch_size=settings.batch_size).ranking
        settings = dataclasses.replace(settings, layers=ranking[:2])
    identity: dict[str, Any] = {
        "version": own_version(),
        "settings": {**dataclasses.asdict(settings), "batch_size": None}
        | ({"layers": AUTO} if best_layers else {}),
        "layers": settings.layers or matcher.default_layers,
        "model": {**dataclasses.asdict(model), "multi_prompt": multi_prompt},
        "classes": list(names),
        "input": {"images": [path.stem for path in images]},
        "outputs": {name: os.path.relpath(path, layout.folder) for name, path in layout.paths.items()},
    }
    if model.tuned is not None:
        identity["tuned"] = fingerprint_file(model.tuned)
    with claim(layout, identity, resume=resume, overwrite=overwrite, inputs=images) as folder:
        items = ImageRun(folder, images, results="labels", pngs="labels", parts=("total",), progress=progress)
        with items.guarded():
            remaining = items.remaining()
            if remaining:
                make_folder(folder.layout.paths["labels"])
                _segment(remaining, names, items, matcher, encoded, settings)
            entries = items.entries()
            if remaining or folder.finished is None:
                _finish(items, entries, identity)
            items.raise_failed()
        final = folder.final
        files = {name: str(path) for name, path in final.paths.items()}
        return SegmentSummary(final.folder, files, tuple(entry["image"] for entry in entries))


def _comparable(images: Sequence[Path], matcher: BlipMatcher) -> list[Path]:
    """The images that layers can be ranked on."""
    usable = [path for path in images if _is_usable(path, matcher)]
    if len(usable) < 2:
        raise InputError(
            "layers are ranked by comparing images: give at least two that can be read, or name the layers"
        )
    return usable


def _segment(
    remaining: Sequence[Path],
    names: Sequence[str],
    items: ImageRun,
    matcher: BlipMatcher,
    encoded: EncodedPrompts,
    settings: SegmentSettings,
) -> None:
    """The images that are not done yet and can be read."""
    being_read: deque[tuple[Path, str]] = deque()  # images are read a batch ahead of their results

    def readable() -> Iterator[NDArray[np.uint8]]:
        for path in remaining:
            read = items.read(path, check=partial(check_fits, matcher=matcher))
            if read is not None:
                being_read.append((path, read[1]))
                yield read[0]

    results: Iterator[ImageClasses] = segment_images(matcher, encoded, readable(), settings)
    while True:
        with items.timed("total"):
            result = next(results, None)
            if result is None:
                return
            path, digest = being_read.popleft()
            name = f"{path.stem}.png"
            items.folder.note("labels", name)
            write_bytes_atomic(items.layout.paths["labels"] / name, encode_index_png(result.labels))
            classes = {
                named: {
                    "match": round(float(result.gate[label]), 6),
                    "share": float((result.labels == label).mean()),
                }
                for label, named in enumerate(names, start=1)
            }
        entry = {"image": path.name, "labels": f"labels/{name}", "classes": classes}
        items.add(path.stem, {"name": path.stem, "sha256": digest, "image": entry})


def _finish(items: ImageRun, entries: list[dict[str, Any]], identity: dict[str, Any]) -> None:
    """The names, the record, and everything in its final place."""
    names = ("background", *identity["classes"])
    content = {
        "labels": {str(label): name for label, name in enumerate(names)},
        "layers": identity["layers"],
        "images": [entry["image"] for entry in entries],
    }
    record = {
        "program": PROGRAM,
        **identity,
        "versions": versions(),
        "frames": entries,
        "folders": {"labels": [f"{entry['name']}.png" for entry in entries]},
        "failed": items.failures(),
        "timings": items.timings(),
    }
    for output, value in (("classes", content), ("run", record)):
        path = items.layout.paths[output]
        make_folder(path.parent)
        write_text_atomic(path, json.dumps(value, indent=2) + "\n")
    items.folder.finish()


def _is_usable(path: Path, matcher: BlipMatcher) -> bool:
    try:
        check_fits(read_image(path), path, matcher)
    except MediaError:
        return False
    return True
