"""Damage that FFmpeg passes over: in how MP4 and GIF files are built, and in what its decoders make up."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from click.testing import CliRunner
from video_clips import CLIPS, write_clip
from vos_cli.main import cli

from vos.video import open_video, probe
from vos.video.losses import describe_damaged
from vos.video.structure import structural_damage

Clip = Callable[[str], Path]
FRAGMENTS = {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "gop": 5}
MOVABLE = {"container_options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}, "gop": 5}
"""Fragments whose data is found from where they are, as those of streams."""


def overwritten(path: Path, start: int, length: int, value: int = 0) -> Path:
    """The file with some bytes of one value."""
    data = bytearray(path.read_bytes())
    data[start : start + length] = bytes([value]) * length
    path.write_bytes(data)
    return path


def with_damaged_frame(folder: Path) -> Path:
    """20 frames with a keyframe every 10; the second half of frame 4 is overwritten."""
    path = write_clip(folder / "damaged.mp4", 20, codec="mpeg4", gop=10)
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[4]
    return overwritten(path, packet.pos + packet.size // 2, packet.size - packet.size // 2)


def test_images_that_the_decoder_made_up_are_marked(tmp_path: Path) -> None:
    """Up to the next keyframe, in both directions, and also where the damaged frame itself is not wanted."""
    path = with_damaged_frame(tmp_path)
    with open_video(path) as video:
        forward = [frame.index for frame in video if frame.is_damaged]
        backward = [frame.index for frame in video.frames(reverse=True) if frame.is_damaged]
    assert forward == [4, 5, 6, 7, 8, 9] == backward[::-1]
    with open_video(path, start=6, stride=2) as video:
        assert [frame.index for frame in video if frame.is_damaged] == [6, 8]
    (line,) = (line for line in probe(path, count=True).unusual if line.startswith("damaged"))
    assert "6 frame(s) are damaged, with parts made up from others: 4 to 9" in line


@pytest.mark.parametrize("name", CLIPS)
def test_whole_clips_have_no_damaged_frame(clip: Clip, name: str) -> None:
    """Whatever their codec, order and container."""
    assert structural_damage(clip(name)) == []
    with open_video(clip(name)) as video:
        assert not any(frame.is_damaged for frame in video)
        assert video.losses() == ()


def test_track_says_that_frames_are_damaged(tmp_path: Path) -> None:
    """Exit code 5 after finishing, also when it is asked again; --strict stops there."""
    path = with_damaged_frame(tmp_path)
    line = ["track", str(path), "--box", "1:5,5,40,40", "-o", str(tmp_path / "out"), "--no-overlay"]
    for again in ([], ["--resume"]):
        result = CliRunner().invoke(cli, [*line, *again])
        assert result.exit_code == 5
        assert "frame(s) are damaged, with parts made up from others" in result.stderr
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 20
    result = CliRunner().invoke(cli, [*line, "--overwrite", "--strict"])
    assert result.exit_code == 5
    assert "is damaged; without --strict it is tracked" in result.stderr


@pytest.mark.parametrize(("codec", "name"), [("mpeg2video", "clip.mkv"), ("wmv2", "clip.wmv")])
def test_frames_that_decoding_does_not_give_are_counted(tmp_path: Path, codec: str, name: str) -> None:
    """FFmpeg passes over a picture whose header is damaged; known once the file was read to its end."""
    path = write_clip(tmp_path / name, 20, codec=codec, gop=10)
    with av.open(str(path)) as container:
        packet = bytes(list(container.demux(video=0))[4])
    overwritten(path, path.read_bytes().index(packet), 12, 0xFF)
    with open_video(path) as video:
        assert video.losses() == ()
        assert len(list(video.frames(0, 10))) >= 9
        assert video.losses() == ()
        assert len(list(video)) == 19
        assert video.losses() == ("only 19 of its 20 frames can be decoded",)


def test_a_late_start_loses_no_frame(tmp_path: Path) -> None:
    """Packets before the first keyframe are not expected to give frames."""
    path = write_clip(tmp_path / "clip.ts", 40, codec="mpeg2video", gop=10, b_frames=2)
    data = path.read_bytes()
    path.write_bytes(data[len(data) // 188 // 3 * 188 :])
    with open_video(path) as video:
        assert 10 < len(list(video)) < 40
        assert video.losses() == ()


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_a_stream_that_was_cut_anywhere(tmp_path: Path, codec: str) -> None:
    """As dashboard cameras and television recorders do: the last frame may be there in part."""
    path = write_clip(tmp_path / "clip.ts", 40, codec=codec, gop=10, b_frames=2)
    data = path.read_bytes()
    count = len(data) // 188
    for end in range(count // 2, count):
        path.write_bytes(data[: end * 188])
        with open_video(path) as video:
            assert not [frame.index for frame in video if frame.is_damaged]
            assert video.losses() == ()


def test_description_of_damaged_frames() -> None:
    """Ranges, of which some are named."""
    made_up = "frame(s) are damaged, with parts made up from others"
    assert describe_damaged([3]) == f"1 {made_up}: 3"
    assert describe_damaged([4, 5, 9]) == f"3 {made_up}: 4 to 5, 9"
    assert describe_damaged([1, 3, 5, 7]) == f"4 {made_up}: 1, 3, 5, ..."


@pytest.mark.parametrize("options", [{}, FRAGMENTS])
def test_recordings_appended_to_an_mp4(tmp_path: Path, options: dict) -> None:
    """FFmpeg reads the first; that there is another is said."""
    path = write_clip(tmp_path / "clip.mp4", 10, **options)
    data = path.read_bytes()
    path.write_bytes(data + data)
    (loss,) = structural_damage(path)
    assert loss.startswith(f"another recording begins at byte {len(data)}, ")
    with open_video(path) as video:
        assert loss in video.losses()
    line = ["track", str(path), "--box", "1:5,5,9,9", "-o", str(tmp_path / "out"), "--strict"]
    result = CliRunner().invoke(cli, line)
    assert result.exit_code == 3
    assert "another recording" in result.stderr


def test_fragments_behind_damage(tmp_path: Path) -> None:
    """A fragmented MP4 in whose middle a box is overwritten; what is appended to a file is no damage."""
    path = write_clip(tmp_path / "clip.mp4", 20, **FRAGMENTS)
    whole = path.read_bytes()
    path.write_bytes(whole + b"appended by a camera" * 9)
    assert structural_damage(path) == []
    second = whole.index(b"moof", whole.index(b"moof") + 4) - 4
    path.write_bytes(whole)
    assert structural_damage(overwritten(path, second, 8)) == [f"the data is damaged at byte {second}"]


def boxes_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and bytes of the boxes of a file."""
    while data:
        size = int.from_bytes(data[:4], "big")
        yield data[4:8], data[:size]
        data = data[size:]


