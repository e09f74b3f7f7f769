"""Cut-outs, compared pixel by pixel after decoding."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from annotated_clips import annotations_of, hard_clip, many_objects
from PIL import Image

from vos import formats
from vos.errors import InputError, SettingsError
from vos.formats.base import VideoFacts
from vos.formats.registry import FORMATS, build_writer, writers
from vos.frame import Frame
from vos.results import FrameResult, object_ids
from vos.testing import Scene, scene, write_images, write_labels
from vos.video import open_video

SIZE = (31, 45)
BLURRED = 12.0


@pytest.fixture
def clip() -> Scene:
    """Two objects that cross, in five frames of an odd size."""
    return scene("crossing", num_frames=5, size=SIZE)


def write(clip: Scene, path: Path, name: str, probabilities: Any = None, **options: Any) -> Path:
    """The clip in a format, through its writer, as while tracking."""
    path.mkdir(exist_ok=True)
    place = path / FORMATS[name].default_name
    with build_writer(name, place, facts=VideoFacts(25.0, sequence="clip"), options=options) as writer:
        for index, (frame, labels) in enumerate(zip(clip.frames, clip.labels, strict=True)):
            soft = None if probabilities is None else probabilities[index]
            writer.write(frame, FrameResult(frame.index, labels, {1: 1.0, 2: 1.0}, probabilities=soft))
            if index == 2:
                writer.checkpoint()
    return place


def decode(path: Path, layout: str) -> tuple[list[np.ndarray], list[float]]:
    """All frames and their times; VP9 by the decoder that keeps its alpha."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if path.suffix == ".webm":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
            packets = [p for p in container.demux(stream) if p.dts is not None]
            found = [f for packet in packets for f in decoder.decode(packet)] + list(decoder.decode(None))
            times = [float(p.pts * p.time_base) for p in packets]
        else:
            found = list(container.decode(stream))
            times = [float(f.time) for f in found]
        colour = {"src_colorspace": 1} if found[0].format.name.startswith("yuv") else {}
        return [f.reformat(format=layout, **colour).to_ndarray() for f in found], times


def truth(clip: Scene) -> list[np.ndarray]:
    """RGBA of both objects, hard edges."""
    alpha = [(labels > 0).astype(np.uint8) * 255 for labels in clip.labels]
    return [
        np.dstack([frame.image * (a[..., None] > 0), a]) for frame, a in zip(clip.frames, alpha, strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "colour", "alpha"), [("prores", 1, 0), ("ffv1", 0, 0), ("qtrle", 0, 0), ("webm", None, 3)]
)
def test_alpha_videos(clip: Scene, tmp_path: Path, name: str, colour: int | None, alpha: int) -> None:
    """Alpha and, where it is visible, colour come back as the codec promises, at the frames' times."""
    found, times = decode(write(clip, tmp_path, name), "rgba")
    assert times == pytest.approx([(f.time or 0.0) for f in clip.frames], abs=1e-3)
    for got, expected in zip(found, truth(clip), strict=True):
        difference = np.abs(got.astype(int) - expected)
        assert got.shape == expected.shape
        assert difference[..., 3].max() <= alpha
        inside = difference[expected[..., 3] == 255][:, :3]
        assert inside.mean() < BLURRED if colour is None else inside.max() <= colour


def test_lossless_webm_keeps_alpha(clip: Scene, tmp_path: Path) -> None:
    """``lossless`` leaves alpha as it is."""
    found, _ = decode(write(clip, tmp_path, "webm", lossless=True), "rgba")
    for got, expected in zip(found, truth(clip), strict=True):
        assert np.array_equal(got[..., 3], expected[..., 3])


