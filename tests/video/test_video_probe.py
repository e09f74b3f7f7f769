"""What probe() says of a video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from video_clips import write_clip

from vos.video import probe
from vos.video.file_facts import is_variable

Clip = Callable[[str], Path]


def test_plain_file(clip: Clip) -> None:
    """All facts of an ordinary clip; nothing is unusual about it."""
    found = probe(clip("b_frames.mp4"))
    assert found.kind == "file"
    assert (found.width, found.height, found.stored_width, found.stored_height) == (64, 48, 64, 48)
    assert (found.rotation, found.mirrored) == (0, False)
    assert (found.num_frames, found.counted_by) == (30, "packets")
    assert (found.fps, found.nominal_fps, found.variable_rate) == (25, 25, False)
    assert found.duration == pytest.approx(1.2)
    assert found.start_time == 0
    assert (found.codec, found.pixel_format, found.bit_depth) == ("h264", "yuv420p", 8)
    assert found.container is not None
    assert found.container.startswith("mov")
    assert (found.b_frames, found.keyframes, found.missing_timestamps) == (True, 3, 0)
    assert found.streams == ("0 video h264",)
    assert found.unusual == ()


@pytest.mark.parametrize(
    ("name", "counted_by"),
    [
        ("b_frames.mp4", "packets"),
        ("mpeg4.avi", "estimate"),
        ("vp8.webm", "estimate"),
        ("raw.h264", "estimate"),
    ],
)
def test_how_frames_were_counted(clip: Clip, name: str, counted_by: str) -> None:
    """An estimate is called one; with count=True frames are decoded."""
    assert probe(clip(name)).counted_by == counted_by
    counted = probe(clip(name), count=True)
    assert (counted.num_frames, counted.counted_by) == (30, "decoding")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("variable_rate.mp4", "variable frame rate: frames last 40 to 720 ms"),
        ("late_start.mp4", "the first frame is shown at 2.000 s"),
        ("hidden_start.mp4", "an edit list hides 5 of its frames"),
        ("hevc_10_bit.mp4", "10 bits per value are reduced to 8"),
        ("grey.mkv", "grey is repeated"),
        ("alpha.mkv", "alpha is dropped"),
        ("raw.h264", "frames have no time"),
        ("mpeg4.avi", "frames have no time"),
        ("vp8.webm", "cannot be numbered without decoding: a packet of vp8"),
    ],
)
def test_unusual(clip: Clip, name: str, sentence: str) -> None:
    """What may surprise is said in a sentence."""
    assert any(sentence in said for said in probe(clip(name)).unusual), probe(clip(name)).unusual


def test_far_keyframes_and_square_pixels(tmp_path: Path) -> None:
    """Distant keyframes and pixels that are not square are said."""

    def wide(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = 2

    path = write_clip(tmp_path / "a.mkv", 610, codec="mpeg4", gop=600, size=(16, 16), setup=wide)
    said = probe(path).unusual
    assert "pixels are not square (2:1); frames are read as stored" in said
    path = write_clip(tmp_path / "b.mp4", 610, gop=1000, size=(16, 16), options={"x264-params": "scenecut=0"})
    assert any("keyframes are up to 610 frames apart" in sentence for sentence in probe(path).unusual)


def test_header_that_miscounts(tmp_path: Path, clip: Clip) -> None:
    """A number of frames in the header that is not what is there is said."""
    data = bytearray(clip("mpeg4.avi").read_bytes())
    length = data.index(b"strh") + 8 + 32  # dwLength of the stream's header
    assert int.from_bytes(data[length : length + 4], "little") == 30
    data[length : length + 4] = (33).to_bytes(4, "little")
    (tmp_path / "a.avi").write_bytes(data)
    assert "the header says 33 frames, 30 were found" in probe(tmp_path / "a.avi").unusual


def test_several_video_streams(tmp_path: Path, clip: Clip) -> None:
    """The stream that is read is named, and those that are not."""
    import av

    path = tmp_path / "a.mkv"
    with av.open(str(clip("b_frames.mp4"))) as one, av.open(str(path), "w") as out:
        source = one.streams.video[0]
        targets = [out.add_stream_from_template(source) for _ in range(2)]
        for target in targets:
            one.seek(0)
            for packet in one.demux(source):
                if packet.size:
                    packet.stream = target
                    out.mux(packet)
    found = probe(path)
    assert found.streams == ("0 video h264", "1 video h264")
    assert "several video streams: stream 0 is read, 1 left out" in found.unusual


@pytest.mark.parametrize(
    ("steps", "variable"),
    [
        ([512] * 9, False),
        ([33, 34, 33, 33, 34], False),
        ([1001, 1001, 1000], False),
        ([40, 40, 80], True),
        ([512, 500], True),
        ([512], None),
        ([], None),
    ],
)
def test_variable_rate(steps: list[int], variable: bool | None) -> None:
    """Steps that differ by rounding to ticks are constant; two frames tell nothing."""
    assert is_variable(np.cumsum([0, *steps])) is variable


def test_images(tmp_path: Path) -> None:
    """Facts of a folder: counted, no rate, no time."""
    for name in ("000.png", "001.png", "003.png"):
        Image.new("RGBA", (8, 6)).save(tmp_path / name)
    found = probe(tmp_path)
    assert found.kind == "images"
    assert (found.width, found.height, found.num_frames, found.counted_by) == (8, 6, 3, "files")
    assert (found.codec, found.pixel_format, found.bit_depth) == ("png", "RGBA", 8)
    assert (found.fps, found.duration, found.container, found.variable_rate) == (None, None, None, None)
    assert found.unusual == (
        "alpha: dropped, not blended",
        "numbering has gaps, the first after 001.png; frames are counted without them",
    )


def test_regular_numbering_has_no_gaps(tmp_path: Path) -> None:
    """Numbers by tens and names without numbers are not unusual."""
    for folder, names in (("tens", ("10", "20", "30")), ("words", ("a", "b", "c")), ("two", ("1", "9"))):
        (tmp_path / folder).mkdir()
        for name in names:
            Image.new("RGB", (4, 4)).save(tmp_path / folder / f"{name}.png")
        assert probe(tmp_path / folder).unusual == ()


def test_sixteen_bit_images(tmp_path: Path) -> None:
    """Depth and what becomes of it are said."""
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "0.png")
    found = probe(tmp_path)
    assert found.bit_depth == 16
    assert found.unusual[0] == "16 bits per value: the upper 8 are used"