def test_boxes_of_other_types_are_no_damage(tmp_path: Path) -> None:
    """Live recordings have the time of day before every fragment, and cameras have boxes of their own."""
    path = write_clip(tmp_path / "clip.mp4", 20, **MOVABLE)
    more = {b"moof": struct.pack(">I4s24x", 32, b"prft")}
    parts = [more.get(kind, b"") + box for kind, box in boxes_of(path.read_bytes())]
    path.write_bytes(b"".join(parts) + struct.pack(">I4s24x", 32, b"sefd"))
    assert structural_damage(path) == []
    with open_video(path) as video:
        assert len(list(video)) == 20


def test_pieces_of_a_stream_with_a_header_each(tmp_path: Path) -> None:
    """As saved from HLS or DASH: FFmpeg reads all of it, since the times go on."""
    path = write_clip(tmp_path / "clip.mp4", 20, **MOVABLE)
    boxes = list(boxes_of(path.read_bytes()))
    header = b"".join(box for kind, box in boxes if kind in (b"ftyp", b"moov"))
    pieces = [header * (kind == b"moof") + box for kind, box in boxes if kind in (b"moof", b"mdat")]
    path.write_bytes(b"".join(pieces))
    assert structural_damage(path) == []
    with open_video(path) as video:
        assert len(list(video)) == 20


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_gif_that_was_cut(tmp_path: Path, share: float) -> None:
    """It ends in the middle of an image; only the end mark is left out by some programs."""
    path = write_clip(tmp_path / "clip.gif", 12, codec="gif", pixels="rgb8")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert structural_damage(path) == ["the file is cut short: it ends in the middle of an image"]
    with open_video(path) as video:
        assert video.losses()
    path.write_bytes(data.removesuffix(b";"))
    assert structural_damage(path) == []


def test_a_gif_damaged_in_its_middle(tmp_path: Path) -> None:
    """FFmpeg gives the frames before it, and no error."""
    path = write_clip(tmp_path / "clip.gif", 12, codec="gif", pixels="rgb8")
    data = path.read_bytes()
    path.write_bytes(data + b"\0\0")
    assert structural_damage(path) == []
    image = data.index(b"\x21\xf9\x04", len(data) // 2)
    path.write_bytes(data)
    (loss,) = structural_damage(overwritten(path, image, 3, 0x77))
    assert loss == f"the data is damaged at byte {image}"