def test_rgba_sequence(clip: Scene, tmp_path: Path) -> None:
    """Straight alpha, numbers without gaps, and the frame of every number."""
    folder = write(clip, tmp_path, "rgba-png", first=1001)
    names = sorted(p.name for p in folder.glob("*.png"))
    assert names == [f"clip.{n}.png" for n in range(1001, 1006)]
    for name, expected in zip(names, truth(clip), strict=True):
        assert np.array_equal(np.asarray(Image.open(folder / name)), expected)
    rows = list(csv.DictReader((folder / "frames.csv").open()))
    assert [int(row["frame_index"]) for row in rows] == [0, 1, 2, 3, 4]
    kept = write(clip, tmp_path / "kept", "rgba-png", color="keep", feather=2.0)
    image = np.asarray(Image.open(kept / "clip.0001.png"))
    assert np.array_equal(image[..., :3], clip.frames[0].image)  # not premultiplied
    assert len(np.unique(image[..., 3])) > 10


def test_crops(clip: Scene, tmp_path: Path) -> None:
    """Pasting the crops back at their offsets gives the objects; one object alone on demand."""
    folder = write(clip, tmp_path, "cutouts")
    for index, expected in enumerate(truth(clip)):
        canvas = np.zeros_like(expected)
        for row in csv.DictReader((folder / "cutouts.csv").open()):
            if int(row["frame_index"]) == index:
                crop = np.asarray(Image.open(folder / row["file"]))
                x, y = int(row["x"]), int(row["y"])
                assert crop.shape == (int(row["height"]), int(row["width"]), 4)
                assert crop[0, :, 3].any()
                canvas[y : y + crop.shape[0], x : x + crop.shape[1]] += crop
        assert np.array_equal(canvas, expected)
    alone = write(clip, tmp_path / "alone", "cutouts", object=2)
    assert sorted(p.name for p in alone.iterdir()) == ["2", "cutouts.csv"]


def test_matte(clip: Scene, tmp_path: Path) -> None:
    """Exact, as video and as images; odd sizes are padded at the end."""
    found, _ = decode(write(clip, tmp_path, "matte"), "gray")
    folder = write(clip, tmp_path, "matte-png")
    for got, path, labels in zip(found, sorted(folder.glob("*.png")), clip.labels, strict=True):
        expected = (labels > 0) * 255
        assert np.array_equal(got[: SIZE[0], : SIZE[1]], expected)
        assert np.array_equal(np.asarray(Image.open(path)), expected)


def test_green(clip: Scene, tmp_path: Path) -> None:
    """The colour asked for outside, the frame inside."""
    found, _ = decode(write(clip, tmp_path, "green", background="0000ff", crf=0), "rgb24")
    for got, frame, labels in zip(found, clip.frames, clip.labels, strict=True):
        got = got[: SIZE[0], : SIZE[1]].astype(int)
        assert np.abs(got[labels == 0] - (0, 0, 255)).max() <= 3
        assert np.abs(got[labels > 0] - frame.image[labels > 0]).max() <= 4


@pytest.mark.parametrize("name", ["blur", "pixelate", "grey-out"])
@pytest.mark.parametrize("hide", ["objects", "background"])
def test_hiding(clip: Scene, tmp_path: Path, name: str, hide: str) -> None:
    """What is to be hidden changes, the rest does not."""
    options = {"crf": 0, "chroma": 444, "strength": 0.5}
    found, _ = decode(write(clip, tmp_path, name, hide=hide, **options), "rgb24")
    for got, frame, labels in zip(found, clip.frames, clip.labels, strict=True):
        got = got[: SIZE[0], : SIZE[1]].astype(int)
        hidden = (labels > 0) == (hide == "objects")
        assert np.abs(got[~hidden] - frame.image[~hidden]).max() <= 4
        assert np.abs(got[hidden] - frame.image[hidden]).max() > 20
        if name == "grey-out":
            assert np.ptp(got[hidden], axis=1).max() <= 4


