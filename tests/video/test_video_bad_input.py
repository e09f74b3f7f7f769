"""What cannot be read is said to be so: a MediaError with the path, what is wrong, and what to try."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image
from video_clips import STEADY_B, number_of, rewrite, write_clip

from vos.errors import InputError, MediaError
from vos.video import open_video, probe
from vos.video.truncation import missing_bytes

Clip = Callable[[str], Path]


def refusal(source: str | Path, **options: Any) -> str:
    """The message with which a source is refused."""
    with pytest.raises(MediaError) as caught:
        open_video(source, **options)
    assert caught.value.exit_code == 3
    return str(caught.value)


def read_until_damage(path: Path, **options: Any) -> tuple[list[int], str]:
    """Numbers seen before the MediaError, and its message."""
    seen: list[int] = []

    def read() -> None:
        for frame in open_video(path).frames(**options):
            seen.append(number_of(frame.image))

    with pytest.raises(MediaError) as caught:
        read()
    return seen, str(caught.value)


def cut(path: Path, target: Path, keep: float) -> Path:
    """The first part of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * keep)])
    return target


def spoiled(packet: av.Packet) -> av.Packet:
    """A packet of the same time with nothing in it that can be decoded."""
    broken = av.Packet(b"\xff" * packet.size)
    broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
    return broken


def test_missing_path_suggests_neighbours(tmp_path: Path) -> None:
    """A misspelt name is answered with the names that are there."""
    (tmp_path / "holiday.mp4").touch()
    message = refusal(tmp_path / "holidya.mp4")
    assert "there is no file or folder" in message
    assert f"did you mean {tmp_path / 'holiday.mp4'}?" in message


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """Where even the folder is missing, that is said."""
    assert f"{tmp_path / 'nowhere'} does not exist either" in refusal(tmp_path / "nowhere" / "a.mp4")


def test_printf_pattern_is_answered_with_a_glob(tmp_path: Path) -> None:
    """FFmpeg's way of naming numbered images is recognised."""
    assert f"'{tmp_path}/frame_*.jpg'" in refusal(tmp_path / "frame_%05d.jpg")


@pytest.mark.parametrize("name", ["a.mp4", "a.y4m"])
def test_zero_bytes(tmp_path: Path, name: str) -> None:
    """An empty file is called empty, whatever FFmpeg says of one of its kind."""
    path = tmp_path / name
    path.touch()
    assert refusal(path) == f"cannot read {path}: the file is empty (0 bytes)"


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt"])
def test_text_is_no_video(tmp_path: Path, name: str) -> None:
    """Text is refused under any name; FFmpeg would draw a .txt as a terminal."""
    path = tmp_path / name
    path.write_text("not a video at all\n" * 50)
    assert re.search("it is (text, )?not a video", refusal(path))


