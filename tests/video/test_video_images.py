"""Folders and globs of images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vos.errors import InputError, MediaError
from vos.video import Video, images, open_video, probe
from vos.video.images import read_image
from vos.video.source import natural_order

RNG = np.random.default_rng(1)


def save(path: Path, image: np.ndarray | Image.Image, **options: object) -> Path:
    """Write an image in the format of its extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def noise(*shape: int) -> np.ndarray:
    """Random uint8."""
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def test_folder_is_a_video(tmp_path: Path) -> None:
    """Images come in the order people count, under their own names, with no time and no rate."""
    written = {}
    for stem in ("frame10", "frame2", "frame1", "Frame3"):
        written[stem] = noise(6, 8, 3)
        save(tmp_path / f"{stem}.png", written[stem])
    video = open_video(tmp_path)
    assert (video.info.width, video.info.height, video.info.fps, video.info.num_frames) == (8, 6, None, 4)
    assert video.is_images
    frames = list(video)
    assert [frame.name for frame in frames] == ["frame1", "frame2", "Frame3", "frame10"]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.time for frame in frames] == [None] * 4
    assert all(np.array_equal(frame.image, written[frame.name]) for frame in frames)
    assert [f.name for f in video.frames(start=1, reverse=True)] == ["frame10", "Frame3", "frame2"]
    assert video.count_frames() == video.estimate_frames() == 4
    assert [path.stem for path in video.paths] == ["frame1", "frame2", "Frame3", "frame10"]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".jpg", ".JPG", ".jpeg"])
def test_every_kind_is_read(tmp_path: Path, suffix: str) -> None:
    """All kinds of images give their pixels, lossless ones exactly."""
    image = np.full((16, 24, 3), (200, 100, 40), np.uint8)
    save(tmp_path / f"a{suffix}", image, **({"lossless": True} if suffix == ".webp" else {}))
    found = next(iter(open_video(tmp_path))).image
    assert np.abs(found.astype(int) - image).max() <= (4 if suffix.lower().startswith(".jp") else 0)


