"""Masks are read as the numbers that are stored."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos.errors import MediaError
from vos.evaluation.label_png import read_label_png

LABELS = np.random.default_rng(0).integers(0, 2, (13, 21)).astype(np.uint8)


def save(path: Path, values: np.ndarray, mode: str = "P", **options) -> Path:
    """Write with Pillow; ``P`` gets a palette in which no colour is its own index."""
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette([(7 * i + 50) % 256 for i in range(768)])
    elif mode != image.mode:
        image = image.convert(mode)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_indices_of_every_depth(tmp_path: Path, bits: int) -> None:
    """Indices come back whatever the palette says and however tightly they are packed."""
    values = np.random.default_rng(bits).integers(0, 1 << bits, (13, 21)).astype(np.uint8)
    path = save(tmp_path / "a.png", values, bits=bits)
    assert path.read_bytes()[24] == bits
    labels = read_label_png(path)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, values)


def png(header: tuple[int, ...], raw: bytes) -> bytes:
    """A PNG with a palette, by hand: header fields, and rows that are filtered already."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *header)), (b"PLTE", bytes(range(48)) * 16)]
    chunks += [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_filtered_palette_indices(tmp_path: Path, bits: int) -> None:
    """Rows stored as differences from the row above, which encoders may do but seldom do, are undone."""
    values = np.random.default_rng(bits).integers(0, 1 << bits, (13, 21)).astype(np.uint8)
    shifts = np.arange(8 - bits, -1, -bits)
    padded = np.pad(values, ((0, 0), (0, -21 % len(shifts)))).reshape(13, -1, len(shifts))
    packed = (padded << shifts).sum(axis=2).astype(np.uint8)
    differences = np.diff(packed, axis=0, prepend=np.zeros((1, packed.shape[1]), np.uint8))
    raw = b"".join(b"\x02" + row.tobytes() for row in differences)
    (tmp_path / "a.png").write_bytes(png((21, 13, bits, 3, 0, 0, 0), raw))
    np.testing.assert_array_equal(read_label_png(tmp_path / "a.png"), values)


def test_interlaced_palette_indices(tmp_path: Path) -> None:
    """Seven passes from coarse to fine are put together."""
    values = np.random.default_rng(0).integers(0, 256, (13, 21)).astype(np.uint8)
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    rows = [row for y, x, dy, dx in passes for row in values[y::dy, x::dx]]
    raw = b"".join(b"\x00" + row.tobytes() for row in rows)
    (tmp_path / "a.png").write_bytes(png((21, 13, 8, 3, 0, 0, 1), raw))
    np.testing.assert_array_equal(read_label_png(tmp_path / "a.png"), values)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param((0, 13, 8, 3, 0, 0, 0), id="no width"),
        pytest.param((21, 13, 3, 3, 0, 0, 0), id="3 bits"),
        pytest.param((10, 13, 16, 3, 0, 0, 0), id="16 bits of palette"),
        pytest.param((21, 14, 8, 3, 0, 0, 0), id="a row short"),
        pytest.param((2**31 - 1, 2**31 - 1, 8, 3, 0, 0, 0), id="absurd, with a palette"),
        pytest.param((2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0), id="absurd, grey"),
    ],
)
def test_headers_that_lie(tmp_path: Path, header: tuple[int, ...]) -> None:
    """What the header promises and the file does not hold is damage, and reserves no memory."""
    (tmp_path / "a.png").write_bytes(png(header, bytes(13 * 22)))
    reason = (
        "it claims to be 2147483647x2147483647 pixels" if header[0] == 2**31 - 1 else "the PNG is damaged"
    )
    with pytest.raises(MediaError, match=rf"a\.png as a mask: {reason}"):
        read_label_png(tmp_path / "a.png")


def test_damaged_pixels(tmp_path: Path) -> None:
    """A stream that cannot be unpacked, with correct checksums around it."""
    data = png((21, 13, 8, 3, 0, 0, 0), bytes(13 * 22))
    start = data.index(b"IDAT")
    body = b"\x78\x9c" + b"\xff" * 20
    broken = struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    (tmp_path / "a.png").write_bytes(data[: start - 4] + broken + data[-12:])
    with pytest.raises(MediaError, match="the PNG is damaged"):
        read_label_png(tmp_path / "a.png")


def test_transparency_changes_nothing(tmp_path: Path) -> None:
    """A palette with transparent entries is still a palette of indices."""
    path = save(tmp_path / "a.png", LABELS * 3, transparency=0)
    np.testing.assert_array_equal(read_label_png(path), LABELS * 3)


@pytest.mark.parametrize("write_mode", ["L", "1", "LA", "RGB", "RGBA", "I;16"])
def test_grey_of_every_kind(tmp_path: Path, write_mode: str) -> None:
    """Grey levels are the numbers; black and white in one bit are 0 and 1."""
    if write_mode == "1":
        path, expected = save(tmp_path / "a.png", LABELS.astype(bool), "1"), LABELS
    elif write_mode == "I;16":
        path, expected = save(tmp_path / "a.png", LABELS.astype(np.uint16) * 200, "I;16"), LABELS * 200
    else:
        path, expected = save(tmp_path / "a.png", LABELS * 255, write_mode), LABELS * 255
    np.testing.assert_array_equal(read_label_png(path), expected)


@pytest.mark.parametrize("name", ["P", "L"])
def test_equal_to_pillow(tmp_path: Path, name: str) -> None:
    """All 256 values, as Pillow reads them."""
    values = np.arange(256, dtype=np.uint8).reshape(8, 32)
    path = save(tmp_path / "a.png", values, name)
    np.testing.assert_array_equal(read_label_png(path), np.asarray(Image.open(path)))


def test_colours_are_refused(tmp_path: Path) -> None:
    """A painted mask says which colour, not which object."""
    picture = np.zeros((5, 6, 3), np.uint8)
    picture[2, 2] = 128, 0, 0
    path = save(tmp_path / "a.png", picture, "RGB")
    with pytest.raises(MediaError, match=r"a\.png as a mask: it is a colour image"):
        read_label_png(path)


def test_large_numbers_are_refused(tmp_path: Path) -> None:
    """Ids beyond a byte are told, not cut off."""
    path = save(tmp_path / "a.png", np.full((4, 4), 256, np.uint16), "I;16")
    with pytest.raises(MediaError, match="16-bit values up to 256"):
        read_label_png(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda data: b"", "the file is empty", id="empty"),
        pytest.param(lambda data: b"JFIF" + data, "not a PNG", id="other format"),
        pytest.param(lambda data: data[:-20], "cut short or damaged", id="truncated"),
        pytest.param(lambda data: data[:8], "cut short or damaged", id="signature only"),
        pytest.param(
            lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:],
            "cut short or damaged",
            id="flipped bit",
        ),
        pytest.param(lambda data: data[:8] + data[-12:], "no header", id="no header"),
        pytest.param(lambda data: data[:33] + data[-12:], "the PNG is damaged", id="no pixels"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, damage, message: str) -> None:
    """Whatever is wrong, the error names the file."""
    path = save(tmp_path / "mask.png", LABELS, "L")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MediaError, match=rf"mask\.png as a mask: .*{message}"):
        read_label_png(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    """A missing file is an error of ours too."""
    with pytest.raises(MediaError, match=r"absent\.png: No such file"):
        read_label_png(tmp_path / "absent.png")
