"""What is missing in the middle of a damaged file, which FFmpeg passes over in silence.

Evidence is what the container says of itself: elements of a file that do not fit into each other, packets of
a transport stream that are missing by their count; and the marks of the decoder on images it made up. Gaps
in the times alone are none: many cameras drop frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .container import NO_TIME, Packets
from .structure import structural_damage

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = 0x18538067
_CLUSTER = 0x1F43B675
_TOP = frozenset(
    (0x114D9B74, 0x1549A966, 0x1654AE6B, _CLUSTER, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469, 0xEC, 0xBF)
)
"""Children of a Segment (RFC 9559)."""
_IN_CLUSTER = frozenset((0xE7, 0xA3, 0xA0, 0xAB, 0xA7, 0x5854, 0xAF, 0xEC, 0xBF))
_CHUNK = 1 << 20
_HEADER = 12
"""Bytes of the longest id and size of an element."""
_GAP = 1.8
"""A step of this many usual ones has frames missing in it."""
_NEAR_JOIN = 3
"""Packets before a jump back in time whose count breaks because recordings were joined there."""
SHOWN = 3


def find_losses(path: Path, packets: Packets, seconds: Callable[[int], float | None]) -> tuple[str, ...]:
    """Sentences on damage in the middle of a file, and on frames that are missing there.

    Args:
        path: the file.
        packets: what it says of its packets.
        seconds: from ticks of the stream to seconds.

    Raises:
        OSError: if the file cannot be read.
    """
    found = structural_damage(path)
    found += [f"the data is damaged at byte {offset}" for offset in damaged_elements(path)]
    corrupt = _corrupt_packets(packets)
    if len(corrupt):
        found.append(f"{len(corrupt)} packet(s) are incomplete, the first that of about frame {corrupt[0]}")
    if not found:
        return ()
    if len(found) > SHOWN:
        found[SHOWN:] = [f"and {len(found) - SHOWN} more places"]
    return (*found, *_gaps(packets, seconds))


def describe_damaged(frames: Sequence[int]) -> str:
    """A sentence on frames of which the decoder made up parts: ``3 frame(s) are damaged: 4 to 5, 9``."""
    numbers = np.array(frames, dtype=np.int64)
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    ranges = [f"{part[0]} to {part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts]
    if len(ranges) > SHOWN:
        ranges[SHOWN:] = ["..."]
    return f"{len(numbers)} frame(s) are damaged, with parts made up from others: {', '.join(ranges)}"


def _corrupt_packets(packets: Packets) -> NDArray[np.intp]:
    """Numbers of packets marked as damaged, but those at the seam of joined recordings and the last one."""
    return np.flatnonzero(packets.is_corrupt & ~at_cuts(packets))


def at_cuts(packets: Packets) -> NDArray[np.bool_]:
    """Which packets are where a stream was cut, and so may be there in part: the last one, and those before
    recordings that were joined."""
    found = np.zeros(len(packets), np.bool_)
    found[-1:] = True
    jumps = np.flatnonzero(np.diff(packets.dts) < 0)
    for before in range(_NEAR_JOIN):
        found[np.maximum(jumps - before, 0)] = True
    return found


def _gaps(packets: Packets, seconds: Callable[[int], float | None]) -> Iterator[str]:
    """Where times are further apart than usual."""
    pts = np.unique(packets.pts[(packets.pts != NO_TIME) & ~packets.is_hidden])
    if len(pts) < 3:
        return
    steps = np.diff(pts)
    usual = float(np.median(steps))
    wide = np.flatnonzero(steps > _GAP * usual)
    missing = np.round(steps[wide] / usual).astype(int) - 1
    for place, count in list(zip(wide.tolist(), missing.tolist(), strict=True))[:SHOWN]:
        before, after = seconds(int(pts[place])), seconds(int(pts[place + 1]))
        if before is not None and after is not None:
            yield (
                f"about {count} frame(s) are missing between frame {place} ({before:.3f} s) and the next "
                f"({after:.3f} s)"
            )
    if len(wide) > SHOWN:
        yield f"about {int(missing[SHOWN:].sum())} more are missing after that"


def damaged_elements(path: Path) -> list[int]:
    """Offsets of elements of a Matroska file that do not fit into their parents; none for other files.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != _EBML:
            return []
        length = file.seek(0, 2)
        file.seek(0)
        _, size, at = _element(file)
        if size is None:
            return []
        file.seek(at + size)
        kind, size, at = _element(file)
        if kind != _SEGMENT:
            return []
        return list(_walk(file, at, length if size is None else min(at + size, length)))


def _walk(file: BinaryIO, at: int, end: int) -> Iterator[int]:
    """Offsets of damage among the children of a segment from ``at`` to ``end``."""
    while at < end:
        file.seek(at)
        kind, size, body = _element(file)
        if kind not in _TOP or (size is not None and body + size > end):
            if kind in _TOP and kind != _CLUSTER:
                return  # the last element is cut short: truncation, which is reported elsewhere
            if kind != _CLUSTER:
                yield at
                at = _next_cluster(file, at + 1, end)
                continue
        if kind != _CLUSTER:
            if size is None:
                return
            at = body + size
            continue
        stop = end if size is None else min(body + size, end)
        # A last cluster that is cut short is truncation, which the reader reports when it gets there.
        cut = size is not None and body + size > end
        at, damage = _walk_cluster(file, body, stop, open_end=size is None or cut)
        if cut and damage is not None and damage > stop - _HEADER:
            damage = None
        if damage is not None:
            yield damage
            file.seek(stop)
            whole = size is not None and (stop >= end or _element(file)[0] in _TOP)
            at = stop if whole else _next_cluster(file, damage + 1, end)


def _walk_cluster(file: BinaryIO, at: int, stop: int, *, open_end: bool) -> tuple[int, int | None]:
    """Where the cluster ends, and the offset of a child that does not fit into it, if any."""
    while at < stop:
        file.seek(at)
        kind, size, body = _element(file)
        if open_end and kind in _TOP and kind not in _IN_CLUSTER:
            return at, None
        if kind not in _IN_CLUSTER or size is None:
            return at, at
        if body + size > stop:
            return stop, None if open_end else at
        at = body + size
    return stop, None


def _next_cluster(file: BinaryIO, at: int, end: int) -> int:
    """Offset of the next cluster's first byte, or ``end``."""
    mark = _CLUSTER.to_bytes(4, "big")
    while at < end:
        file.seek(at)
        chunk = file.read(_CHUNK)
        found = chunk.find(mark)
        if found >= 0:
            return at + found
        if len(chunk) < _CHUNK:
            break
        at += _CHUNK - len(mark) + 1
    return end


def _element(file: BinaryIO) -> tuple[int, int | None, int]:
    """Id, size (None if unknown) and offset of the content of the element here; id -1 where there is none."""
    first = file.read(1)
    if not first or first[0] < 0x10:
        return -1, None, file.tell()
    kind = int.from_bytes(first + file.read(8 - first[0].bit_length()), "big")
    first = file.read(1)
    if not first or first[0] == 0:
        return -1, None, file.tell()
    extra = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> extra)]) + file.read(extra), "big")
    unknown = value == (1 << (7 * (extra + 1))) - 1
    return kind, None if unknown else value, file.tell()
