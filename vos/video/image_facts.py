"""What is in a folder of images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .facts import Probe
from .images import ImageReader, first_shift, stored_size
from .source import IMAGE_KINDS


def probe_images(text: str, paths: tuple[Path, ...], *, check: bool) -> Probe:
    """See :func:`vos.video.probe`; ``check`` reads every image."""
    reader = ImageReader(paths)
    if check:
        for _ in reader.read(range(len(paths))):
            pass
    with Image.open(paths[0]) as image:
        mode = image.mode
        stored_width, stored_height = stored_size(image)
    width, height = reader.info.width, reader.info.height
    deep = mode.startswith("I")
    return Probe(
        source=text,
        kind="images",
        width=width,
        height=height,
        stored_width=stored_width,
        stored_height=stored_height,
        rotation=0,
        mirrored=False,
        num_frames=len(paths),
        counted_by="files",
        fps=None,
        nominal_fps=None,
        variable_rate=None,
        duration=None,
        start_time=None,
        container=None,
        codec=IMAGE_KINDS[paths[0].suffix.lower()],
        pixel_format=mode,
        bit_depth=16 if deep else 8,
        b_frames=None,
        keyframes=None,
        missing_timestamps=None,
        unusual=tuple(_unusual_images(paths, mode, turned=(width, height) != (stored_width, stored_height))),
    )


def _unusual_images(paths: tuple[Path, ...], mode: str, *, turned: bool) -> Iterator[str]:
    if turned:
        yield "EXIF turns the images by a quarter; it is applied"
    if mode.startswith("I"):
        bits = 8 + (first_shift(paths[0]) or 0)
        yield f"16 bits per value: the upper 8 {'' if bits == 16 else f'of the lower {bits} '}are used"
    if mode in ("1", "L", "LA") or mode.startswith("I"):
        yield "grey: repeated in red, green and blue"
    if mode in ("RGBA", "LA", "PA"):
        yield "alpha: dropped, not blended"
    gap = first_gap(paths)
    if gap is not None:
        yield f"numbering has gaps, the first after {gap[0].name}; frames are counted without them"


def first_gap(paths: tuple[Path, ...]) -> tuple[Path, Path] | None:
    """The first neighbours whose names end in numbers that are further apart than others are."""
    numbers = [int(match[0]) if (match := re.search(r"[0-9]+$", path.stem)) else None for path in paths]
    if len(paths) < 3 or None in numbers:
        return None
    steps = np.diff(np.array(numbers, dtype=np.int64))
    wide = np.flatnonzero(steps > steps.min())
    return (paths[wide[0]], paths[wide[0] + 1]) if len(wide) else None
