"""Damage that shows in how an MP4, MOV or GIF file is built, which FFmpeg passes over in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .truncation import BOX_TYPES

_GIF = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _TRAILER, _PADDING = b"!", b",", b";", b"\0"
_CHUNK = 1 << 20
_MEDIA = (b"moof", b"moov")
"""Boxes that say which frames there are; one behind unreadable data is a part of the video that is lost."""


def structural_damage(path: Path) -> list[str]:
    """Sentences on what is lost of an MP4, MOV or GIF file; none for other files.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(12)
        length = file.seek(0, 2)
        if start[:6] in _GIF:
            return list(_gif_damage(file, length))
        if start[4:8] in BOX_TYPES:
            return list(_box_damage(file, length))
    return []


def _box_damage(file: BinaryIO, length: int) -> Iterator[str]:
    """Fragments behind something that is no box, and recordings that were appended (ISO 14496-12, 4.2)."""
    position, has_index = 0, False
    began: int | None = None  # where another recording begins, unless it goes on with the first one
    first_time: int | None = None
    while position < length:
        kind, size = _box_at(file, position)
        if not _is_box(file, position, length):
            if _finds_media(file, position + 1):
                yield f"the data is damaged at byte {position}"
            break
        if kind == b"moof":
            time = _decode_time(file, position, size)
            if began is not None and first_time is not None and time is not None and time > first_time:
                began = None  # a stream that was saved in pieces, each with a header of its own
            first_time = time if first_time is None else first_time
        if began is not None and kind in (b"moof", b"mdat"):
            break
        if has_index and kind in (b"ftyp", b"moov"):
            began = position if began is None else began
        has_index = has_index or kind == b"moov"
        if size < 8:  # the last box has no length
            break
        position += size
    if began is not None:
        yield (
            f"another recording begins at byte {began}, which is not read, or not in full; join "
            "recordings with the concat demuxer of FFmpeg"
        )


def _box_at(file: BinaryIO, position: int) -> tuple[bytes, int]:
    """Type and length of the box that begins at ``position``, as its first bytes say."""
    file.seek(position)
    header = file.read(16)
    size = int.from_bytes(header[:4], "big")
    return header[4:8], int.from_bytes(header[8:16], "big") if size == 1 else size


def _is_box(file: BinaryIO, position: int, length: int) -> bool:
    """Whether there is a box: of a known type, or of one that readers pass over, with a known one, or the end
    of the file, behind it."""
    kind, size = _box_at(file, position)
    if kind in BOX_TYPES:
        return True
    end = position + size
    is_word = len(kind) == 4 and kind.isascii() and kind.decode("ascii").isprintable()
    return is_word and size >= 8 and (end == length or _box_at(file, end)[0] in BOX_TYPES)


def _decode_time(file: BinaryIO, position: int, size: int) -> int | None:
    """The time of decoding that a fragment begins with, in ticks of its first track."""
    file.seek(position)
    content = file.read(min(size, _CHUNK))
    at = content.find(b"tfdt")
    if at < 0:
        return None
    return int.from_bytes(content[at + 8 : at + (16 if content[at + 4] else 12)], "big")


def _finds_media(file: BinaryIO, position: int) -> bool:
    """Whether a box of :data:`_MEDIA` begins at ``position`` or after it, as far as its type tells."""
    file.seek(position)
    before = b""
    while chunk := file.read(_CHUNK):
        if any(kind in before + chunk for kind in _MEDIA):
            return True
        before = chunk[-3:]
    return False


def _gif_damage(file: BinaryIO, length: int) -> Iterator[str]:
    """A file that ends in a block, or a block of no known kind (GIF89a, appendix A).

    Some programs leave out the trailer, so a file may end after any block.
    """
    file.seek(10)
    file.seek(13 + _table_bytes(file.read(1)))
    while (position := file.tell()) <= length:
        kind = file.read(1)
        if kind in (_TRAILER, b""):
            return
        if kind == _PADDING:  # some programs leave it between blocks
            continue
        if kind == _EXTENSION:
            file.seek(1, 1)
        elif kind == _IMAGE:
            file.seek(8, 1)
            file.seek(_table_bytes(file.read(1)) + 1, 1)
        else:
            yield f"the data is damaged at byte {position}"
            return
        while (size := file.read(1)) not in (b"\0", b""):
            file.seek(size[0], 1)
        if not size:
            break
    yield "the file is cut short: it ends in the middle of an image"


def _table_bytes(flags: bytes) -> int:
    """Length of the colour table that the flags of a screen or an image announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0
