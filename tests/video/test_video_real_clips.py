"""Real clips: all ways of reading give the same frames."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from vos.frame import Frame
from vos.video import open_video, probe

FRAMES = {
    "clips/bike.mp4": 117,
    "clips/dog.mp4": 289,
    "clips_unlabelled/08_driving.mp4": 124,
}
"""Counted by other tools (OpenCV, decord)."""


def digest(frame: Frame) -> tuple[int, float | None, str]:
    """A frame in few bytes."""
    return frame.index, frame.time, hashlib.blake2b(frame.image.data, digest_size=16).hexdigest()


@pytest.mark.parametrize("name", FRAMES)
def test_forwards_backwards_and_late(test_data: Path, name: str) -> None:
    """Reading backwards and starting late give bit for bit the frames of reading forwards."""
    video = open_video(test_data / name)
    forwards = [digest(frame) for frame in video]
    assert len(forwards) == FRAMES[name] == video.count_frames() == probe(test_data / name).num_frames
    last = len(forwards)
    assert [digest(f) for f in video.frames(start=last - 30, reverse=True)] == forwards[last - 30 :][::-1]
    assert [digest(f) for f in video.frames(start=last - 20)] == forwards[last - 20 :]


@pytest.mark.slow
def test_all_clips_both_ways(test_data: Path) -> None:
    """Every clip there is: as many frames backwards as forwards, as counted, and as decord."""
    for path in sorted(
        [*(test_data / "clips").glob("*.mp4"), *(test_data / "clips_unlabelled").glob("*.mp4")]
    ):
        video = open_video(path)
        forwards = [digest(frame) for frame in video]
        assert len(forwards) == video.count_frames() == open_video(path, reader="decord").count_frames()
        assert [digest(frame) for frame in video.frames(reverse=True)] == forwards[::-1], path


@pytest.mark.parametrize("name", ["clips/bike.mp4", "clips_unlabelled/08_driving.mp4"])
def test_decord_gives_the_same_frames(test_data: Path, name: str) -> None:
    """decord and PyAV both convert with FFmpeg: same number, same times, and pixels equal to rounding."""
    pytest.importorskip("decord", reason="decord has no package for this platform")
    ours, theirs = (open_video(test_data / name, stride=20, reader=reader) for reader in ("pyav", "decord"))
    assert open_video(test_data / name, reader="decord").count_frames() == FRAMES[name]
    for a, b in zip(ours, theirs, strict=True):
        assert (a.index, a.time) == (b.index, b.time)
        assert np.abs(a.image.astype(int) - b.image).mean() < 0.5


def test_davis_sequence(davis_root: Path) -> None:
    """A DAVIS sequence is a folder: names as on disk, size as documented."""
    video = open_video(davis_root / "JPEGImages" / "480p" / "blackswan")
    assert (video.info.width, video.info.height, video.info.num_frames) == (854, 480, 50)
    frames = list(video.frames(stop=3))
    assert [frame.name for frame in frames] == ["00000", "00001", "00002"]
    assert frames[0].image.mean() == pytest.approx(91, abs=60)
