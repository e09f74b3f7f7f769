"""Files that are damaged in their middle: what is said, and one numbering in both directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from video_clips import write_clip
from vos_cli.main import cli

from vos.video import open_video, probe
from vos.video.container import NO_TIME, Packets
from vos.video.losses import SHOWN, damaged_elements, find_losses

COUNT = 60


def damage(path: Path, at: float, length: int = 40) -> Path:
    """Bytes in the middle of a file overwritten."""
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + length] = bytes(np.random.default_rng(1).integers(0, 256, length, dtype=np.uint8))
    path.write_bytes(data)
    return path


def without_ts_packets(path: Path, first: int, count: int) -> Path:
    """A transport stream that lost packets of 188 bytes in the middle."""
    data = path.read_bytes()
    path.write_bytes(data[: first * 188] + data[(first + count) * 188 :])
    return path


def without_element(path: Path) -> Path:
    """A Matroska file in whose second cluster a block has a size that is far too large."""
    data = bytearray(path.read_bytes())
    cluster = data.index(b"\x1f\x43\xb6\x75", data.index(b"\x1f\x43\xb6\x75") + 4)
    block = data.index(b"\xa3", cluster + 12)
    data[block : block + 4] = b"\xa3\x10\x7f\xff"
    path.write_bytes(data)
    return path


def damaged(name: str, folder: Path) -> Path:
    """A damaged file, by name."""
    matroska = {"container_options": {"cluster_time_limit": "400"}, "gop": 10}
    if name == "block.mkv":
        return without_element(write_clip(folder / name, COUNT, **matroska))
    clip = write_clip(folder / name, COUNT, gop=10, b_frames=2)
    packets = clip.stat().st_size // 188
    return without_ts_packets(clip, packets // 2, 6)


@pytest.mark.parametrize("name", ["block.mkv", "packets.ts"])
def test_losses_are_named_and_both_directions_agree(tmp_path: Path, name: str) -> None:
    """Where the file is damaged; every frame has one index, time and picture in both directions."""
    path = damaged(name, tmp_path)
    with open_video(path) as video:
        assert video.losses()
        forward = {frame.index: (frame.time, frame.image) for frame in video}
        backward = {frame.index: (frame.time, frame.image) for frame in video.frames(reverse=True)}
    assert 20 < len(forward) <= COUNT
    assert forward.keys() == backward.keys()
    assert [forward[k][0] for k in sorted(forward)] == [backward[k][0] for k in sorted(forward)]
    assert all((forward[k][1] == backward[k][1]).all() for k in forward)
    assert any(line.startswith("damaged: ") for line in probe(path).unusual)


def test_missing_frames_are_counted(tmp_path: Path) -> None:
    """How many are missing, and between which."""
    path = damaged("block.mkv", tmp_path)
    with open_video(path) as video:
        shown = [round((frame.time or 0) * 25) for frame in video]
        missing = COUNT - len(shown)
        assert missing > 0
        (gap,) = [k for k in range(len(shown) - 1) if shown[k + 1] - shown[k] > 1]
        assert f"about {missing} frame(s) are missing between frame {gap} " in " ".join(video.losses())


@pytest.mark.parametrize("name", ["clip.mkv", "clip.webm", "clip.ts", "clip.mp4", "live.mkv"])
def test_whole_files_have_no_losses(tmp_path: Path, name: str) -> None:
    """Nor do those of a variable rate, joined recordings, or a live recording without sizes."""
    codec = {"codec": "libvpx-vp9"} if name.endswith("webm") else {}
    options = {"live": "1"} if name == "live.mkv" else {}
    pts = [k + 4 * (k > 20) for k in range(40)]
    path = write_clip(tmp_path / name, 40, pts=pts, container_options=options, **codec)
    assert damaged_elements(path) == []
    with open_video(path) as video:
        assert video.losses() == ()
    if name == "clip.ts":
        path.write_bytes(path.read_bytes() * 2)
        with open_video(path) as video:
            assert video.losses() == ()


def packets(pts: list[int], corrupt: set[int], dts: list[int] | None = None) -> Packets:
    """Packets of which those with these numbers are marked as damaged."""
    count = len(pts)
    flags = np.isin(np.arange(count), list(corrupt))
    none = np.zeros(count, bool)
    times = np.array(pts, np.int64)
    return Packets(
        times, times if dts is None else np.array(dts), np.ones(count, int), ~none, none, flags, None
    )


def losses(found: Packets, tmp_path: Path) -> tuple[str, ...]:
    """Sentences on a file of another kind than Matroska; a tick is a millisecond."""
    (tmp_path / "clip.ts").write_bytes(b"G" * 100)
    return find_losses(tmp_path / "clip.ts", found, lambda ticks: ticks / 1000)


def test_a_single_missing_frame_is_a_gap(tmp_path: Path) -> None:
    """A step of two usual ones; a step a little longer than usual is none; nor is one of no known time."""
    said = losses(packets([0, 40, 80, 160, 200, 260, 300, NO_TIME], {2}), tmp_path)
    assert said == (
        "1 packet(s) are incomplete, the first that of about frame 2",
        "about 1 frame(s) are missing between frame 2 (0.080 s) and the next (0.160 s)",
    )


def test_many_gaps_are_summed_up(tmp_path: Path) -> None:
    pts = np.cumsum([40] * 20 + [80] * SHOWN + [120, 160] + [40] * 20).tolist()
    *_, last = losses(packets(pts, {1}), tmp_path)
    assert last == "about 5 more are missing after that"


def test_the_last_packet_and_the_seam_of_joined_recordings_are_no_damage(tmp_path: Path) -> None:
    """There counts break though nothing is lost."""
    pts = [40 * k for k in range(20)]
    seam = [40 * (k % 10) for k in range(20)]
    assert losses(packets(pts, {19}), tmp_path) == ()
    assert losses(packets(pts, {7, 9}, seam), tmp_path) == ()
    assert losses(packets(pts, {6, 9}, seam), tmp_path)[0].endswith("frame 6")
    assert losses(packets(pts, {7, 18}), tmp_path)[0].startswith("2 packet(s)")


def test_exit_code_5_after_finishing_and_strict(tmp_path: Path) -> None:
    """Everything is written and the losses are in the record; --strict refuses before anything is."""
    path = damaged("block.mkv", tmp_path)
    line = ["track", str(path), "--box", "1:5,5,40,40", "-o", str(tmp_path / "out"), "--no-overlay"]
    result = CliRunner().invoke(cli, [*line, "--strict"])
    assert result.exit_code == 3
    assert "is damaged: the data is damaged at byte" in result.stderr
    assert not (tmp_path / "out").exists()
    result = CliRunner().invoke(cli, line)
    assert result.exit_code == 5
    assert "frame(s) are missing between" in result.stderr
    assert "frame(s) are missing between" in (tmp_path / "out" / "run.json").read_text()
    with open_video(path) as video:
        assert len(list((tmp_path / "out" / "masks").iterdir())) == len(list(video))
