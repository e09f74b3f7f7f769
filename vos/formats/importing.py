"""Annotations of others made to fit a video of ours: matched frames, one size, index PNGs."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import FormatError, OutputError
from ..files import make_folder, replacing_folder, write_text_atomic
from ..names import plain_name
from ..ops.boxes import Box
from ..ops.rle import label_counts
from .reading import Annotations, BoxPrompt
from .records import FrameRecord, ObjectMask, dumps

PROGRAM = "vos"
SUMMARY = "import.json"
PROMPTS = "prompts.json"


_Head = tuple[int, str, str | None]
"""Index, name and file name of a frame, as annotations have them."""


def match_to_video(
    annotations: Annotations,
    names: Sequence[str],
    size: tuple[int, int],
    *,
    file_names: Sequence[str] | None = None,
    skip_missing: bool = False,
) -> Annotations:
    """The annotations with the frames and the size of a video.

    Frames are matched by name where the video has all names, or more of the names than of the indices; else
    by index; frames numbered from 1 to how many the video has are those from 0 on. Where programs put the
    video's name or a number before that of an image, as in ``clip_img_0001``, the end counts. Masks of
    another size are scaled by nearest neighbour if both sides differ by the same factor.

    Args:
        annotations: of any origin.
        names: of all frames of the video, by index.
        size: (height, width) of its frames.
        file_names: of its image files, by index.
        skip_missing: leave out frames that the video does not have.

    Raises:
        FormatError: a frame is not there, two are the same, or the size is another.
    """
    heads: list[_Head] = []
    sizes: dict[tuple[int, int], None] = {}
    for record in annotations.records():
        heads.append((record.index, record.name, record.file_name))
        sizes[record.size] = None
    count = len(heads)
    heads += [(prompt.frame_index, prompt.frame_name, None) for prompt in annotations.boxes]
    chosen, first = _matched(heads, names)
    if None in chosen and not skip_missing:
        index, name, _ = heads[chosen.index(None)]
        raise FormatError(
            f"frame {name!r} (index {index}) is not in the video, which has {len(names)} frames: "
            "give --skip-missing to leave such frames out"
        )
    _refuse_two_for_one(heads[:count], chosen[:count], names)
    place = {(index, name): found for (index, name, _), found in zip(heads, chosen, strict=True)}
    notes = list(annotations.notes)
    if first:
        notes.append(f"the frames are numbered 1 to {len(names)}: the first one is frame 0 of the video")
    if None in chosen:
        notes.append(f"{chosen.count(None)} frames that the video does not have were left out")
    for other in sizes:
        if other != size:
            factor(other, size)
            notes.append(
                f"masks of {other[1]}x{other[0]} were scaled to {size[1]}x{size[0]} by nearest neighbour"
            )

    def records() -> Iterator[FrameRecord]:
        for record in annotations.records():
            index = place[record.index, record.name]
            if index is None:
                continue
            if record.size != size:
                record = _resized(record, size)
            file_name = file_names[index] if file_names else None
            yield replace(record, index=index, name=names[index], file_name=file_name)

    boxes = [
        replace(prompt, frame_index=found, frame_name=names[found], box=box)
        for prompt in annotations.boxes
        if (found := place[prompt.frame_index, prompt.frame_name]) is not None
        and (box := _inside(prompt.box, size)) is not None
    ]
    return replace(annotations, records=records, boxes=boxes, notes=notes)


def _matched(heads: Sequence[_Head], names: Sequence[str]) -> tuple[list[int | None], int]:
    """Index in the video of every head, None where it has none; and the number of its first frame there, if
    they are matched by index."""
    index_of = {name: index for index, name in enumerate(names)}
    by_name = [_by_name(name, file_name, index_of) for _, name, file_name in heads]
    first = _first_number({index for index, _, _ in heads}, len(names))
    by_index = [index - first if index - first < len(names) else None for index, _, _ in heads]
    named, counted = (sum(found is not None for found in way) for way in (by_name, by_index))
    return (by_name, 0) if named == len(heads) or named > counted else (by_index, first)


def _refuse_two_for_one(heads: Sequence[_Head], chosen: Sequence[int | None], names: Sequence[str]) -> None:
    """FormatError where masks of two names are of one frame."""
    taken: dict[int, str] = {}
    for (_, name, _), found in zip(heads, chosen, strict=True):
        if found is not None and taken.setdefault(found, name) != name:
            raise FormatError(
                f"frames {taken[found]!r} and {name!r} are both frame {names[found]!r} of the video: "
                "if they are of several videos, give each a file of its own"
            )


def _first_number(numbers: Collection[int], num_frames: int) -> int:
    """The number of the first frame: 1 where the frames run from 1 to how many the video has, else 0."""
    return int(0 not in numbers and {1, num_frames} <= set(numbers) and max(numbers) == num_frames)


def _by_name(name: str, file_name: str | None, index_of: Mapping[str, int]) -> int | None:
    stem = Path(file_name).stem if file_name else name
    ends = (stem[mark.end() :] for mark in re.finditer("[_-]", stem))
    return next((index_of[text] for text in (name, stem, *ends) if text in index_of), None)


def factor(size: tuple[int, int], wanted: tuple[int, int]) -> Fraction:
    """By how much both sides differ, (height, width) each.

    Raises:
        FormatError: they differ by different factors.
    """
    for of_one, other in ((0, 1), (1, 0)):
        ratio = Fraction(wanted[of_one], size[of_one])
        if abs(size[other] * ratio - wanted[other]) < 1:
            return ratio
    raise FormatError(
        f"masks are {size[1]}x{size[0]}, the video {wanted[1]}x{wanted[0]}: "
        "width and height may differ by one common factor only"
    )


def _resized(record: FrameRecord, size: tuple[int, int]) -> FrameRecord:
    """Nearest neighbour; pixels that several objects claim are decided before."""
    labels, _ = record.labels()
    larger = cv2.resize(labels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    counts = label_counts(larger)
    nothing = np.array([size[0] * size[1]], dtype=np.int64)
    objects = tuple(
        ObjectMask(found.object_id, counts.get(found.object_id, nothing), found.confidence, found.source)
        for found in record.objects
    )
    return replace(record, size=size, objects=objects)


def _inside(box: Box, size: tuple[int, int]) -> Box | None:
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], size[1] - 1), min(box[3], size[0] - 1)
    return (x0, y0, x1, y1) if x0 <= x1 and y0 <= y1 else None


def import_masks(
    annotations: Annotations,
    output: str | os.PathLike[str],
    *,
    names: Mapping[int, str] | None = None,
    source: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write ``masks/<name>.png``, ``prompts.json`` (boxes without masks), ``import.json``; all or none.

    Args:
        annotations: see :func:`match_to_video`.
        output: the folder to make.
        names: of objects, laid over those of the annotations.
        source: where they come from, for the record.
        overwrite: replace an earlier import.

    Returns:
        What ``import.json`` holds.

    Raises:
        OutputError: something is there already, or the place cannot be used.
        FormatError: the annotations turn out damaged.
    """
    from .layouts import encode_png

    output = Path(output)
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        ours = (output / SUMMARY).is_file()
        if not (ours and overwrite):
            hint = "give --overwrite to replace it, or choose" if ours else "choose"
            raise OutputError(f"{output} is there already: {hint} another place")
    make_folder(output.parent)
    all_names = {**annotations.names, **(names or {})}
    frames: list[dict[str, Any]] = []
    ids: set[int] = set()
    with replacing_folder(output) as temporary:
        (temporary / "masks").mkdir()
        for frame, result in annotations:
            data = encode_png(result.labels, wide=result.labels.dtype != np.uint8)
            (temporary / "masks" / f"{frame.name}.png").write_bytes(data)
            frames.append({"index": frame.index, "name": frame.name})
            ids.update(result.ids)
        if annotations.boxes:
            write_text_atomic(temporary / PROMPTS, dumps(_prompts(annotations.boxes, all_names)) + "\n")
        summary = {
            "program": PROGRAM,
            "source": dict(source or {}),
            "sequence": annotations.sequence,
            "frames": frames,
            "objects": sorted(ids),
            "names": {str(k): name for k, name in sorted(all_names.items())},
            "categories": {str(k): name for k, name in sorted(annotations.categories.items())},
            "ids": annotations.ids,
            "boxes": len(annotations.boxes),
            "overlapping_pixels": annotations.overlap,
            "notes": annotations.notes,
        }
        write_text_atomic(temporary / SUMMARY, dumps(summary) + "\n")
    return summary


def _prompts(boxes: Sequence[BoxPrompt], names: Mapping[int, str]) -> dict[str, Any]:
    targets = []
    for prompt in sorted(boxes, key=lambda p: (p.frame_index, p.object_id)):
        x0, y0, x1, y1 = prompt.box
        target: dict[str, Any] = {"id": prompt.object_id, "frame": prompt.frame_index}
        if x0 == x1 or y0 == y1:  # of so thin a box nothing would be decoded
            target["points"] = [[(x0 + x1) // 2, (y0 + y1) // 2]]
        else:
            target["box"] = list(prompt.box)
        name = plain_name(names.get(prompt.object_id, ""))
        targets.append(target | ({"name": name} if name else {}))
    return {"version": 1, "targets": targets}
