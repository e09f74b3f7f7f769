"""Label maps from PNG files: the numbers that are stored, not the colours they stand for.

OpenCV is the quickest decoder at hand and works without Python's lock, but turns palette pictures into
colours. So a palette picture is handed to it as what its bytes also are, a grey picture.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3


def read_label_png(path: Path) -> NDArray[np.uint8]:
    """Read an index mask: a PNG with a palette, or a grey one.

    The values are those Pillow gives: palette indices, grey levels (1-bit grey is 0/1; 2 and 4-bit grey are
    spread over 0..255). A colour PNG will do if all of its pixels are grey, as a few of DAVIS 2016 are.

    Returns:
        (H, W) uint8.

    Raises:
        MediaError: no PNG, a damaged one, one in colours, or one with values above 255; names the file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return _decode(data)
    except ValueError as error:
        raise MediaError(f"cannot read {path} as a mask: {error}") from None


def _decode(data: bytes) -> NDArray[np.uint8]:
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise ValueError("the PNG has no header")
    header = chunks[0][1]
    depth, colour = header[8], header[9]
    if colour == _PALETTE:
        header = header[:9] + bytes([_GREY]) + header[10:]
    # Without the palette, and without what would change a value on the way: transparency, gamma, profiles.
    parts = [_chunk(b"IHDR", header), *(_chunk(kind, body) for kind, body in chunks if kind == b"IDAT")]
    png = b"".join([_SIGNATURE, *parts, _chunk(b"IEND", b"")])
    try:
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # an absurd size in the header
        picture = None
    if picture is None:
        raise ValueError("the PNG is damaged")
    labels = _one_channel(picture)
    # The decoder spreads 1, 2 and 4-bit grey over 0..255. Indices want that undone, and 1-bit grey is 0/1.
    if depth < 8 and (colour == _PALETTE or depth == 1):
        labels = labels // np.uint8(255 // ((1 << depth) - 1))
    return labels


def _one_channel(picture: NDArray) -> NDArray[np.uint8]:
    if picture.ndim == 3:
        first = picture[..., 0]
        if any((picture[..., channel] != first).any() for channel in (1, 2)):
            raise ValueError(
                "it is a colour picture; masks are index PNG (with a palette) or grey, "
                "one number per pixel: save the object ids, not their colours"
            )
        picture = np.ascontiguousarray(first)
    if picture.dtype != np.uint8:
        if picture.max(initial=0) > 255:
            raise ValueError(f"it has 16-bit values up to {picture.max()}; ids go up to 255")
        picture = picture.astype(np.uint8)
    return picture


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of every chunk; ValueError unless all of the file is there and unharmed."""
    if not data:
        raise ValueError("the file is empty")
    if not data.startswith(_SIGNATURE):
        raise ValueError("it is not a PNG")
    at = len(_SIGNATURE)
    while len(data) >= at + 12:
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if data[at + 8 + length : at + 12 + length] != _checksum(kind, body):
            break
        yield kind, body
        if kind == b"IEND":
            return
        at += 12 + length
    raise ValueError("the PNG is cut short or damaged")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + _checksum(kind, body)


def _checksum(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
