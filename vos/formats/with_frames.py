"""Annotations joined with the frames of their video, for formats that show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import FormatError, InputError
from ..frame import Frame
from ..results import FrameResult
from .mask_folder import RECORD
from .reading import Annotations, load_json, reading
from .records import FrameRecord


class ImageSource(Protocol):
    """Where the images of frames come from: a :class:`vos.video.Video`."""

    @property
    def is_images(self) -> bool: ...

    @property
    def paths(self) -> tuple[Path, ...]: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]: ...


def with_frames(annotations: Annotations, images: ImageSource) -> Iterator[tuple[Frame, FrameResult]]:
    """Every frame of the annotations with its image and its time.

    Frames are those of the same index; where the video is a folder of images, of the same name.

    Raises:
        InputError: the video lacks a frame, or its frames are of another size than the masks.
    """
    if images.is_images:
        annotations = in_order_of_images(annotations, images.paths)
    frames: Iterator[Frame] | None = None
    for blank, result in annotations:
        if frames is None:
            frames = images.frames(blank.index)
        frame = next((frame for frame in frames if frame.index >= blank.index), None)
        if frame is None or frame.index != blank.index:
            raise InputError(f"the video has no frame {blank.index}: are the masks of this video?")
        check_frame_size(frame, (result.labels.shape[0], result.labels.shape[1]))
        time = frame.time if blank.time is None else blank.time
        yield replace(blank, image=np.ascontiguousarray(frame.image), time=time), result


def check_frame_size(frame: Frame, size: tuple[int, int]) -> None:
    """Refuse a frame of another size than the (height, width) of its masks.

    Raises:
        InputError: naming both.
    """
    if frame.size != size:
        raise InputError(
            f"masks are {size[1]}x{size[0]}, frames of the video {frame.size[1]}x{frame.size[0]}: "
            "give the video that the masks are of, at their size"
        )


def audio_source(images: ImageSource) -> Path | None:
    """The file that may hold the sound of the frames; None where they are images."""
    path = images.paths[0]
    return path if not images.is_images and len(images.paths) == 1 and path.is_file() else None


def in_order_of_images(annotations: Annotations, paths: Sequence[Path]) -> Annotations:
    """The annotations with the index that the image of a frame's name has, where all names are there.

    Raises:
        InputError: some of the names are there, and some are not.
    """
    place = {path.stem: index for index, path in enumerate(paths)}
    found = [record.name in place for record in annotations.records()]
    if not all(found):
        if any(found):
            raise InputError(
                f"the video has images for {sum(found)} of {len(found)} masks by name: "
                "are the masks of this video?"
            )
        return annotations

    def records() -> Iterator[FrameRecord]:
        for record in annotations.records():
            yield replace(record, index=place[record.name])

    return replace(annotations, records=records)


def video_of_run(source: Path) -> tuple[Path, tuple[int, int] | None]:
    """The video that a run was of, and the (width, height) its frames were scaled to, None for their own.

    Raises:
        InputError: ``source`` does not say, or the video is not there any more.
    """
    record = next((p for p in (source / RECORD, source.parent / RECORD) if p.is_file()), None)
    hint = "give the video with --video"
    if record is None or (record.parent != source and source.name != "masks"):
        raise InputError(f"{source} does not record the video of the masks: {hint}")
    with reading(record, "the record of a run"):
        run = load_json(record)
        given = run["input"]
        place = str(given["path"])
        path, scaled = Path(place), run.get("settings", {}).get("size") is not None
        size = (int(given["width"]), int(given["height"])) if scaled else None
    if "://" in place and not path.exists():
        raise InputError(f"the video of {source} was fetched from {place}: give it, or a file, with --video")
    if not path.exists():
        raise InputError(f"the video of {source} is not at {path} any more: {hint}")
    expected = given.get("size")
    if path.is_file() and isinstance(expected, int) and path.stat().st_size != expected:
        raise FormatError(
            f"{path} has {path.stat().st_size} bytes and had {expected} when it was tracked: "
            f"it is another video; {hint}"
        )
    return path, size
