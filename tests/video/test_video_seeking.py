"""Entering a file in its middle: cheap where it can be, undone where it would give other frames."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from video_clips import CLIPS, number_of

from vos.errors import MediaError
from vos.video import open_video, pyav_reader
from vos.video.container import NO_TIME, Packets, read_packets
from vos.video.pyav_reader import PyAVReader
from vos.video.timeline import Entry, timeline_of_frames, timeline_of_packets, why_not_exact

Clip = Callable[[str], Path]


class Decodings:
    """Counts decoded pictures."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = pyav_reader.decode

        def counting(*arguments: Any) -> Iterator[av.VideoFrame]:
            for picture in original(*arguments):
                self.count += 1
                yield picture

        monkeypatch.setattr(pyav_reader, "decode", counting)


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> Decodings:
    """Pictures decoded so far."""
    monkeypatch.setattr(pyav_reader, "_SKIP_BY_DECODING", 1)
    return Decodings(monkeypatch)


def packets(pts: list[int], *, keys: tuple[int, ...] = (0,), hidden: tuple[int, ...] = ()) -> Packets:
    """A table of packets in the order of the file."""
    numbers = np.arange(len(pts))
    return Packets(
        pts=np.array(pts, dtype=np.int64),
        dts=numbers.astype(np.int64),
        size=np.full(len(pts), 100),
        is_key=np.isin(numbers, keys),
        is_hidden=np.isin(numbers, hidden),
        is_corrupt=np.zeros(len(pts), dtype=bool),
        damage=None,
    )


@pytest.mark.parametrize(
    "name", ["b_frames.mp4", "open_gop.mp4", "variable_rate.mkv", "hevc_10_bit.mp4", "av1.mp4"]
)
def test_starting_late_decodes_from_the_keyframe(clip: Clip, name: str, decodings: Decodings) -> None:
    """Frame 25 of a clip with a keyframe at 24 takes two decodings, and a leading picture or two."""
    reader = PyAVReader(clip(name))
    decodings.count = 0
    assert [number_of(frame.image) for frame in reader.read(range(25, 26))] == [25]
    assert decodings.count <= 5


def test_entries_cost_one_decoding(clip: Clip, decodings: Decodings) -> None:
    """The keyframes of a selection; of images every frame is one."""
    with open_video(clip("b_frames.mp4"), start=1) as video:
        entries = video.entries()
        assert 24 in entries
        assert 0 not in entries
        decodings.count = 0
        assert number_of(next(video.frames(24, 25)).image) == 24
        assert decodings.count <= 4


def test_a_small_start_is_reached_by_decoding(clip: Clip) -> None:
    """Near the beginning the file is not gone through first."""
    reader = PyAVReader(clip("b_frames.mp4"))
    assert next(reader.read(range(25, 26))).index == 25
    assert "packets" not in vars(reader)