def test_a_single_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    """A photograph can be given by its path."""
    path = save(tmp_path / "photo.jpg", noise(8, 8, 3))
    assert [frame.name for frame in open_video(path)] == ["photo"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """Thumbnails of the system, hidden files, text and folders do not count."""
    save(tmp_path / "0.png", noise(4, 4, 3))
    for name in ("Thumbs.db", ".DS_Store", "._0.png", ".hidden.jpg", "notes.txt", "meta.json"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "folder.png").mkdir()
    assert [frame.name for frame in open_video(tmp_path)] == ["0"]


def test_mixed_kinds_are_refused(tmp_path: Path) -> None:
    """Photographs beside masks are not guessed apart; a glob of one kind is, and is suggested."""
    for stem in ("0", "1"):
        save(tmp_path / f"{stem}.jpg", noise(4, 4, 3))
    save(tmp_path / "0.png", noise(4, 4, 3))
    with pytest.raises(MediaError, match=r"mixes images of several kinds: 2 \.jpg, 1 \.png") as caught:
        open_video(tmp_path)
    assert f"such as '{tmp_path}/*.jpg'" in str(caught.value)
    assert len(list(open_video(tmp_path / "*.jpg"))) == 2
    with pytest.raises(MediaError, match=r"mixes images of several kinds"):
        open_video(tmp_path / "*")


def test_extensions_of_one_kind_may_be_mixed(tmp_path: Path) -> None:
    """.jpg, .jpeg and .JPG are the same."""
    for name in ("0.jpg", "1.jpeg", "2.JPG"):
        save(tmp_path / name, noise(4, 4, 3))
    assert [frame.name for frame in open_video(tmp_path)] == ["0", "1", "2"]


def test_equal_names_are_refused(tmp_path: Path) -> None:
    """Two images of one name would give two results of one name."""
    save(tmp_path / "0.jpg", noise(4, 4, 3))
    save(tmp_path / "0.jpeg", noise(4, 4, 3))
    with pytest.raises(MediaError, match="have the same name '0'"):
        open_video(tmp_path)
    save(tmp_path / "a" / "0.png", noise(4, 4, 3))
    save(tmp_path / "b" / "0.png", noise(4, 4, 3))
    with pytest.raises(MediaError, match="have the same name '0'"):
        open_video(tmp_path / "*" / "*.png")


def test_glob_over_folders(tmp_path: Path) -> None:
    """A glob may reach into folders; the order is that of the whole path."""
    for name in ("shot2/b.png", "shot10/a.png", "shot2/c.png"):
        save(tmp_path / name, noise(4, 4, 3))
    assert [frame.name for frame in open_video(tmp_path / "**" / "*.png")] == ["b", "c", "a"]


def test_natural_order_is_total() -> None:
    """Numbers count as numbers, case does not matter, and equal keys fall back to the text."""
    names = ["b10", "b9", "a", "B9", "b09", "b", "10", "9", "b9c"]
    ordered = [str(path) for path in natural_order(map(Path, names))]
    assert ordered == ["9", "10", "a", "b", "B9", "b09", "b9", "b9c", "b10"]
    assert natural_order(natural_order(map(Path, names))[::-1]) == natural_order(map(Path, names))


def test_other_size_is_refused_at_once(tmp_path: Path) -> None:
    """An image of another size is named when the folder is opened, not in the middle of a run."""
    save(tmp_path / "0.png", noise(4, 6, 3))
    save(tmp_path / "1.png", noise(4, 6, 3))
    save(tmp_path / "2.png", noise(6, 4, 3))
    with pytest.raises(MediaError, match=r"2\.png is 4x6, but .*0\.png is 6x4"):
        open_video(tmp_path)


def test_image_that_changes_while_we_read(tmp_path: Path) -> None:
    """A folder that is being written to is noticed."""
    save(tmp_path / "0.png", noise(4, 6, 3))
    save(tmp_path / "1.png", noise(4, 6, 3))
    video = open_video(tmp_path)
    save(tmp_path / "1.png", noise(8, 8, 3))
    with pytest.raises(MediaError, match=r"1\.png has become 8x8, it was 6x4"):
        list(video)
    (tmp_path / "1.png").unlink()
    with pytest.raises(MediaError, match=r"cannot read image .*1\.png: No such file"):
        list(video)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty"), (b"text, not an image", "it is not an image")]
)
def test_what_is_not_an_image_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    """An empty or false image is named when the folder is opened."""
    save(tmp_path / "0.png", noise(4, 4, 3))
    (tmp_path / "1.png").write_bytes(content)
    with pytest.raises(MediaError, match=reason) as caught:
        open_video(tmp_path)
    assert str(tmp_path / "1.png") in str(caught.value)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_cut_image_is_named(tmp_path: Path, suffix: str) -> None:
    """Half an image is damaged, not half grey; images before it are read."""
    save(tmp_path / f"0{suffix}", noise(64, 64, 3))
    data = (tmp_path / f"0{suffix}").read_bytes()
    (tmp_path / f"1{suffix}").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=rf"cannot read image .*1\{suffix}") as caught:
        assert [frame.name for frame in open_video(tmp_path)] == []
    assert caught.value.exit_code == 3


