"""Pixels in: video files and folders of images as streams of frames.

>>> with open_video("clip.mp4", end=100) as video:   # doctest: +SKIP
...     for frame in video:
...         print(frame.index, frame.image.shape)
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from ..errors import InputError, MediaError
from ..registry import load, unknown
from .base import Reader
from .facts import Probe
from .fetch import Fetched, is_address
from .probing import probe
from .selection import Video
from .sizes import Size, parse_size
from .source import find_source

__all__ = ["READERS", "Probe", "Reader", "Size", "Video", "open_video", "parse_size", "probe"]


READERS: dict[str, str] = {
    "auto": "vos.video.pyav_reader:PyAVReader",
    "pyav": "vos.video.pyav_reader:PyAVReader",
    "decord": "vos.video.decord_reader:DecordReader",
}
"""Name (``--reader``) -> ``module:class``, built with a path. To add one, write one file and add one line."""


def open_video(
    source: str | os.PathLike[str],
    *,
    start: int = 0,
    end: int | None = None,
    stride: int = 1,
    size: Size | str | None = None,
    reader: str = "auto",
    leave_out: Collection[str | os.PathLike[str]] = (),
    allow_url: bool = False,
) -> Video:
    """The frames of a video file, of a folder of images (such as a DAVIS sequence), or of a glob.

    Args:
        source: a path, a glob of images such as ``'shots/*.png'``, or an http or https address.
        start: index of the first frame.
        end: index after the last frame; None for all.
        stride: take every ``stride``-th frame.
        size: (width, height), the length of the shorter side, or either as text: ``"854x480"``, ``"480"``.
        reader: for video files, one of :data:`READERS`.
        leave_out: images that lie among the frames and are none, such as the mask of the first.
        allow_url: whether an address may be opened: what it gives is fetched once, whole, into a temporary
            file, which is read as any other and removed when the video is closed.

    Raises:
        MediaError: if there is no video, or its first frame cannot be read; an address is not allowed, or
            does not give a video in time.
        InputError: if nothing can be selected like this, or there is no such reader.
    """
    if not isinstance(source, str | os.PathLike) or isinstance(os.fspath(source), bytes):
        raise MediaError(f"a video is given by its path, a glob or an address, got {source!r:.60}")
    if reader not in READERS:
        raise unknown(InputError, "reader", reader, READERS)
    if isinstance(size, str):
        size = parse_size(size)
    selection = {"start": start, "end": end, "stride": stride, "size": size}
    if not is_address(os.fspath(source)):
        return _opened(source, reader, leave_out, None, selection)
    fetched = Fetched(os.fspath(source), allowed=allow_url)
    try:
        return _opened(fetched.path, reader, (), fetched, selection)
    except MediaError as error:
        fetched.close()
        raise MediaError(str(error).replace(str(fetched.path), fetched.name)) from error
    except BaseException:
        fetched.close()
        raise


def _opened(
    source: str | os.PathLike[str],
    reader: str,
    leave_out: Collection[str | os.PathLike[str]],
    fetched: Fetched | None,
    selection: dict[str, Any],
) -> Video:
    """The video in files that are here."""
    found = find_source(source, leave_out)
    if not found.is_images:
        return Video(load(READERS[reader])(found.paths[0]), **selection, fetched=fetched)
    if reader != "auto":
        raise InputError(f"reader {reader} is for video files, and {found.text} is images; leave it out")
    from .images import ImageReader

    return Video(ImageReader(found.paths), **selection, fetched=fetched)
