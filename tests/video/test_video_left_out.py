"""What lies among frames and is none, and what looks like a video and is none."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from vos_cli.main import cli

from vos.errors import MediaError
from vos.testing import Scene, scene, write_images, write_labels
from vos.video import open_video, probe
from vos.video.images import read_image


@pytest.fixture
def clip() -> Scene:
    """Three small frames."""
    return scene("crossing", num_frames=3, size=(48, 64), seed=1)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_mask_named_by_m_is_no_frame(tmp_path: Path, clip: Scene, suffix: str) -> None:
    """``vos track frames/ -m frames/first.png``, as the help has it: three frames, and a word on the mask."""
    frames = write_images(clip, tmp_path / "frames", suffix)
    write_labels(clip, tmp_path / "labels")
    mask = tmp_path / "frames" / "first.png"
    (tmp_path / "labels" / "00000.png").rename(mask)
    line = ["track", str(tmp_path / "frames"), "-m", str(mask), "-o", str(tmp_path / "out"), "--no-overlay"]
    result = CliRunner().invoke(cli, line)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "out" / "masks").iterdir()) == [f"{p.stem}.png" for p in frames]
    assert "first.png is a mask and not a frame" in result.stderr


def test_a_glob_leaves_the_mask_out_too(tmp_path: Path, clip: Scene) -> None:
    """By the file, however its path is written; a folder of nothing else stays as it is."""
    frames = write_images(clip, tmp_path)
    same = tmp_path / "." / frames[2].name
    assert [f.name for f in open_video(f"{tmp_path}/*.png", leave_out=[same])] == ["00000", "00001"]
    assert len(list(open_video(tmp_path, leave_out=frames))) == 3


def test_jfif_is_jpeg(tmp_path: Path, clip: Scene) -> None:
    """The other usual extensions of JPEG are frames."""
    frames = write_images(clip, tmp_path, ".jpg")
    frames[1].rename(frames[1].with_suffix(".jfif"))
    frames[2].rename(frames[2].with_suffix(".jpe"))
    assert [f.name for f in open_video(tmp_path)] == ["00000", "00001", "00002"]


def test_heic_among_jpeg_is_refused(tmp_path: Path, clip: Scene) -> None:
    """Every second photograph would be missing."""
    frames = write_images(clip, tmp_path, ".jpg")
    frames[1].rename(frames[1].with_suffix(".HEIC"))
    with pytest.raises(MediaError, match=r"1 \.HEIC, 2 \.jpg"):
        open_video(tmp_path)


def test_heic_says_what_reads_it(tmp_path: Path) -> None:
    """Without pillow-heif the message names it."""
    if ".heic" in Image.registered_extensions():
        pytest.skip("pillow-heif is installed")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(MediaError, match="pillow-heif"):
        open_video(tmp_path)


def test_images_that_are_not_read_are_named(
    tmp_path: Path, clip: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Raw photographs and broken links among the frames."""
    write_images(clip, tmp_path)
    (tmp_path / "00003.dng").write_bytes(b"raw")
    (tmp_path / "00004.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "notes.txt").write_text("no image")
    for source in (tmp_path, f"{tmp_path}/*"):
        caplog.clear()
        if source == tmp_path:
            assert len(list(open_video(source))) == 3
        else:
            with pytest.raises(MediaError):
                open_video(source)
        assert "1 broken link(s), left out, such as " in caplog.text
        assert "left out: 1 .dng" in caplog.text


def write_12_bits(path: Path, values: np.ndarray, highest: int | None) -> Path:
    """A 16-bit TIFF, with MaxSampleValue where one is given."""
    tags = {} if highest is None else {281: highest}
    Image.fromarray(values.astype(np.uint16)).save(path, tiffinfo=tags)
    return path


def test_12_bits_in_16(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Scaled by what the file says; where it says nothing, all but black frames are named."""
    values = np.arange(48 * 64).reshape(48, 64) % 640
    marked = write_12_bits(tmp_path / "marked.tif", values, 4095)
    assert (read_image(marked)[..., 0] == values >> 4).all()
    with caplog.at_level(logging.WARNING, "vos"):
        (frame,) = open_video(marked)
        assert (frame.image[..., 0] == values >> 4).all()
        assert not caplog.records
        open_video(write_12_bits(tmp_path / "plain.tif", values, None))
    assert "all but black" in caplog.text
    assert "become 0 to 2 of 255" in caplog.text


def test_12_bits_of_colour_in_16(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Pillow reads the upper 8 bits of colours, and says nothing; black of 8 bits is black."""
    values = np.arange(48 * 64 * 3).reshape(48, 64, 3) % 3000
    with caplog.at_level(logging.WARNING, "vos"):
        cv2.imwrite(str(tmp_path / "deep.png"), values.astype(np.uint16))
        open_video(tmp_path / "deep.png")
        assert "become 0 to 11 of 255" in caplog.text
        caplog.clear()
        for name in ("black.png", "black.tif", "black.jpg"):
            Image.fromarray(np.zeros((16, 160, 3), np.uint8)).save(tmp_path / name)
            open_video(tmp_path / name)
        assert not caplog.records


@pytest.mark.parametrize("names", [("0.1", "0.15", "0.2"), ("-2", "-1", "0")])
def test_names_that_are_numbers_have_one_order(tmp_path: Path, clip: Scene, names: tuple[str, ...]) -> None:
    """Fractions of different lengths and negative numbers: digit by digit they go another way."""
    for path, name in zip(write_images(clip, tmp_path), names, strict=True):
        path.rename(tmp_path / f"{name}.png")
    with pytest.raises(MediaError, match=r"can be ordered two ways: .* rename them"):
        open_video(tmp_path)
    for name, other in zip(names, ("1.10", "1.20", "2.05"), strict=True):
        (tmp_path / f"{name}.png").rename(tmp_path / f"{other}.png")
    assert [f.name for f in open_video(tmp_path)] == ["1.10", "1.20", "2.05"]


def test_brackets_with_two_readings(tmp_path: Path, clip: Scene) -> None:
    """A folder that [ ] matches as a set of characters, and one that has them in its name."""
    write_images(clip, tmp_path / "take[1]")
    pattern = f"{tmp_path}/take[1]/*.png"
    assert len(list(open_video(pattern))) == 3
    write_images(clip, tmp_path / "take1")
    with pytest.raises(MediaError, match=r"can be read two ways: .*take1/.*take\[1\]/.*Give the folder"):
        open_video(pattern)
    assert len(list(open_video(f"{tmp_path}/take[[]1]/*.png"))) == 3


LISTS = {
    "live.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\nhttp://127.0.0.1:9/a.ts\n",
    "named.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\nother.mp4\n#EXT-X-ENDLIST\n",
    "bom.m3u8": "\ufeff#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.6,\nother.mp4\n#EXT-X-ENDLIST\n",
    "list.txt": "ffconcat version 1.0\nfile other.mp4\n",
    "manifest.mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>\n',
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_playlists_are_refused(tmp_path: Path, name: str) -> None:
    """Lists of other files or addresses are refused by their content, before anything they name is opened."""
    path = tmp_path / name
    path.write_text(LISTS[name], "utf-8")
    for reader in ("pyav", "decord"):
        with pytest.raises(MediaError, match=f"{name}: it is an? .*, which names other files") as caught:
            open_video(path, reader=reader)
        assert caught.value.exit_code == 3
    with pytest.raises(MediaError, match="which names other files"):
        probe(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rtsp://cam.local/stream", "is an address, and only files, folders and globs"),
        ("https://example.org/clip.mp4", "is an address"),
        ("file:///home/me/my%20clip.mp4", "give the file by its path: /home/me/my clip.mp4$"),
        ("udp:@239.0.0.1:1234", "is an address"),
        ("0", "cameras are not read"),
        ("C:clip.mp4", "there is no file or folder"),
    ],
)
def test_what_is_no_path(text: str, message: str) -> None:
    """Addresses and camera numbers get an answer of their own."""
    with pytest.raises(MediaError, match=message):
        open_video(text)
