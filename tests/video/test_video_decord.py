"""The decord reader: the frames of PyAV, or a refusal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from video_clips import number_of, write_clip

from vos.errors import MediaError
from vos.video import decord_reader, open_video

Clip = Callable[[str], Path]
FAITHFUL = (
    "b_frames.mp4",
    "one_keyframe.mkv",
    "open_gop.mp4",
    "variable_rate.mp4",
    "late_start.mp4",
    "vp9_odd.webm",
    "prores.mov",
    "hevc_10_bit.mp4",
)

try:
    import decord
except ImportError:
    decord = None
needs_decord = pytest.mark.skipif(decord is None, reason="decord has no package for this platform")


@needs_decord
@pytest.mark.parametrize("name", FAITHFUL)
def test_same_frames_as_pyav(clip: Clip, name: str) -> None:
    """Number, names, times and (to rounding) pixels are those of PyAV."""
    expected, found = list(open_video(clip(name))), list(open_video(clip(name), reader="decord"))
    assert [(f.index, f.name, f.time) for f in found] == [(f.index, f.name, f.time) for f in expected]
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a.image.astype(int) - b.image).mean() < 1


@needs_decord
@pytest.mark.parametrize("name", ["b_frames.mp4", "one_keyframe.mkv"])
def test_random_access(clip: Clip, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backwards, from the middle and with a stride, in small blocks."""
    monkeypatch.setattr(decord_reader, "_BLOCK_BYTES", 4 * 64 * 48 * 3)
    video = open_video(clip(name), reader="decord", start=1, stride=2)
    numbers = list(range(1, 30, 2))
    assert [number_of(frame.image) for frame in video] == numbers
    assert [number_of(frame.image) for frame in video.frames(reverse=True)] == numbers[::-1]
    assert [number_of(frame.image) for frame in video.frames(12, 20)] == [13, 15, 17, 19]
    assert video.count_frames() == 15


@needs_decord
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hidden_start.mp4", "an edit list hides 5 of its frames"),
        ("mpeg4.avi", "files of type avi"),
        ("transport.ts", "files of type mpegts"),
        ("vp8.webm", "a packet of vp8 is not always a frame"),
        ("animation.gif", "files of type gif"),
    ],
)
def test_files_it_would_misread_are_refused(clip: Clip, name: str, reason: str) -> None:
    """Files of which decord gives other frames, or may, are refused with the reader that can."""
    with pytest.raises(MediaError, match=reason) as caught:
        open_video(clip(name), reader="decord")
    assert "use --reader pyav" in str(caught.value)


@needs_decord
def test_rotated_files_are_refused(tmp_path: Path) -> None:
    """decord 0.6 gives empty pictures of the wrong shape for rotated video."""
    path = tmp_path / "a.mp4"
    try:
        write_clip(path, 3, setup=lambda stream: stream.set_display_rotation(90))
    except AttributeError:
        pytest.skip("this PyAV cannot write display matrices")
    with pytest.raises(MediaError, match="marked to be rotated"):
        open_video(path, reader="decord")


@needs_decord
def test_cut_files_are_refused(tmp_path: Path) -> None:
    """decord would make up the missing frames."""
    whole = write_clip(tmp_path / "whole.mp4", container_options={"movflags": "faststart"})
    data = whole.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) * 9 // 10])
    with pytest.raises(MediaError, match="the file is cut short"):
        open_video(path, reader="decord")


def test_absent_decord_is_explained(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where decord is not installed the message says how to do without."""
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(MediaError, match="the reader decord is not installed: pip install decord") as caught:
        open_video(clip("b_frames.mp4"), reader="decord")
    assert "use --reader pyav" in str(caught.value)
