"""Video files of many formats: every frame once, in order, from wherever and in whichever direction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from video_clips import CLIPS, SHOWN, number_of

from vos.frame import Frame
from vos.video import open_video, pyav_reader

Clip = Callable[[str], Path]
everywhere = pytest.mark.parametrize("name", CLIPS)


def shown(name: str) -> list[int]:
    """The numbers to be seen in a clip."""
    return list(SHOWN.get(name, range(CLIPS[name].get("count", 30))))


def same(first: list[Frame], second: list[Frame]) -> bool:
    """Whether two lists hold the same frames, bit for bit."""
    return [(f.index, f.name, f.time) for f in first] == [(f.index, f.name, f.time) for f in second] and all(
        np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True)
    )


@pytest.fixture
def cautious(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers enter files in their middle at every occasion, and hold about seven small pictures."""
    monkeypatch.setattr(pyav_reader, "_SKIP_BY_DECODING", 1)
    monkeypatch.setattr(pyav_reader, "_BLOCK_BYTES", 7 * 64 * 48 * 2)


@everywhere
def test_every_frame_comes_once_and_in_order(clip: Clip, name: str) -> None:
    """The frames are those written (and shown), in order of presentation, numbered from 0."""
    frames = list(open_video(clip(name)))
    assert [number_of(frame.image) for frame in frames] == shown(name)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert [frame.name for frame in frames] == [f"{i:05d}" for i in range(len(frames))]


@everywhere
def test_count_is_exact(clip: Clip, name: str) -> None:
    """The number of frames is unknown until it is asked for, and then the number that iterating gives."""
    video = open_video(clip(name))
    assert not video.is_images
    assert video.info.num_frames is None
    assert video.count_frames() == len(shown(name)) == video.info.num_frames


@everywhere
def test_iterating_twice_reads_twice(clip: Clip, name: str) -> None:
    """A video can be read again, and two readings at once do not disturb each other."""
    video = open_video(clip(name))
    pairs = list(zip(video, video, strict=True))
    assert len(pairs) == len(shown(name))
    assert same([a for a, _ in pairs], [b for _, b in pairs])


@everywhere
@pytest.mark.usefixtures("cautious")
def test_backwards_gives_the_same_frames(clip: Clip, name: str) -> None:
    """Reading backwards gives bit for bit the frames of reading forwards, last to first."""
    video = open_video(clip(name))
    assert same(list(video.frames(reverse=True)), list(video)[::-1])


@everywhere
@pytest.mark.usefixtures("cautious")
@pytest.mark.parametrize("start", [1, 11, 12, 13, 23, 24])
def test_starting_late_gives_the_same_frames(clip: Clip, name: str, start: int) -> None:
    """Starting at any frame gives bit for bit the frames that reading from the beginning gives there."""
    video = open_video(clip(name))
    assert same(list(video.frames(start=start)), list(video)[start:])


@everywhere
@pytest.mark.usefixtures("cautious")
def test_part_of_a_selection_backwards(clip: Clip, name: str) -> None:
    """Stride, start and stop hold backwards as they do forwards."""
    video = open_video(clip(name), start=2, stride=3)
    forwards = list(video.frames(start=4, stop=21))
    assert [frame.index for frame in forwards] == [5, 8, 11, 14, 17, 20]
    assert same(list(video.frames(start=4, stop=21, reverse=True)), forwards[::-1])


def test_times_are_presentation_times(clip: Clip) -> None:
    """Frames of a file with times carry them, whatever the rate and the start."""
    assert [f.time for f in open_video(clip("variable_rate.mp4"))][3:7] == pytest.approx(
        [0.12, 0.16, 0.32, 0.36]
    )
    assert next(iter(open_video(clip("late_start.mp4")))).time == pytest.approx(2.0)
    assert [f.time for f in open_video(clip("hidden_start.mp4"), end=2)] == pytest.approx([0, 0.04])


@pytest.mark.parametrize("name", ["raw.h264", "h264.avi", "mpeg4.avi"])
def test_files_without_times_have_none(clip: Clip, name: str) -> None:
    """Where a file stores no presentation time, none is made up."""
    assert {frame.time for frame in open_video(clip(name))} == {None}


def test_grey_is_grey(clip: Clip) -> None:
    """A grey clip gives three equal channels with its own values."""
    image = next(iter(open_video(clip("grey.mkv")))).image
    assert np.ptp(image, axis=2).max() == 0
    assert abs(int(image[0, 0, 0]) - 50) <= 2


@pytest.mark.parametrize("name", ["vp9_odd.webm", "alpha.mkv", "hevc_10_bit.mp4", "b_frames.mp4"])
def test_images_are_plain_arrays(clip: Clip, name: str) -> None:
    """Every frame is a contiguous, writeable (H, W, 3) uint8 array of the size in the info."""
    video = open_video(clip(name))
    frames = list(video)
    assert len(frames) == 30
    for frame in frames:
        assert frame.image.flags.c_contiguous
        assert frame.image.flags.writeable
        assert frame.image.dtype == np.uint8
        assert frame.image.shape == (video.info.height, video.info.width, 3)


def test_frames_outlive_their_reader(clip: Clip) -> None:
    """The pixels of a frame stay as they are when later frames are read and the video is closed."""
    with open_video(clip("b_frames.mp4")) as video:
        frames = list(video)
    assert [number_of(frame.image) for frame in frames] == shown("b_frames.mp4")


def test_rate(clip: Clip) -> None:
    """The rate is the average over the file, and unknown where the file has none."""
    assert open_video(clip("b_frames.mp4")).info.fps == 25
    assert open_video(clip("variable_rate.mp4")).info.fps == pytest.approx(30 / (53 / 25), rel=0.02)
    assert open_video(clip("raw.h264")).info.fps is None


def test_estimate_needs_no_reading(clip: Clip) -> None:
    """Files whose header tells their length have an estimate at once, of the selected frames."""
    assert open_video(clip("b_frames.mp4"), start=5, end=28, stride=2).estimate_frames() == 12
    assert open_video(clip("one_keyframe.mkv")).estimate_frames() == 30
    assert open_video(clip("raw.h264")).estimate_frames() is None
