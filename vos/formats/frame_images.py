"""The images of frames as files, for formats that hold them beside the annotations."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
from PIL import Image

from ..errors import InputError
from ..exif import exif_orientation
from ..frame import Frame
from .with_frames import ImageSource, check_frame_size

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


@dataclass(frozen=True)
class ImagePlace:
    """Where the image of a frame belongs."""

    path: Path
    """Below the root."""
    size: tuple[int, int]
    """(height, width) of the frame's masks, which the image must have."""


def write_images(root: Path, targets: Mapping[int, ImagePlace], images: Images) -> None:
    """Write the images of frames below ``root``.

    Image files are taken as they are, unless readers that do not turn them would see other than the masks do.

    Args:
        root: the folder.
        targets: frame index -> its place.
        images: where they come from.

    Raises:
        InputError: the video lacks a frame, or its frames are of another size than the masks.
    """
    missing = dict(targets)
    for folder in {root / target.path.parent for target in targets.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    video = images.video
    if video.is_images:
        for index, target in targets.items():
            if index < len(video.paths) and _fits(video.paths[index], target):
                _place_file(video.paths[index], root / target.path, link=images.link)
                del missing[index]
    if missing:
        for frame in video:
            if frame.index in missing:
                target = missing.pop(frame.index)
                check_frame_size(frame, target.size)
                _encode(frame, root / target.path)
                if not missing:
                    break
    if missing:
        raise InputError(f"the video has no frame {min(missing)}: are the masks of this video?")


def _fits(file: Path, target: ImagePlace) -> bool:
    """Whether an image file shows the frame as it is stored."""
    if file.suffix != target.path.suffix:
        return False
    with Image.open(file) as image:
        is_upright = exif_orientation(image, file) == 1
        return (image.height, image.width) == target.size and is_upright


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
