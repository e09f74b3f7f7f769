"""Pixels in: video files and folders of images as streams of frames.

>>> with open_video("clip.mp4", end=100) as video:   # doctest: +SKIP
...     for frame in video:
...         print(frame.index, frame.image.shape)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path

from ..errors import InputError
from .base import Reader
from .facts import Probe, probe
from .selection import Video
from .sizes import Size, parse_size
from .source import find_source

__all__ = ["READERS", "Probe", "Reader", "Size", "Video", "open_video", "parse_size", "probe"]


def _lazy(module: str, name: str) -> Callable[[Path], Reader]:
    """A reader of files whose module is imported when it is used."""

    def build(path: Path) -> Reader:
        reader: Reader = getattr(import_module(module, __package__), name)(path)
        return reader

    return build


READERS: dict[str, Callable[[Path], Reader]] = {
    "auto": _lazy(".pyav_reader", "PyAVReader"),
    "pyav": _lazy(".pyav_reader", "PyAVReader"),
    "decord": _lazy(".decord_reader", "DecordReader"),
}
"""Name (the ``--reader`` of the command line) -> reader. To add one, write one file here and add one line."""


def open_video(
    source: str | os.PathLike[str],
    *,
    start: int = 0,
    end: int | None = None,
    stride: int = 1,
    size: Size | str | None = None,
    reader: str = "auto",
    leave_out: Collection[str | os.PathLike[str]] = (),
) -> Video:
    """The frames of a video file, of a folder of images (such as a DAVIS sequence), or of a glob.

    Args:
        source: a path, or a glob of images such as ``'shots/*.png'``.
        start: index of the first frame.
        end: index after the last frame; None for all.
        stride: take every ``stride``-th frame.
        size: (width, height), the length of the shorter side, or either as text: ``"854x480"``, ``"480"``.
        reader: for video files, one of :data:`READERS`.
        leave_out: images that lie among the frames and are none, such as the mask of the first.

    Raises:
        MediaError: if there is no video, or its first frame cannot be read.
        InputError: if nothing can be selected like this, or there is no such reader.
    """
    if reader not in READERS:
        raise InputError(f"unknown reader {reader!r}; choose one of {', '.join(READERS)}")
    if isinstance(size, str):
        size = parse_size(size)
    found = find_source(source, leave_out)
    if not found.is_images:
        return Video(READERS[reader](found.paths[0]), start=start, end=end, stride=stride, size=size)
    if reader != "auto":
        raise InputError(f"reader {reader} is for video files, and {found.text} is images; leave it out")
    from .images import ImageReader

    return Video(ImageReader(found.paths), start=start, end=end, stride=stride, size=size)