def test_frames_before_a_damaged_image_are_given(tmp_path: Path) -> None:
    """Reading stops at the damaged image, not before."""
    save(tmp_path / "0.jpg", noise(64, 64, 3))
    data = (tmp_path / "0.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(data[: len(data) // 2])
    frames = iter(open_video(tmp_path))
    assert next(frames).name == "0"
    with pytest.raises(MediaError, match=r"1\.jpg"):
        next(frames)


def test_grey_is_repeated(tmp_path: Path) -> None:
    """Grey, black-and-white and grey with alpha become three equal channels."""
    grey = noise(5, 7)
    for mode, image in {
        "L": Image.fromarray(grey),
        "LA": Image.merge("LA", [Image.fromarray(grey), Image.new("L", (7, 5), 9)]),
    }.items():
        found = read_image(save(tmp_path / f"{mode}.png", image))
        assert np.array_equal(found, np.repeat(grey[:, :, None], 3, axis=2))
    found = read_image(save(tmp_path / "1.png", Image.fromarray(grey > 127)))
    assert np.array_equal(found[:, :, 1], np.where(grey > 127, 255, 0))


def test_alpha_is_dropped(tmp_path: Path) -> None:
    """Transparent pixels keep their colour: nothing is blended."""
    rgba = noise(5, 7, 4)
    assert np.array_equal(read_image(save(tmp_path / "a.png", rgba)), rgba[:, :, :3])


def test_palette_is_looked_up(tmp_path: Path) -> None:
    """An indexed image shows its colours."""
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    image.putpalette([0, 0, 0, 200, 10, 20, 5, 6, 7])
    found = read_image(save(tmp_path / "a.png", image))
    assert found.tolist() == [[[0, 0, 0], [200, 10, 20]], [[5, 6, 7], [200, 10, 20]]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_reduced(tmp_path: Path, suffix: str) -> None:
    """The upper 8 of 16 bits are taken, so that 65535 is white."""
    values = np.array([[0, 255, 256], [0x7FFF, 0xFF00, 0xFFFF]], np.uint16)
    found = read_image(save(tmp_path / f"a{suffix}", values))
    assert found[:, :, 0].tolist() == [[0, 0, 1], [0x7F, 0xFF, 0xFF]]


def test_floats_are_refused(tmp_path: Path) -> None:
    """Nobody knows what is white in an image of floats."""
    path = save(tmp_path / "a.tif", Image.fromarray(np.ones((2, 2), np.float32)))
    with pytest.raises(MediaError, match="holds 'F' pixels; images of 8 or 16 bits are read"):
        open_video(path)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_animations_are_refused(tmp_path: Path, suffix: str) -> None:
    """An image of several pictures is not a frame."""
    first, second = (Image.fromarray(noise(8, 8, 3)) for _ in range(2))
    path = save(tmp_path / f"a{suffix}", first, save_all=True, append_images=[second])
    with pytest.raises(MediaError, match="holds 2 images; an animation is not a frame"):
        open_video(tmp_path)
    assert path.exists()


def test_photographs_with_a_second_picture_are_read(tmp_path: Path) -> None:
    """Phones put a second picture into a JPEG (MPO); the first one is the photograph."""
    buffer = io.BytesIO()
    first = Image.new("RGB", (16, 16), (200, 0, 0))
    first.save(buffer, format="MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))])
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    assert next(iter(open_video(tmp_path))).image[0, 0, 0] > 190


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_exif_orientation_is_applied(tmp_path: Path, name: str, orientation: int) -> None:
    """Photographs stand upright, as in any viewer, and the size follows."""
    upright = noise(4, 6, 3)
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(undo[orientation](upright))
    save(tmp_path / name, stored, **{"tiffinfo" if name == "a.tif" else "exif": exif})
    video = open_video(tmp_path)
    assert (video.info.width, video.info.height) == (6, 4)
    assert np.array_equal(next(iter(video)).image, upright)
    assert any("EXIF" in sentence for sentence in probe(tmp_path).unusual) == (orientation > 4)


def test_images_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Iterating reads an image when its frame is asked for, and only selected ones."""
    for i in range(6):
        save(tmp_path / f"{i}.png", noise(4, 4, 3))
    video: Video = open_video(tmp_path, start=1, stride=2)
    read: list[str] = []
    original = images.read_bytes

    def noting(path: Path) -> bytes:
        read.append(path.stem)
        return original(path)

    monkeypatch.setattr(images, "read_bytes", noting)
    frames = iter(video)
    next(frames)
    assert read == ["1"]
    assert [frame.name for frame in frames] == ["3", "5"]
    assert read == ["1", "3", "5"]


def test_start_after_the_last_image_is_refused_at_once(tmp_path: Path) -> None:
    """The number of images is known, so a start beyond it fails when the folder is opened."""
    save(tmp_path / "0.png", noise(4, 4, 3))
    with pytest.raises(InputError, match="start 1 is after the last frame; the video has 1 frame, 0 to 0"):
        open_video(tmp_path, start=1)


@pytest.mark.parametrize(("name", "value"), [("start", "1"), ("end", 2.5), ("stride", None)])
def test_other_numbers_of_frames_are_refused(tmp_path: Path, name: str, value: Any) -> None:
    """Frames are counted in whole numbers."""
    save(tmp_path / "0.png", noise(4, 4, 3))
    with pytest.raises(InputError, match=f"{name} must be a whole number of frames, got {value!r}"):
        open_video(tmp_path, **{name: value})
