"""The orientation of image files, wherever it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from vos.exif import exif_orientation


def save(path: Path, orientation: int | None, **options: object) -> Path:
    """An image, with an orientation if there is one."""
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.new("RGB", (64, 32)).save(path, exif=exif, **options)
    return path


def behind_pixels(path: Path) -> None:
    """Move the EXIF chunk of a PNG to its end, where it may be, too."""
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    last = data.index(b"IEND") - 4
    path.write_bytes(data[:start] + data[end:last] + data[start:end] + data[last:])


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", [None, 1, 6])
def test_orientation(tmp_path: Path, suffix: str, orientation: int | None) -> None:
    """1 where there is none."""
    path = save(tmp_path / f"image.{suffix}", orientation)
    with Image.open(path) as image:
        assert exif_orientation(image, path) == (orientation or 1)


def test_orientation_behind_the_pixels_of_a_png(tmp_path: Path) -> None:
    """As some programs write it that add metadata to a file."""
    path = save(tmp_path / "image.png", 8)
    behind_pixels(path)
    with Image.open(path) as image:
        assert exif_orientation(image, path) == 8


def test_a_png_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a folder of thousands would take minutes."""
    path = save(tmp_path / "image.png", 6)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("decoded"))
    with Image.open(path) as image:
        assert exif_orientation(image, path) == 6