def test_soft_edges_are_the_probabilities(clip: Scene, tmp_path: Path) -> None:
    """Beside the edge the tracker's probability; far from it 0 and 255, whatever the tracker says."""
    soft = [
        np.stack([np.where(lab == k, 0.8, 0.2) for k in (1, 2)]).astype(np.float32) for lab in clip.labels
    ]
    folder = write(clip, tmp_path, "matte-png", probabilities=soft, edge="soft")
    found = np.asarray(Image.open(folder / "clip.0001.png"))
    values = set(np.unique(found).tolist())
    assert {51, 204} <= values <= {0, 51, 204, 255}
    assert np.array_equal(found > 127, clip.labels[0] > 0)


def test_soft_edges_have_the_colour_of_the_object(tmp_path: Path) -> None:
    """Straight colours of a soft edge are those of the object, not mixed with the background."""
    rows, columns = np.mgrid[:60, :80]
    distance = np.hypot(rows - 30, columns - 40)
    alpha = np.clip((22 - distance) / 6 + 0.5, 0, 1)
    front = np.stack([220 - columns, 40 + rows, np.full_like(rows, 30)], axis=2)
    image = np.rint(front * alpha[..., None] + np.array([20, 90, 240]) * (1 - alpha[..., None])).astype(
        np.uint8
    )
    result = FrameResult(
        0, (alpha > 0.5).astype(np.uint8), {1: 1.0}, probabilities=alpha[None].astype(np.float32)
    )
    errors = {}
    for decontaminate in (True, False):
        folder = tmp_path / str(decontaminate)
        options = {"edge": "soft", "decontaminate": decontaminate}
        with build_writer("rgba-png", folder, options=options) as writer:
            writer.write(Frame(0, image, "a"), result)
        found = np.asarray(Image.open(folder / "video.0001.png")).astype(int)
        soft = (found[..., 3] > 25) & (found[..., 3] < 230)
        assert np.array_equal(found[found[..., 3] == 255][:, :3], image[found[..., 3] == 255])
        errors[decontaminate] = np.abs(found[soft][:, :3] - front[soft]).mean()
    assert errors[False] > 40
    assert errors[True] < 12


def annotated(clip: Scene, path: Path) -> formats.Annotations:
    """Masks of the clip on disk, and its frames beside them."""
    write_images(clip, path / "frames")
    write_labels(clip, path / "masks")
    return formats.read(path / "masks", "masks")


def test_export_finds_the_frames(clip: Scene, tmp_path: Path) -> None:
    """An export of some frames shows those, and equals what the writer makes of them."""
    given = formats.select(annotated(clip, tmp_path), start=1, end=4, stride=2)
    with open_video(tmp_path / "frames") as video:
        formats.export(given, tmp_path / "out", ["rgba-png", "ffv1"], frames=video, sequence="clip")
    paths = sorted((tmp_path / "out" / "rgba").glob("*.png"))
    decoded, _ = decode(tmp_path / "out" / "alpha.mkv", "rgba")
    for path, got, expected in zip(paths, decoded, truth(clip)[1:4:2], strict=True):
        assert np.array_equal(np.asarray(Image.open(path)), expected)
        assert np.array_equal(got, expected)
    assert not [p for p in tmp_path.rglob(".*")]


