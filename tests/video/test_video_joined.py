"""Times that jump, and headers that contradict the frames."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from video_clips import write_clip

from vos.video import probe


@pytest.mark.parametrize("b_frames", [0, 2])
def test_probe_names_the_jump(tmp_path: Path, b_frames: int) -> None:
    """Two recordings joined byte by byte: where times jump back, and how long the frames really last."""
    one = write_clip(tmp_path / "one.ts", 10, b_frames=b_frames)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() * 2)
    found = probe(joined)
    assert found.num_frames == 20
    assert found.duration == pytest.approx(0.8, abs=0.05)
    assert any("times jump back after frame 9" in line for line in found.unusual)
    assert not any("jump" in line for line in probe(one).unusual)


def test_header_with_a_wrong_duration(tmp_path: Path) -> None:
    """An MP4 whose mdhd says a thirtieth of its duration, as a browser's recorder writes it."""
    clip = write_clip(tmp_path / "clip.mp4", 20)
    data = bytearray(clip.read_bytes())
    at = data.index(b"mdhd") + 20
    (duration,) = struct.unpack_from(">I", data, at)
    struct.pack_into(">I", data, at, duration // 30)
    clip.write_bytes(data)
    found = probe(clip)
    assert found.duration == pytest.approx(0.8)
    assert any("the header says 0.027 s, but the frames last 0.800 s" in line for line in found.unusual)


@pytest.mark.parametrize(("name", "options"), [("one.mkv", {"b_frames": 2}), ("one.avi", {"codec": "mpeg4"})])
def test_joined_files_without_times_of_decoding(tmp_path: Path, name: str, options: dict) -> None:
    """Matroska leaves them out where frames are reordered, AVI has no times: the duration is that of both."""
    one = write_clip(tmp_path / name, 10, **options)
    assert probe(one).duration == pytest.approx(0.4)
    joined = tmp_path / f"joined{one.suffix}"
    joined.write_bytes(one.read_bytes() * 2)
    found = probe(joined)
    assert (found.num_frames, found.duration) == (20, pytest.approx(0.8))
    if one.suffix == ".mkv":
        assert any("times jump back after frame 9" in line for line in found.unusual)


def test_frames_that_an_avi_leaves_out_last(tmp_path: Path) -> None:
    """A recorder that drops frames counts them: 15 frames over 20 steps."""
    pts = [*range(5), *range(10, 20)]
    assert probe(
        write_clip(tmp_path / "clip.avi", 15, codec="mjpeg", pixels="yuvj420p", pts=pts)
    ).duration == (pytest.approx(0.8))


def test_a_rate_of_one_frame_per_tick_is_unknown(tmp_path: Path) -> None:
    """FFmpeg calls the rate of DV 60000: that of the codec is taken."""
    path = write_clip(
        tmp_path / "clip.dv", 3, codec="dvvideo", size=(720, 576), pixels="yuv420p", container_options={}
    )
    assert probe(path).fps == 25