def test_backwards_holds_little(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one keyframe in all, blocks stay within their bytes and cost decoding, not memory."""
    picture_bytes = 64 * 48 * 3 // 2
    monkeypatch.setattr(pyav_reader, "_BLOCK_BYTES", 10 * picture_bytes)
    reader = PyAVReader(clip("one_keyframe.mkv"))
    block = reader._block
    held: list[int] = []

    def measured(wanted: range) -> list[tuple[int, av.VideoFrame]]:
        pictures = block(wanted)
        held.append(sum(plane.buffer_size for _, picture, _ in pictures for plane in picture.planes))
        return pictures

    monkeypatch.setattr(reader, "_block", measured)
    assert [frame.index for frame in reader.read(range(30)[::-1])] == list(range(30))[::-1]
    assert len(held) >= 3
    assert max(held) <= 10 * picture_bytes


def test_backwards_enters_at_keyframes(clip: Clip, decodings: Decodings) -> None:
    """Where blocks are larger than the distance of keyframes every frame is decoded about once."""
    reader = PyAVReader(clip("b_frames.mp4"))
    decodings.count = 0
    assert [frame.index for frame in reader.read(range(30)[::-1])] == list(range(30))[::-1]
    assert decodings.count <= 30 + 3 * 4


@pytest.mark.parametrize(
    "name", ["one_keyframe.mkv", "b_frames.mp4", "mpeg4.mp4", "vp9_odd.webm", "grey.mkv"]
)
def test_false_keyframes_are_found_out(clip: Clip, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that calls every packet a keyframe is decoded from its beginning instead."""

    def all_keys(path: Path) -> Packets:
        table = read_packets(path)
        return dataclasses.replace(table, is_key=np.ones(len(table), dtype=bool))

    monkeypatch.setattr(pyav_reader, "_SKIP_BY_DECODING", 1)
    monkeypatch.setattr(pyav_reader, "read_packets", all_keys)
    forwards = [frame.image for frame in open_video(clip(name))]
    assert len(PyAVReader(clip(name)).timeline.entries) > 10
    late = [frame.image for frame in open_video(clip(name)).frames(start=20)]
    assert all(np.array_equal(a, b) for a, b in zip(late, forwards[20:], strict=True))
    backwards = [frame.image for frame in open_video(clip(name)).frames(reverse=True)]
    assert all(np.array_equal(a, b) for a, b in zip(backwards, forwards[::-1], strict=True))


def test_packets_that_are_not_frames_are_found_out(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet without a picture would shift all numbers: reading backwards refuses to misnumber."""
    original = pyav_reader.decode

    def without_the_sixth(*arguments: Any) -> Iterator[av.VideoFrame]:
        return (p for p in original(*arguments) if number_of(p.to_ndarray(format="rgb24")) != 5)

    monkeypatch.setattr(pyav_reader, "decode", without_the_sixth)
    video = open_video(clip("one_keyframe.mkv"))
    assert len(list(video)) == 29
    with pytest.raises(MediaError, match="frame 5 does not match its packets"):
        list(video.frames(reverse=True))


@pytest.mark.parametrize("landing", [None, 29])
def test_a_seek_that_lands_elsewhere_is_undone(
    clip: Clip, monkeypatch: pytest.MonkeyPatch, decodings: Decodings, landing: int | None
) -> None:
    """A landing that cannot be told, or is too late: packets are read from the beginning, and not decoded."""
    monkeypatch.setattr(Packets, "find", lambda self, packet: landing)
    reader = PyAVReader(clip("b_frames.mp4"))
    decodings.count = 0
    assert [number_of(frame.image) for frame in reader.read(range(26, 30))] == [26, 27, 28, 29]
    assert decodings.count <= 8


def test_leading_pictures_are_passed_over(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that a decoder gives before the keyframe it was entered at are not frames of that entry."""
    original = pyav_reader.decode
    monkeypatch.setattr(pyav_reader, "_SKIP_BY_DECODING", 1)
    reader = PyAVReader(clip("open_gop.mp4"))
    entry = reader.timeline.entry_before(26)
    assert entry.frame == 24
    earlier = reader.timeline.entry_before(23)
    monkeypatch.setattr(
        pyav_reader, "decode", lambda path, packets, first: original(path, packets, earlier.packet)
    )
    assert [number_of(frame.image) for frame in reader.read(range(26, 30))] == [26, 27, 28, 29]
    assert reader.timeline.entry_before(26) == entry, "the entry keeps being trusted"


def test_packets_are_found_by_time_and_size(clip: Clip) -> None:
    """Every packet of a regular file is the only one like it."""
    table = read_packets(clip("b_frames.mp4"))
    with av.open(str(clip("b_frames.mp4"))) as container:
        found = [table.find(packet) for packet in container.demux(video=0) if packet.size]
    assert found == list(range(30))


def test_timeline_sorts_by_presentation() -> None:
    """Frames are in order of presentation, entries at the frames of key packets."""
    timeline = timeline_of_packets(packets([0, 30, 10, 20, 60, 40, 50], keys=(0, 4)))
    assert timeline.pts.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert timeline.entries == (Entry(0, 0), Entry(6, 4))
    assert timeline.entry_before(5) == Entry(0, 0)
    assert timeline.entry_before(6) == Entry(6, 4)


def test_timeline_of_frames_follows_what_was_decoded() -> None:
    """A packet that gave no picture is no frame, and no entry."""
    timeline = timeline_of_frames([0, 20, 30], packets([0, 10, 20, 30], keys=(0, 1, 3)), None)
    assert timeline.entries == (Entry(0, 0), Entry(2, 3))


@pytest.mark.parametrize("times", [[0, None, 20], [0, 20, 10], [0, 10, 10]])
def test_timeline_without_proper_times_has_one_entry(times: list[int | None]) -> None:
    """Missing, falling or equal times cannot tell frames apart."""
    timeline = timeline_of_frames(times, packets([0, 10, 20], keys=(0, 1, 2)), None)
    assert not timeline.has_times
    assert timeline.entries == (Entry(0, 0),)
    assert len(timeline) == 3


@pytest.mark.parametrize(
    ("table", "container", "codec", "reason"),
    [
        (packets([0, 20, 10]), "mov,mp4", "h264", None),
        (packets([0, 20, 10]), "avi", "h264", "files of type avi"),
        (packets([0, 20, 10]), "matroska,webm", "vp8", "a packet of vp8"),
        (packets([0, 20, 10], keys=(1,)), "mov,mp4", "h264", "begin with a keyframe"),
        (packets([0, 20, 10], hidden=(1,)), "mov,mp4", "h264", "an edit list hides 1"),
        (packets([0, 10, 10]), "mov,mp4", "h264", "no times of their own"),
        (packets([0, NO_TIME, 10]), "mov,mp4", "h264", "no times of their own"),
        (packets([20, 0, 10, 30]), "mov,mp4", "h264", "frames that are not there"),
    ],
)
def test_when_packets_tell_the_frames(table: Packets, container: str, codec: str, reason: str | None) -> None:
    """Numbering without decoding is only trusted where each packet is known to become one frame."""
    found = why_not_exact(table, container, codec)
    assert found is None if reason is None else reason in (found or "")


@pytest.mark.parametrize("reverse", [False, True])
def test_nothing_is_left_to_the_garbage_collector(clip: Clip, reverse: bool) -> None:
    """Decoders and their pictures go when reading ends or is given up, not some time later."""

    def alive(*kinds: type) -> int:
        return sum(isinstance(thing, kinds) for thing in gc.get_objects())

    def read_some(count: int) -> None:
        frames = open_video(clip("b_frames.mp4")).frames(reverse=reverse)
        for _ in range(count):
            next(frames)

    decoders = av.container.InputContainer, av.codec.CodecContext
    gc.collect()
    before, pictures_before = alive(*decoders), alive(av.VideoFrame)
    gc.disable()
    try:
        read_some(10)
        read_some(30)
        assert alive(*decoders) == before
        # Looking at side data keeps a picture: it is done for the first of a reader and of a reading.
        assert alive(av.VideoFrame) <= pictures_before + 4
    finally:
        gc.enable()


def test_entries_go_forward_in_the_file_and_in_time() -> None:
    """A keyframe that is shown after frames that follow it in the file is no place to start from."""
    late = timeline_of_packets(packets([2, 0, 1, 3, 4], keys=[0, 3]))
    assert late.entries == (Entry(0, 0), Entry(3, 3))
    back = timeline_of_packets(packets([0, 4, 1, 2, 3], keys=[0, 1, 3]))
    assert back.entries == (Entry(0, 0), Entry(4, 1))


@pytest.mark.parametrize("name", CLIPS)
def test_times_without_images(name: str, clip: Clip) -> None:
    """They are those of the frames, by index."""
    with open_video(clip(name), start=3, stride=4) as video:
        assert video.times() == {frame.index: frame.time for frame in video}
