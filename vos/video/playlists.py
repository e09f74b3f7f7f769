"""Files that are no recordings themselves but name others: playlists and session descriptions.

FFmpeg would open what they name, other files of the user or addresses in a network, and wait for it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import av

_INDIRECT = frozenset(
    ("hls", "applehttp", "concat", "dash", "webm_dash_manifest", "imf", "sdp", "rtsp", "rtp", "sap", "lavfi")
) | frozenset(
    (
        "image2",
        "image2pipe",
        "avisynth",
        "vapoursynth",
        "ffmetadata",
        "libopenmpt",
        "mpjpeg",
        "smoothstreaming",
    )
)
"""FFmpeg's readers that open something else than the file they are given, or run it."""
_MARKS = (
    (rb"\s*#EXTM3U", "an HLS playlist (m3u8)"),
    (rb"\s*ffconcat version", "a concat list of FFmpeg"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<MPD\b", "a DASH manifest (MPD)"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<SmoothStreamingMedia\b", "a Smooth Streaming manifest"),
    (rb"v=0\r?\no=", "a session description (SDP)"),
    (rb"\s*\[playlist\]", "a playlist (pls)"),
)
_HEAD = 4096


def playlist_kind(path: Path) -> str | None:
    """What kind of list a file is, by its first bytes; None for anything else."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return None
    return next((name for mark, name in _MARKS if re.match(mark, head, re.DOTALL)), None)


@cache
def self_contained_formats() -> str:
    """FFmpeg's names of the formats it may read, for the option ``format_whitelist``."""
    return ",".join(sorted(av.formats_available - _INDIRECT))