def write_sound(path: Path, cover: bool = False) -> Path:
    """Half a second of silence, if wanted with a cover image."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=8000)
        picture = None
        if cover:
            picture = container.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame(32, 32, "yuvj420p")))
            container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def test_sound_only(tmp_path: Path) -> None:
    """A file without video says what it has."""
    path = write_sound(tmp_path / "a.mp4")
    assert refusal(path) == f"{path} has no video, only audio"


def test_cover_picture_is_no_video(tmp_path: Path) -> None:
    """Music with a cover is not a video of one frame."""
    path = write_sound(tmp_path / "a.mp4", cover=True)
    assert refusal(path) == f"{path} has no video, only audio and a cover image"


def test_index_cut_off_in_part(tmp_path: Path, clip: Clip) -> None:
    """ "End of file" is no reason: what is missing is counted."""
    path = tmp_path / "cut.mp4"
    path.write_bytes(clip("b_frames.mp4").read_bytes()[:-200])
    assert "the file is cut short, 200 bytes are missing at its end" in refusal(path)


def test_index_missing_at_the_end(tmp_path: Path, clip: Clip) -> None:
    """An MP4 cut before its index cannot be read, and the bytes that are missing are counted."""
    path = clip("b_frames.mp4")
    cut_path = cut(path, tmp_path / "cut.mp4", 0.5)
    assert b"moov" not in cut_path.read_bytes()
    message = refusal(cut_path)
    assert "the file is cut short" in message
    assert "copy or download it again" in message


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_cut_file_gives_its_frames_then_an_error(tmp_path: Path, suffix: str) -> None:
    """What was there is read in full; then the error names the first frame that is missing."""

    codec = "mpeg4" if suffix == ".avi" else "libx264"
    container_options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    whole = write_clip(tmp_path / f"whole{suffix}", codec=codec, container_options=container_options)
    path = cut(whole, tmp_path / f"cut{suffix}", 0.9)
    seen, message = read_until_damage(path)
    assert 3 < len(seen) < 30
    assert seen == list(range(len(seen)))
    assert f"cannot be read at frame {len(seen)} and after it" in message
    assert "bytes are missing at its end" in message
    assert list(open_video(path, end=len(seen)))[-1].index == len(seen) - 1, (
        "frames before the damage are fine"
    )
    assert probe(path).unusual[-1].startswith(f"damaged after about {len(seen)} frames")
    backwards, message = read_until_damage(path, reverse=True)
    assert backwards == seen[::-1]
    assert f"at frame {len(seen)}" in message
    assert open_video(path).count_frames() == len(seen)


def test_damage_in_the_middle(tmp_path: Path) -> None:
    """Where a packet cannot be decoded reading stops, after the frames before it."""
    whole = write_clip(tmp_path / "whole.mkv", options={"x264-params": "bframes=0"})
    path = rewrite(
        whole, tmp_path / "bad.mkv", lambda number, packet: spoiled(packet) if number == 20 else packet
    )
    seen, message = read_until_damage(path)
    assert seen == list(range(20))
    assert "cannot be read at frame 20 and after it: the data is damaged" in message
    seen, message = read_until_damage(path, reverse=True)
    assert seen == [29, 28, 27, 26, 25, 24]
    assert "the data is damaged" in message


def test_recording_that_begins_between_keyframes(tmp_path: Path) -> None:
    """Packets that cannot be decoded for want of a keyframe before them are passed over."""
    whole = write_clip(tmp_path / "whole.ts", options=STEADY_B, b_frames=3)
    path = rewrite(whole, tmp_path / "late.ts", lambda number, packet: packet if number >= 5 else None)
    video = open_video(path)
    frames = list(video)
    numbers = [number_of(frame.image) for frame in frames]
    assert numbers == list(range(numbers[0], 30))
    assert 5 <= numbers[0] <= 12
    assert [frame.index for frame in frames] == list(range(len(numbers)))
    assert [number_of(frame.image) for frame in video.frames(reverse=True)] == numbers[::-1]


def test_first_frames_that_cannot_be_decoded(tmp_path: Path) -> None:
    """Damaged packets before the first picture are passed over, and do not count in any direction."""
    whole = write_clip(tmp_path / "whole.mov", codec="prores", pixels="yuv422p10le")
    path = rewrite(
        whole, tmp_path / "late.mov", lambda number, packet: spoiled(packet) if number < 2 else packet
    )
    video = open_video(path)
    assert [number_of(frame.image) for frame in video] == list(range(2, 30))
    assert [frame.index for frame in video] == list(range(28))
    assert video.count_frames() == 28
    assert [number_of(frame.image) for frame in video.frames(reverse=True)] == list(range(2, 30))[::-1]


def test_a_last_box_that_is_cut_off_costs_no_frame(tmp_path: Path, clip: Clip) -> None:
    """A file is cut short only if frames are missing."""
    path = tmp_path / "a.mp4"
    path.write_bytes(clip("b_frames.mp4").read_bytes() + b"\x00\x00\x10\x00free")
    assert missing_bytes(path) > 0
    assert len(list(open_video(path))) == 30
    assert probe(path).unusual == ()


def test_no_frame_can_be_decoded(tmp_path: Path) -> None:
    """A file whose frames are all damaged is refused when it is opened."""
    whole = write_clip(tmp_path / "whole.mp4")
    path = rewrite(whole, tmp_path / "bad.mp4", lambda number, packet: spoiled(packet))
    assert f"no frame of {path} can be decoded" in refusal(path)


def test_change_of_size(tmp_path: Path) -> None:
    """A video that changes its size is read up to there."""
    small = write_clip(tmp_path / "small.h264", 5)
    large = write_clip(tmp_path / "large.h264", 5, size=(96, 64), first=5)
    path = tmp_path / "both.h264"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    seen, message = read_until_damage(path)
    assert seen == [0, 1, 2, 3, 4]
    assert f"frame 5 of {path} is 96x64, the first is 64x48" in message


@pytest.mark.parametrize("name", ["a:b.mp4", "50%d.mp4", "[1].mp4", "a b é.mp4", "file:x.mp4"])
def test_names_with_a_meaning_elsewhere(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protocols, patterns and globs are not seen in the name of a file that exists."""
    clip = write_clip(tmp_path / "plain.mp4", 3)
    clip.rename(tmp_path / name)
    assert [number_of(frame.image) for frame in open_video(tmp_path / name)] == [0, 1, 2]
    monkeypatch.chdir(tmp_path)
    assert [number_of(frame.image) for frame in open_video(name)] == [0, 1, 2]


def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason is passed on. (Tests may run as root, who may read anything: simulated.)"""

    def refuse(*_: Any, **__: Any) -> None:
        raise av.error.PermissionError(13, "Permission denied", "a.mp4")

    path = write_clip(tmp_path / "a.mp4", 3)
    monkeypatch.setattr(av, "open", refuse)
    assert refusal(path) == f"cannot read {path}: Permission denied"


def test_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise for folders."""

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert refusal(tmp_path) == f"cannot read folder {tmp_path}: Permission denied"


def test_neither_file_nor_folder(tmp_path: Path) -> None:
    """A pipe would be waited for forever."""
    os.mkfifo(tmp_path / "pipe")
    assert "is neither a file nor a folder" in refusal(tmp_path / "pipe")


