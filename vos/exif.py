"""The orientation of image files, read without decoding them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

_ORIENTATION = 0x0112
_TEXTS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""Chunks of a PNG that an orientation can be in."""


def exif_orientation(image: Image.Image, path: Path) -> int:
    """The EXIF orientation of an open image, 1 to 8, 1 where it has none.

    Args:
        image: what ``Image.open(path)`` gave.
        path: its file.

    Raises:
        OSError: if the file cannot be read.
    """
    # Pillow decodes a whole PNG for this, in case that there is metadata behind the pixels.
    if image.format == "PNG" and not _has_texts_behind(path):
        return int(Image.Image.getexif(image).get(_ORIENTATION, 1))
    return int(image.getexif().get(_ORIENTATION, 1))


def _has_texts_behind(path: Path) -> bool:
    """Whether a PNG has metadata behind its pixels."""
    is_behind = False
    with path.open("rb") as file:
        file.seek(8)
        while len(header := file.read(8)) == 8:
            kind = header[4:]
            if is_behind and kind in _TEXTS:
                return True
            is_behind = is_behind or kind == b"IDAT"
            file.seek(int.from_bytes(header[:4], "big") + 4, 1)
    return False
