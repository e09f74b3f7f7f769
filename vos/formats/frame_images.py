"""The images of frames as files, for formats that hold them beside the annotations."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2

from ..errors import InputError
from ..frame import Frame
from .with_frames import ImageSource

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Images:
    """Which images go beside the annotations, and how."""

    video: ImageSource
    """Where they come from."""
    link: bool = False
    """Make hard links to image files of the right kind where possible, rather than copies."""
    suffix: str | None = None
    """``.jpg`` or ``.png``; None: as the user's image files have, else ``.jpg``."""


def write_images(root: Path, targets: Mapping[int, Path], images: Images) -> None:
    """Write the images of frames below ``root``.

    Args:
        root: the folder.
        targets: frame index -> path below ``root``.
        images: where they come from.

    Raises:
        InputError: the video lacks a frame.
    """
    missing = dict(targets)
    for folder in {root / target.parent for target in targets.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    video = images.video
    if video.is_images:
        for index, target in targets.items():
            if index < len(video.paths) and video.paths[index].suffix == target.suffix:
                _place_file(video.paths[index], root / target, link=images.link)
                del missing[index]
    if missing:
        for frame in video:
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
