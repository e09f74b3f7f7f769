"""What is in each file, read back by somebody else's reader."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from vos.errors import MediaError
from vos.formats.base import VideoFacts
from vos.formats.coco import CocoWriter
from vos.formats.drawing import OverlaySettings, colour_index, contour, draw_overlay
from vos.formats.index_png import IndexPngWriter
from vos.formats.overlay import OverlayWriter
from vos.formats.registry import build_writer
from vos.formats.run_record import RunWriter
from vos.formats.video_writer import pad_to_even
from vos.frame import Frame
from vos.results import FrameResult, davis_palette


def frame(index: int, size: tuple[int, int] = (20, 30), time: float | None = None, value: int = 100) -> Frame:
    """A flat grey frame."""
    return Frame(index, np.full((*size, 3), value, np.uint8), f"{index:05d}", time)


def square(index: int, size: tuple[int, int] = (20, 30), object_id: int = 1) -> FrameResult:
    """One object, rows 5..9, columns 8..17."""
    labels = np.zeros(size, np.uint8)
    labels[5:10, 8:18] = object_id
    return FrameResult(index, labels, {object_id: 0.5})


def read_video(path: Path) -> tuple[list[np.ndarray], list[Fraction], av.VideoStream]:
    """Frames as RGB, their times in seconds, and the stream."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoded = list(container.decode(stream))
        images = [picture.to_ndarray(format="rgb24") for picture in decoded]
        return images, [picture.pts * picture.time_base for picture in decoded], stream


def test_palette() -> None:
    """The colours are those of the DAVIS specification."""
    palette = davis_palette()
    assert palette[:9].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [128, 0, 128],
        [0, 128, 128],
        [128, 128, 128],
        [64, 0, 0],
    ]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def test_palette_is_that_of_real_davis_masks(davis_multi_root: Path) -> None:
    """Our colours equal those in a DAVIS 2017 annotation."""
    path = next(davis_multi_root.glob("Annotations/*/*/00000.png"))
    with Image.open(path) as image:
        theirs = np.array(image.getpalette()).reshape(-1, 3)
    assert np.array_equal(theirs[:8], davis_palette()[:8])


def test_index_png_keeps_every_id(tmp_path: Path) -> None:
    """Palette mode, eight bits, values as given, 1 to 254."""
    labels = np.arange(255, dtype=np.uint8).reshape(15, 17)
    with IndexPngWriter(tmp_path / "masks") as writer:
        writer.write(frame(7, labels.shape), FrameResult(7, labels, {}))
    with Image.open(tmp_path / "masks" / "00007.png") as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), labels)
        assert np.array_equal(np.array(image.getpalette()).reshape(-1, 3), davis_palette())


def test_coco_is_read_by_pycocotools(tmp_path: Path) -> None:
    """Masks, boxes, areas, scores, track ids and names come back through pycocotools."""
    both = square(3).labels.copy()
    both[12:14, 0:3] = 200
    with CocoWriter(tmp_path / "a.json", facts=VideoFacts(names={200: "dog"})) as writer:
        writer.write(frame(2, time=0.5), square(2))
        writer.write(frame(3), FrameResult(3, both, {1: 0.25, 200: 1.0, 7: 0.0}))
    coco = COCO(tmp_path / "a.json")
    assert [
        (i["id"], i["file_name"], i["width"], i["height"], i["time"]) for i in coco.dataset["images"]
    ] == [
        (2, "00002.jpg", 30, 20, 0.5),
        (3, "00003.jpg", 30, 20, None),
    ]
    annotations = coco.loadAnns(coco.getAnnIds())
    assert [(a["id"], a["image_id"], a["track_id"], a["score"]) for a in annotations] == [
        (1, 2, 1, 0.5),
        (2, 3, 1, 0.25),
        (3, 3, 200, 1.0),
    ]
    assert annotations[0]["bbox"] == [8, 5, 10, 5]
    assert annotations[0]["area"] == 50
    assert np.array_equal(coco_mask.decode(annotations[2]["segmentation"]), both == 200)
    names = {c["id"]: c["name"] for c in coco.dataset["categories"]}
    assert [names[a["category_id"]] for a in annotations] == ["object", "object", "dog"]
    assert [(t["id"], t["name"]) for t in coco.dataset["tracks"]] == [
        (1, "object"),
        (7, "object"),
        (200, "dog"),
    ]


def test_coco_without_frames(tmp_path: Path) -> None:
    """No frames is valid JSON with empty lists."""
    CocoWriter(tmp_path / "a.json").close()
    assert json.loads((tmp_path / "a.json").read_text()) == {
        "images": [],
        "annotations": [],
        "categories": [],
        "tracks": [],
    }