def test_masks_of_another_video_are_refused(clip: Scene, tmp_path: Path) -> None:
    """Too short, another size, no video, no probabilities: one message each, and nothing is left."""
    given = annotated(clip, tmp_path)
    write_images(scene("crossing", num_frames=5, size=(20, 20)), tmp_path / "small")
    before = sorted(tmp_path.iterdir())
    for folder, end, message in (("frames", 3, "no frame 3"), ("small", None, "45x31")):
        with open_video(tmp_path / folder, end=end) as video, pytest.raises(InputError, match=message):
            formats.export(given, tmp_path / "out", ["prores"], frames=video)
    with pytest.raises(InputError, match="--video"):
        formats.write(given, tmp_path / "out.mov", "prores")
    with pytest.raises(SettingsError, match="vos track --write prores"):
        formats.write(given, tmp_path / "out.mov", "prores", options={"edge": "soft"})
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("prores", {"edge": "sharp"}),
        ("rgba-png", {"feather": -1.0}),
        ("green", {"background": "nocolour"}),
        ("blur", {"hide": "faces"}),
        ("blur", {"strength": 0.0}),
        ("webm", {"crf": 64}),
    ],
)
def test_bad_options(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    """A value that makes no sense is refused before anything is written."""
    with pytest.raises(SettingsError):
        build_writer(name, tmp_path / "x", options=options)
    assert not list(tmp_path.iterdir())


def test_no_object_is_transparent(tmp_path: Path) -> None:
    """Frames without an object are written, too: sequences have no gaps."""
    image = np.full((8, 8, 3), 90, np.uint8)
    for name, shape in (("rgba-png", (8, 8, 4)), ("matte-png", (8, 8))):
        with build_writer(name, tmp_path / name, options={"edge": "refined"}) as writer:
            writer.write(Frame(0, image, "a"), FrameResult(0, np.zeros((8, 8), np.uint8)))
        found = np.asarray(Image.open(tmp_path / name / "video.0001.png"))
        assert np.array_equal(found, np.zeros(shape))


def test_mattes_of_every_object(clip: Scene, tmp_path: Path) -> None:
    """A folder per object; the table still has a line per frame."""
    folder = write(clip, tmp_path, "matte-png", per_object=True)
    for object_id in (1, 2):
        for path, labels in zip(sorted((folder / str(object_id)).iterdir()), clip.labels, strict=True):
            assert np.array_equal(np.asarray(Image.open(path)), (labels == object_id) * 255)
    assert len((folder / "frames.csv").read_text().splitlines()) == 6


PICTURES = [name for name in writers() if FORMATS[name].needs_frames]


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("labels", [hard_clip(), many_objects()], ids=["hard", "300 objects"])
def test_hard_clips(name: str, labels: list[np.ndarray], tmp_path: Path) -> None:
    """Holes, pieces, absence, one pixel, 300 objects, odd sizes: written, and exact where that is said."""
    for package in FORMATS[name].requires:
        pytest.importorskip(package)
    given = annotations_of(labels)
    rows, columns = np.mgrid[: labels[0].shape[0], : labels[0].shape[1]]
    image = np.stack([rows * 3, columns * 2, rows + columns], axis=2).astype(np.uint8)
    (tmp_path / "frames").mkdir()
    for n in range(len(labels)):
        Image.fromarray(image).save(tmp_path / "frames" / f"{n:05d}.png")
    path = tmp_path / FORMATS[name].default_name
    with open_video(tmp_path / "frames") as video:
        written = formats.write(given, path, name, frames=video)
    assert written.frames == len(labels)
    if not FORMATS[name].is_folder:
        found, _ = decode(path, "gray" if name == "matte" else "rgba")
        assert len(found) == len(labels)
        for got, values in zip(found, labels, strict=True):
            if name in ("matte", "prores", "ffv1", "qtrle"):
                alpha = got if name == "matte" else got[..., 3]
                assert np.array_equal(alpha[: values.shape[0], : values.shape[1]], (values > 0) * 255)
    elif name in ("rgba-png", "matte-png"):
        for file, values in zip(sorted(path.glob("*.png")), labels, strict=True):
            pixels = np.asarray(Image.open(file))
            assert np.array_equal(pixels if pixels.ndim == 2 else pixels[..., 3], (values > 0) * 255)
    elif name == "cutouts":
        assert sum(1 for _ in path.rglob("*.png")) == sum(len(object_ids(values)) for values in labels)


def test_every_format_for_looking_is_known() -> None:
    """The formats that need frames are those that are not read, but for results of a benchmark."""
    unread = {name for name in writers() if not FORMATS[name].reader}
    assert {name for name in writers() if FORMATS[name].needs_frames} == unread - {"object-masks"}