def test_empty_folder(tmp_path: Path) -> None:
    """An empty folder is called empty, and what would be read is listed."""
    message = refusal(tmp_path)
    assert f"folder {tmp_path} holds no images: it is empty" in message
    assert "jpg, jpeg, png" in message


def test_folder_of_other_files(tmp_path: Path) -> None:
    """A folder without images says what it holds, and points to a video in it."""
    for name in ("a.txt", "b.txt", "clip.mp4", ".hidden.jpg"):
        (tmp_path / name).touch()
    message = refusal(tmp_path)
    assert "holds no images, but 1 .mp4, 2 .txt" in message
    assert f"did you mean the video {tmp_path / 'clip.mp4'}?" in message


def test_folder_of_sequences(tmp_path: Path) -> None:
    """The root of a data set leads to a sequence inside, rather of photographs than of masks."""
    for folder, suffix in (("Annotations", ".png"), ("JPEGImages", ".jpg")):
        (tmp_path / folder / "480p" / "bear").mkdir(parents=True)
        (tmp_path / folder / "480p" / "bear" / f"00000{suffix}").touch()
    assert f"did you mean a sequence inside, such as {tmp_path}/JPEGImages/480p/bear?" in refusal(tmp_path)
    assert f"such as {tmp_path}/Annotations/480p/bear?" in refusal(tmp_path / "Annotations")


def test_glob_without_match(tmp_path: Path) -> None:
    """A glob that matches nothing is named."""
    assert refusal(tmp_path / "*.png") == f"nothing matches {tmp_path}/*.png"
    assert refusal("") == "no video is named: the path is empty"


def test_glob_of_several_videos(tmp_path: Path) -> None:
    """Two videos are not one."""
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.mp4").touch()
    assert "matches 2 .mp4; give one video file" in refusal(tmp_path / "*.mp4")


def test_glob_of_folders(tmp_path: Path) -> None:
    """A glob of folders is answered with the glob of what is in them."""
    (tmp_path / "a").mkdir()
    assert f"did you mean {tmp_path}/*/*.jpg?" in refusal(tmp_path / "*")


def test_unknown_reader(clip: Clip) -> None:
    """A reader that does not exist is answered with those that do: a usage error."""
    with pytest.raises(InputError, match="unknown reader 'cv2'; choose one of auto, pyav, decord"):
        open_video(clip("b_frames.mp4"), reader="cv2")


def test_file_reader_for_a_folder(tmp_path: Path) -> None:
    """A reader of video files cannot be asked to read a folder."""
    Image.new("RGB", (4, 4)).save(tmp_path / "0.png")
    with pytest.raises(InputError, match="reader decord is for video files"):
        open_video(tmp_path, reader="decord")


@pytest.mark.parametrize(
    "name", ["b_frames.mp4", "one_keyframe.mkv", "mpeg4.avi", "prores.mov", "transport.ts"]
)
def test_whole_files_miss_nothing(clip: Clip, name: str) -> None:
    """A complete file is not taken for a cut one, with or without something appended."""
    path = clip(name)
    assert missing_bytes(path) == 0
    longer = path.with_name("longer" + path.suffix)
    longer.write_bytes(path.read_bytes() + b"appended by some tool")
    assert missing_bytes(longer) == 0


@pytest.mark.parametrize("name", ["b_frames.mp4", "one_keyframe.mkv", "mpeg4.avi"])
def test_missing_bytes_are_counted(clip: Clip, name: str, tmp_path: Path) -> None:
    """The bytes cut off are counted exactly."""
    data = clip(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[:-7])
    assert missing_bytes(path) == 7


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (b"\x00\x00\x00\x08ftyp" + b"\x00\x00\x00\x01mdat" + (100).to_bytes(8, "big"), 84),
        (b"\x00\x00\x00\x08ftyp" + b"\x00\x00\x00\x00mdat" + bytes(9), 0),
        (b"\x00\x00\x00\x0cftyp", 4),
        (b"RIFF\x10\x00\x00\x00AVI ", 12),
        (b"RIFF\x00\x00\x00\x00AVI ", 0),
        (b"RIFF\xff\xff\xff\xffAVI ", 0),
        (b"\x1a\x45\xdf\xa3\x81\x00\x18\x53\x80\x67\x41\x00abc", 253),
        (b"\x1a\x45\xdf\xa3\x81\x00\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xffabc", 0),
        (b"\x1a\x45\xdf\xa3\x81", 0),
        (b"", 0),
    ],
)
def test_lengths_that_files_declare(tmp_path: Path, content: bytes, missing: int) -> None:
    """Large boxes, boxes up to the end, recordings that were never finished, and sizes of several bytes."""
    (tmp_path / "a").write_bytes(content)
    assert missing_bytes(tmp_path / "a") == missing


@pytest.mark.parametrize("source", [None, b"clip.mp4", 0, ["clip.mp4"]])
def test_what_is_no_path(source: Any) -> None:
    """One line, with what was given."""
    assert f"got {source!r}" in refusal(source)