@pytest.mark.parametrize("size", [(48, 64), (47, 64), (48, 63), (47, 63), (1, 1)])
def test_overlay_pads_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    """The video is the next even size, pixels stay where they are, and the added edge repeats."""
    image = np.zeros((*size, 3), np.uint8)
    image[:, -1] = image[-1] = 255
    settings = OverlaySettings(alpha=0, contour=False, labels=False, crf=0)
    with OverlayWriter(tmp_path / "o.mp4", settings=settings) as writer:
        writer.write(Frame(0, image, "0"), FrameResult(0, np.zeros(size, np.uint8)))
    (decoded,), _, _ = read_video(tmp_path / "o.mp4")
    assert decoded.shape[:2] == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    inner = decoded[: size[0], : size[1]]
    assert (np.abs(inner[..., 1].astype(int) - image[..., 1]) < 130).all()
    assert (decoded[-1, -1] > 200).all()


def test_padding_repeats_the_edge() -> None:
    """An even image is returned as it is; an odd one gains a copy of its last row and column."""
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert pad_to_even(image[:, :2]) is not None
    padded = pad_to_even(image)
    assert padded.shape == (2, 4, 3)
    assert np.array_equal(padded[:, 3], image[:, 2])


def test_overlay_keeps_variable_times(tmp_path: Path) -> None:
    """Frames are shown when the source showed them, from 0, over piece boundaries."""
    times = [5.0, 5.04, 5.2, 5.21, 6.0, 6.1]
    with OverlayWriter(tmp_path / "o.mp4", facts=VideoFacts(fps=25)) as writer:
        for index, time in enumerate(times):
            writer.write(frame(index, time=time), square(index))
            if index % 2:
                writer.checkpoint()
    images, shown, stream = read_video(tmp_path / "o.mp4")
    assert len(images) == 6
    assert [float(t) for t in shown] == pytest.approx([t - 5 for t in times], abs=1e-5)
    assert stream.codec_context.name == "h264"
    assert stream.codec_context.pix_fmt == "yuv420p"
    assert stream.codec_context.colorspace == 1
    assert float(stream.duration * stream.time_base) == pytest.approx(1.2, abs=1e-3)


@pytest.mark.parametrize(
    ("fps", "stride", "rate"), [(25, 1, 25), (30, 3, 10), (Fraction(30000, 1001), 1, 29.97)]
)
def test_overlay_rate(tmp_path: Path, fps: float, stride: int, rate: float) -> None:
    """A constant rate is kept; of every third frame of 30 a second the video shows 10 a second."""
    with OverlayWriter(tmp_path / "o.mp4", facts=VideoFacts(fps=float(fps))) as writer:
        for index in range(0, 20 * stride, stride):
            writer.write(frame(index, time=index / float(fps)), square(index))
    _, _, stream = read_video(tmp_path / "o.mp4")
    assert stream.frames == 20
    assert float(stream.average_rate) == pytest.approx(rate, abs=0.01)
    assert float(stream.duration * stream.time_base) == pytest.approx(20 / rate, abs=0.01)


def test_overlay_of_frames_without_time(tmp_path: Path) -> None:
    """Frames without a time follow their index at the rate given; equal times are one usual step apart."""
    with OverlayWriter(tmp_path / "o.mp4", facts=VideoFacts(fps=10)) as writer:
        for index in (4, 6, 8):
            writer.write(frame(index), square(index))
        writer.write(frame(9, time=0.8), square(9))
    _, shown, _ = read_video(tmp_path / "o.mp4")
    assert [float(t) for t in shown] == pytest.approx([0, 0.2, 0.4, 0.6], abs=1e-3)
    assert len(set(shown)) == 4


def test_overlay_is_drawn_where_the_object_is(tmp_path: Path) -> None:
    """In the decoded video the object is tinted with its colour and the rest is not."""
    settings = OverlaySettings(alpha=1, contour=False, labels=False, crf=1)
    with OverlayWriter(tmp_path / "o.mp4", settings=settings) as writer:
        writer.write(frame(0), square(0, object_id=2))
    (decoded,), _, _ = read_video(tmp_path / "o.mp4")
    assert decoded[7, 12].tolist() == pytest.approx([230, 159, 0], abs=8)
    assert decoded[16, 25].tolist() == pytest.approx([100, 100, 100], abs=4)


def test_overlay_refuses_a_change_of_size(tmp_path: Path) -> None:
    """A frame of another size is bad media, and no video appears."""
    writer = OverlayWriter(tmp_path / "o.mp4")
    writer.write(frame(0), square(0))
    with pytest.raises(MediaError, match="00001 is 30x22, the first is 30x20"):
        writer.write(frame(1, (22, 30)), square(1, (22, 30)))
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize(
    ("palette", "expected"), [({}, [75, 104, 120]), ({"palette": "davis"}, [107, 75, 75])], ids=["", "davis"]
)
def test_drawing_leaves_the_background_alone(palette: dict[str, str], expected: list[int]) -> None:
    """Without labels, only pixels of objects change, by exactly the weight asked for, in bright colours."""
    image = np.full((20, 30, 3), 100, np.uint8)
    settings = OverlaySettings(alpha=0.25, contour=False, labels=False, **palette)  # type: ignore[arg-type]
    drawn = draw_overlay(image, square(0), settings=settings)
    inside = square(0).mask(1)
    assert (drawn[~inside] == 100).all()
    assert (drawn[inside] == expected).all()
    assert (image == 100).all()


