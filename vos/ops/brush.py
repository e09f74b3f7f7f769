"""Label Studio's brush masks: a bit stream of runs over the RGBA values of an image.

The stream is a 32-bit number of values (4*H*W), 5 bits word size minus 1, four times 4 bits: the widths of
the four length classes minus 1; then blocks of 1 bit kind (1: a run, 0: literal values), 2 bits length class,
the length minus 1 in as many bits as the class says, and one word (a run) or ``length`` words; most
significant bit first, zeros up to a whole byte.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..limits import MAX_PIXELS
from .rle import row_runs

_WIDTHS = (3, 4, 8, 16)
"""Bits of the four length classes as they are written."""
_LONGEST = 1 << _WIDTHS[-1]
_CHANNELS = 4
_HEADER_BITS = 32 + 5 + 4 * 4


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """The bytes of an (H, W) mask: 255 in all four channels where it is True, else 0."""
    lengths = _CHANNELS * row_runs(mask)
    values = np.arange(lengths.size) % 2
    values, lengths = values[lengths > 0], lengths[lengths > 0]
    pieces = -(-lengths // _LONGEST)
    values = np.repeat(values, pieces)
    split = np.full(values.size, _LONGEST, dtype=np.int64)
    split[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * _LONGEST
    classes = np.searchsorted([1 << w for w in _WIDTHS], split)
    widths = np.asarray(_WIDTHS)[classes]
    header = _bits(
        np.array([_CHANNELS * mask.size, 7, *(w - 1 for w in _WIDTHS)]), np.array([32, 5, 4, 4, 4, 4])
    )
    # Kind and class, length - 1, and the word, as one number of up to 27 bits.
    numbers = ((4 + classes) << (widths + 8)) | ((split - 1) << 8) | (255 * values)
    return np.packbits(np.concatenate([header, _bits(numbers, widths + 11)])).tolist()


def _bits(numbers: NDArray[np.int64], widths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The lowest ``widths[i]`` bits of every number, highest first, one after the other."""
    ends = np.cumsum(widths)
    shift = np.repeat(ends, widths) - 1 - np.arange(ends[-1] if ends.size else 0)
    return ((np.repeat(numbers, widths) >> shift) & 1).astype(np.uint8)


def decode_brush(data: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) mask: where the alpha channel is above 127.

    Raises:
        ValueError: the stream is damaged, or of another size.
    """
    height, width = size
    total = _CHANNELS * height * width
    if height * width > MAX_PIXELS:
        raise ValueError(f"an image of {width}x{height} pixels is not read")
    try:
        raw = bytes(data)
    except (ValueError, TypeError):
        raise ValueError("a brush mask is not a list of bytes") from None
    stream = _BitReader(raw)
    claimed = stream.take(32)
    if claimed != total:
        raise ValueError(f"a brush mask has {claimed} values, its image of {width}x{height} has {total}")
    word = stream.take(5) + 1
    widths = [stream.take(4) + 1 for _ in range(4)]
    values = np.zeros(total, dtype=np.uint8)
    at = 0
    high = max(word - 8, 0)
    while at < total:
        is_run = stream.take(1)
        length = stream.take(widths[stream.take(2)]) + 1
        if at + length > total:
            raise ValueError("a brush mask has more values than its image")
        if is_run:
            values[at : at + length] = stream.take(word) >> high
        else:
            values[at : at + length] = [stream.take(word) >> high for _ in range(length)]
        at += length
    return values.reshape(height, width, _CHANNELS)[..., -1] > 127


class _BitReader:
    """Numbers of any width from bytes, highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> int:
        """The next ``count`` bits as a number."""
        end = self._at + count
        if end > 8 * len(self._data):
            raise ValueError("a brush mask is cut short")
        chunk = int.from_bytes(self._data[self._at // 8 : -(-end // 8)], "big")
        self._at = end
        return (chunk >> (-end % 8)) & ((1 << count) - 1)
