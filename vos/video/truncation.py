"""Whether a file is shorter than it says itself.

FFmpeg reads a file that was cut short without an error, up to the cut; the containers people use say how
long they are, in the first bytes or box by box.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

BOX_TYPES = frozenset(
    b"ftyp moov mdat moof free skip wide uuid udta meta sidx ssix styp pdin mfra emsg".split()
)
"""Top-level boxes of ISO base media files (MP4, MOV)."""
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"


def missing_bytes(path: Path) -> int:
    """How many bytes the file says it has beyond its end: 0 where it is whole, or does not say.

    Reads MP4 and MOV boxes, RIFF (AVI) chunks and the Matroska segment.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(12)
        length = file.seek(0, 2)
        if start[4:8] in BOX_TYPES:
            end = _end_of_boxes(file, length)
        elif start[:4] == b"RIFF":
            end = _end_of_riff(start)
        elif start[:4] == _EBML:
            end = _end_of_segment(file)
        else:
            end = 0
    return max(0, end - length)


def _end_of_boxes(file: BinaryIO, length: int) -> int:
    """A box begins with its size, u32 big-endian, and type; size 1: u64 follows; 0: up to the end of the file
    (ISO 14496-12, 4.2)."""
    position = 0
    while position < length:
        file.seek(position)
        header = file.read(16)
        if len(header) < 8 or header[4:8] not in BOX_TYPES:
            break  # something appended after the last box
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if size < 8:
            break
        position += size
    return position


def _end_of_riff(start: bytes) -> int:
    """End of the first RIFF chunk; a recorder that was stopped leaves the size at 0 or at its maximum."""
    size: int = struct.unpack("<I", start[4:8])[0]
    return 0 if size in (0, 0xFFFFFFFF) else 8 + size


def _end_of_segment(file: BinaryIO) -> int:
    """EBML element: id, then a size whose leading zero bits say how many bytes it takes (RFC 8794, 4)."""
    file.seek(4)
    header_size, _ = _ebml_size(file)
    if header_size is None:
        return 0
    file.seek(header_size, 1)
    if file.read(4) != _SEGMENT:
        return 0
    size, _ = _ebml_size(file)
    return 0 if size is None else file.tell() + size


def _ebml_size(file: BinaryIO) -> tuple[int | None, int]:
    """(value, bytes read); the value is None where all bits are set: unknown, as in a live recording."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None, len(first)
    extra = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> extra)]) + file.read(extra), "big")
    unknown = (1 << (7 * (extra + 1))) - 1
    return (None if value == unknown else value), 1 + extra
