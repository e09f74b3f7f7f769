"""Label maps from PNG files: the numbers that are stored, not the colours they stand for.

Half of the time of an evaluation is spent here, so there are two ways in. Images with a palette or few bits
are usually stored as they are, and unpacking them is all there is to do. For the rest OpenCV is the quickest
decoder at hand; it turns palettes into colours, so it is given such an image as what its bytes also are, a
grey image. Both work without Python's lock.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..limits import check_pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
_GREY, _PALETTE = 0, 3
_LARGE = 1 << 26
"""Bytes to reserve at most before there is anything to fill them, whatever a header claims."""


def read_label_png(path: Path) -> NDArray[np.uint8]:
    """Read an index mask: a PNG with a palette, or a grey one.

    The values are those Pillow gives: palette indices, grey levels (1-bit grey is 0/1; 2 and 4-bit grey are
    spread over 0..255). A colour PNG will do if all of its pixels are grey, as a few of DAVIS 2016 are.

    Returns:
        (H, W) uint8, possibly read-only.

    Raises:
        MediaError: no PNG, a damaged one, one in colours, or one with values above 255; names the file.
    """
    return _read(path, _one_channel)


def read_foreground_png(path: Path) -> NDArray[np.bool_]:
    """Read the mask of one object from a PNG of any kind: what is not 0, or in colours what is not black.

    A colour is black if its grey level, as OpenCV has it, is 0.

    Returns:
        (H, W) bool.

    Raises:
        MediaError: no PNG, or a damaged one; names the file.
    """
    foreground: NDArray[np.bool_] = _read(path, _not_black) != 0
    return foreground


Flatten = Callable[[NDArray], NDArray[np.uint8]]
"""What OpenCV decoded, (H, W) or (H, W, C) BGR, as one number per pixel."""


def _read(path: Path, flatten: Flatten) -> NDArray[np.uint8]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return _decode(data, flatten)
    except ValueError as error:
        raise MediaError(f"cannot read {path} as a mask: {error}") from None


def _decode(data: bytes, flatten: Flatten) -> NDArray[np.uint8]:
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != _HEADER.size:
        raise ValueError("the PNG has no header")
    width, height, depth, colour, *_, interlaced = _HEADER.unpack(chunks[0][1])
    pixels = [body for kind, body in chunks if kind == b"IDAT"]
    if width == 0 or height == 0 or depth not in ((1, 2, 4, 8) if colour == _PALETTE else (1, 2, 4, 8, 16)):
        raise ValueError("the PNG is damaged")
    check_pixels(width, height)
    indices = colour == _PALETTE or (colour == _GREY and depth == 1)
    if indices and not interlaced:
        labels = _unpack(b"".join(pixels), width, height, depth)
        if labels is not None:
            return labels
    header = _HEADER.pack(width, height, depth, _GREY if colour == _PALETTE else colour, 0, 0, interlaced)
    labels = flatten(_decode_with_opencv(header, pixels))
    # OpenCV spreads 1, 2 and 4-bit grey over 0..255.
    return labels // np.uint8(255 // ((1 << depth) - 1)) if indices and depth < 8 else labels


def _unpack(pixels: bytes, width: int, height: int, depth: int) -> NDArray[np.uint8] | None:
    """(H, W) uint8 values of an unfiltered image with up to 8 bits per pixel; None if it is filtered."""
    stride = 1 + (width * depth + 7) // 8
    try:
        raw = zlib.decompressobj().decompress(pixels, height * stride)  # no more than the header promises
    except zlib.error:
        raise ValueError("the PNG is damaged") from None
    if len(raw) < height * stride:
        raise ValueError("the PNG is damaged")
    rows = np.frombuffer(raw, np.uint8, height * stride).reshape(height, stride)
    if rows[:, 0].any():
        return None
    packed = rows[:, 1:]
    if depth == 8:
        return packed
    bits = np.unpackbits(packed, axis=1, count=width * depth)
    if depth == 1:
        return bits
    upper = np.packbits(bits.reshape(height, width, depth), axis=2)[..., 0]
    return upper >> np.uint8(8 - depth)


def _decode_with_opencv(header: bytes, pixels: list[bytes]) -> NDArray:
    # Pixels only, without what would change a value on the way: palette, transparency, gamma, profiles.
    parts = [_chunk(b"IHDR", header), *(_chunk(b"IDAT", body) for body in pixels), _chunk(b"IEND", b"")]
    try:
        image = cv2.imdecode(np.frombuffer(_SIGNATURE + b"".join(parts), np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # an absurd size in the header
        image = None
    if image is None:
        raise ValueError("the PNG is damaged")
    return image


def _one_channel(image: NDArray) -> NDArray[np.uint8]:
    if image.ndim == 3:
        first = image[..., 0]
        if any((image[..., channel] != first).any() for channel in (1, 2)):
            raise ValueError(
                "it is a colour image; masks are index PNG (with a palette) or grey, "
                "one number per pixel: save the object ids, not their colours"
            )
        image = np.ascontiguousarray(first)
    if image.dtype != np.uint8:
        if image.max(initial=0) > 255:
            raise ValueError(f"it has 16-bit values up to {image.max()}; ids go up to 255")
        image = image.astype(np.uint8)
    return image


def _not_black(image: NDArray) -> NDArray[np.uint8]:
    """255 where there is a foreground, 0 elsewhere; alpha does not count."""
    if image.ndim == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_BGR2GRAY)
    return np.where(image > 0, np.uint8(255), np.uint8(0))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of every chunk; ValueError unless all of the file is there and unharmed."""
    if not data:
        raise ValueError("the file is empty")
    if not data.startswith(_SIGNATURE):
        if data.startswith(b"\xff\xd8\xff"):
            raise ValueError("it is a JPEG, whose compression changes ids near edges; write masks as PNG")
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
