"""Which frames a file has, when each is shown, and where decoding can be entered."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .container import NO_TIME, Packets

_EXACT_CONTAINERS = frozenset(("mov", "matroska"))
"""First word of FFmpeg's names of the files that store each frame as one packet with its own time."""
_INTRA_ONLY = frozenset(("mjpeg", "png", "prores", "dnxhd", "huffyuv", "ffvhuff", "utvideo", "rawvideo"))
_ONE_FRAME_PER_PACKET = _INTRA_ONLY | {"h264", "hevc", "av1", "vp9", "ffv1"}
"""Codecs whose every packet becomes exactly one frame. Not so: VP8 has packets that are never shown, MPEG-4
part 2 has packets that say "as before"."""

_EVERY_PACKET_SHOWN = frozenset(
    ("mpeg1video", "mpeg2video", "wmv1", "wmv2", "msmpeg4v2", "msmpeg4v3", "flv1", "h263")
)
"""Further codecs with a frame in every packet, in containers that do not give each a time of its own."""


class Entry(NamedTuple):
    """A keyframe: decoding from this packet on gives this frame and all later ones."""

    frame: int
    packet: int


@dataclass(frozen=True, eq=False)
class Timeline:
    """The frames of a file in order of presentation.

    Entering a file in its middle relies on timestamps: without them there is one entry, the beginning.
    """

    pts: NDArray[np.int64]
    """(N,) presentation time in ticks of the stream; all NO_TIME unless they increase strictly."""
    entries: tuple[Entry, ...]
    """Ascending; the first is the beginning of the file."""
    damage: str | None = None
    """What is wrong at the end of the file, if anything."""
    damaged: tuple[int, ...] = ()
    """Frames of which the decoder made up parts, as far as they have been decoded."""

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def has_times(self) -> bool:
        """Whether frames can be identified by their time."""
        return len(self.pts) > 0 and self.pts[0] != NO_TIME

    def entry_before(self, frame: int) -> Entry:
        """The last entry from which decoding gives ``frame``."""
        return self.entries[bisect.bisect_right(self.entries, frame, key=lambda entry: entry.frame) - 1]

    def without_entries(self) -> Timeline:
        """The same frames, to be decoded from the beginning."""
        return Timeline(self.pts, self.entries[:1], self.damage)


def why_not_exact(packets: Packets, container: str, codec: str) -> str | None:
    """Why the packets do not tell for certain which frames will be decoded; None where they do.

    Where they do, counting frames and numbering them needs no decoding.
    """
    if container.split(",")[0] not in _EXACT_CONTAINERS:
        return f"files of type {container.split(',')[0]} do not store a time with every frame"
    if codec not in _ONE_FRAME_PER_PACKET:
        return f"a packet of {codec} is not always a frame"
    if len(packets) == 0 or not packets.is_key[0]:
        return "it does not begin with a keyframe"
    if packets.is_hidden.any():
        return f"an edit list hides {int(packets.is_hidden.sum())} of its frames"
    if packets.is_corrupt.any():
        return "it is damaged"
    if (packets.pts == NO_TIME).any() or len(np.unique(packets.pts)) != len(packets):
        return "its frames have no times of their own"
    if packets.pts.min() != packets.pts[0]:
        return "its first frames refer to frames that are not there"
    return None


def frames_expected(packets: Packets, codec: str) -> int | None:
    """How many frames undamaged packets would give; None where that is not certain.

    Packets before the first keyframe do not count, nor those that are shown before it.
    """
    if codec not in _EVERY_PACKET_SHOWN or not packets.is_key.any() or packets.is_hidden.any():
        return None
    if packets.is_corrupt.any() or (packets.pts == NO_TIME).any() or (np.diff(packets.dts) < 0).any():
        return None
    first = int(np.argmax(packets.is_key))
    return int((packets.pts[first:] >= packets.pts[first]).sum())


def timeline_of_packets(packets: Packets) -> Timeline:
    """The timeline of a file whose packets are its frames (see :func:`why_not_exact`)."""
    return _timeline(np.sort(packets.pts), packets, packets.damage)


def timeline_of_frames(times: Sequence[int | None], packets: Packets, damage: str | None) -> Timeline:
    """The timeline of a file that has been decoded: ``times`` holds the time of every image."""
    pts = np.array([NO_TIME if time is None else time for time in times], dtype=np.int64)
    if (pts == NO_TIME).any() or (np.diff(pts) <= 0).any():
        pts = np.full(len(pts), NO_TIME)
    return _timeline(pts, packets, damage)


def _timeline(pts: NDArray[np.int64], packets: Packets, damage: str | None) -> Timeline:
    entries = [Entry(0, 0)]
    if len(pts) and pts[0] != NO_TIME:
        keys = np.flatnonzero(packets.is_key)
        frames = np.minimum(np.searchsorted(pts, packets.pts[keys]), len(pts) - 1)
        shown = pts[frames] == packets.pts[keys]
        # Entries go forward both in the file and in time; anything else is not a place to start from.
        for frame, packet in zip(frames[shown].tolist(), keys[shown].tolist(), strict=True):
            if frame > entries[-1].frame and packet > entries[-1].packet:
                entries.append(Entry(frame, packet))
    return Timeline(pts, tuple(entries), damage)