def test_contour_lies_inside_the_object() -> None:
    """The line is the object's outermost pixels; where the object touches the border there is none."""
    labels = np.zeros((8, 9), np.uint8)
    labels[2:, 3:7] = 5
    expected = np.zeros((8, 9), bool)
    expected[2:, [3, 6]] = True
    expected[2, 3:7] = True
    assert np.array_equal(contour(labels), expected)


def test_contour_between_touching_objects() -> None:
    """Both sides of a shared border are drawn."""
    labels = np.ones((4, 6), np.uint8)
    labels[:, 3:] = 2
    assert np.array_equal(contour(labels)[0], [False, False, True, True, False, False])


@pytest.mark.parametrize("size", [(120, 160), (12, 9), (200, 40)])
def test_labels_fit_any_image(size: tuple[int, int]) -> None:
    """Labels of objects in the corners are drawn inside the image, or not at all when it is too small."""
    labels = np.zeros(size, np.uint8)
    labels[:2, :2], labels[:2, -2:], labels[-2:, :2], labels[-2:, -2:] = 1, 2, 3, 4
    result = FrameResult(0, labels, {i: 0.875 for i in range(1, 5)})
    image = np.full((*size, 3), 100, np.uint8)
    drawn = draw_overlay(image, result, names={1: "a name that is too long for a small image"})
    assert drawn.shape == image.shape
    plain = draw_overlay(image, result, settings=OverlaySettings(labels=False))
    assert (drawn != plain).any() == (size == (120, 160))


def test_run_record(tmp_path: Path) -> None:
    """Header, frames with score and area of every known object, footer, in this order."""
    writer = RunWriter(tmp_path / "run.json")
    writer.header = {"settings": {"model": "x"}}
    writer.footer = {"timings": {"read": 1.5}}
    writer.write(frame(4, time=0.25), FrameResult(4, square(4).labels, {1: 0.123456789, 9: 0.0}))
    writer.close()
    record = json.loads((tmp_path / "run.json").read_text())
    assert list(record) == ["settings", "frames", "timings"]
    assert record["frames"] == [
        {
            "index": 4,
            "name": "00004",
            "time": 0.25,
            "file_name": None,
            "objects": {
                "1": {"confidence": 0.123457, "area": 50, "source": "tracked"},
                "9": {"confidence": 0.0, "area": 0, "source": "tracked"},
            },
        }
    ]


def test_run_record_of_large_ids(tmp_path: Path) -> None:
    """An object above 255 that is out of sight has no pixels."""
    with RunWriter(tmp_path / "run.json") as writer:
        writer.write(frame(0), FrameResult(0, square(0).labels, {1: 1.0, 300: 0.0}))
    objects = json.loads((tmp_path / "run.json").read_text())["frames"][0]["objects"]
    assert {key: entry["area"] for key, entry in objects.items()} == {"1": 50, "300": 0}


@pytest.mark.parametrize("values", [{"alpha": 1.5}, {"alpha": -0.1}, {"crf": 52}, {"crf": -1}])
def test_overlay_settings_are_checked(values: dict[str, float]) -> None:
    """A value out of range names the range."""
    with pytest.raises(ValueError, match=r"must be in 0\.\."):
        OverlaySettings(**values)


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        ({}, {"001", "003"}),
        ({1: "big dog", 3: "000"}, {"big_dog", "000"}),
        ({1: "dog", 2: "late", 3: "dog"}, {"001", "002", "003"}),
        ({1: "3"}, {"001", "003"}),
    ],
)
def test_a_png_per_object(tmp_path: Path, names: dict[int, str], folders: set[str]) -> None:
    """Every object has one in every frame, under its name, or all under their ids where names are no help."""
    labels = np.zeros((2, 8, 10), np.uint8)
    labels[0, 2:4] = 1
    labels[:, 5:7] = 3
    with build_writer("object-masks", tmp_path / "out", facts=VideoFacts(names=names)) as writer:
        for index in range(2):
            frame = Frame(index, np.zeros((8, 10, 3), np.uint8), f"img{index}")
            writer.write(frame, FrameResult(index, labels[index], {1: 1.0, 3: 1.0}))
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert found == {f"{folder}/img{index}.png" for folder in folders for index in range(2)}
    by_id = "001" in folders
    for number in (1, 3):
        folder = f"{number:03d}" if by_id else names.get(number, "003").replace(" ", "_")
        place = tmp_path / "out" / folder
        for index in range(2):
            mask = np.array(Image.open(place / f"img{index}.png"))
            assert np.array_equal(mask, (labels[index] == number).astype(np.uint8))


def test_ids_beyond_the_palette_take_its_colours_again() -> None:
    """0 and 255 of the palette are background and void: no object has them."""
    ids = np.array([1, 2, 254, 256, 300, 508, 509])
    assert colour_index(ids).tolist() == [1, 2, 254, 2, 46, 254, 1]
