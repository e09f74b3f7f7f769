"""Files as other tools write them: polygons, boxes, tracks, missing ids, other conventions."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from annotated_clips import annotations_of, hard_clip, labels_by_index
from PIL import Image

from vos import formats
from vos.errors import FormatError
from vos.ops.brush import encode_brush
from vos.ops.rle import coco_rle, encode_counts


def square(x0: int, y0: int, x1: int, y1: int, size: tuple[int, int] = (20, 30)) -> np.ndarray:
    """(H, W) bool, inclusive corners."""
    mask = np.zeros(size, bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True
    return mask


def coco_file(path: Path, annotations: list[dict], **more: object) -> Path:
    """Two images of 30x20, a category, annotations."""
    images = [{"id": 10 + n, "file_name": f"x/img_{n:04d}.jpg", "width": 30, "height": 20} for n in (7, 3)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 5, "name": "dog"}], **more}
    path.write_text(json.dumps(content))
    return path


def test_coco_polygons_and_union(tmp_path: Path) -> None:
    """Polygons of one annotation are one mask; frames are numbered by their names; no ids is said."""
    polygons = [[2, 3, 9, 3, 9, 10, 2, 10], [15, 3, 21, 3, 21, 10, 15, 10]]
    annotations = [{"id": 1, "image_id": 13, "category_id": 5, "segmentation": polygons}]
    found = formats.read(coco_file(tmp_path / "a.json", annotations))
    labels = labels_by_index(found)
    assert sorted(labels) == [3, 7]
    assert np.array_equal(labels[3] == 1, square(2, 3, 8, 9) | square(15, 3, 20, 9))
    assert found.names == {1: "dog"}
    assert "no annotation has a track id" in found.notes[0]


@pytest.mark.parametrize(
    ("polygon", "box"),
    [
        ([2, 3, 9, 3, 9, 10, 2, 10], [2, 3, 7, 7]),
        ([2, 3, 9, 3, 9, 10, 2, 10], None),
        ([2, 3, 8, 3, 8, 9, 2, 9], [2, 3, 7, 7]),
        ([2.2, 3.1, 8.7, 3.1, 8.7, 9.9, 2.2, 9.9], [2.2, 3.1, 6.5, 6.8]),
    ],
)
def test_coco_polygons_around_and_through_pixels(
    polygon: list[float], box: list[float] | None, tmp_path: Path
) -> None:
    """COCO's go around the pixels, those of contours through them, which their box shows."""
    annotation = {"id": 1, "image_id": 13, "category_id": 5, "track_id": 1, "segmentation": [polygon]}
    path = coco_file(tmp_path / "a.json", [annotation | ({"bbox": box} if box else {})])
    assert np.array_equal(labels_by_index(formats.read(path))[3] == 1, square(2, 3, 8, 9))


def test_coco_boxes_are_prompts(tmp_path: Path) -> None:
    """An annotation without a mask is a box, inclusive; identity comes from the attributes."""
    annotations = [
        {"id": 1, "image_id": 13, "category_id": 5, "bbox": [2, 3, 7, 7], "attributes": {"track_id": 4}},
        {
            "id": 2,
            "image_id": 17,
            "category_id": 5,
            "segmentation": coco_rle(encode_counts(square(1, 1, 5, 5)), (20, 30)),
            "attributes": {"track_id": 4},
        },
    ]
    found = formats.read(coco_file(tmp_path / "a.json", annotations))
    assert [(b.frame_index, b.object_id, b.box) for b in found.boxes] == [(3, 4, (2, 3, 8, 9))]
    assert np.array_equal(labels_by_index(found)[7] == 4, square(1, 1, 5, 5))


def test_overlap_is_decided_and_counted(tmp_path: Path) -> None:
    """The higher z_order wins, else the smaller mask."""
    size = (20, 30)

    def annotation(number: int, mask: np.ndarray, **more: object) -> dict:
        rle = coco_rle(encode_counts(mask), size, compressed=False)
        return {
            "id": number,
            "image_id": 13,
            "category_id": 5,
            "track_id": number,
            "segmentation": rle,
            **more,
        }

    large, small = square(0, 0, 19, 9), square(5, 5, 8, 12)
    path = coco_file(tmp_path / "a.json", [annotation(1, large), annotation(2, small)])
    found = formats.read(path)
    assert np.array_equal(labels_by_index(found)[3] == 2, small)
    assert found.overlap == 4 * 5
    path = coco_file(tmp_path / "b.json", [annotation(1, large, z_order=1), annotation(2, small)])
    assert np.array_equal(labels_by_index(formats.read(path))[3] == 1, large)


def test_ids_that_are_none_of_ours(tmp_path: Path) -> None:
    """0, 255, negative and text ids get new ones, others are kept, and it is said."""
    annotations = [
        {"id": n, "image_id": 13, "category_id": 5, "track_id": track, "bbox": [n, 0, 2, 2]}
        for n, track in enumerate([0, 255, "car-1", 2, 65535], start=1)
    ]
    found = formats.read(coco_file(tmp_path / "a.json", annotations))
    assert [b.object_id for b in found.boxes] == [1, 3, 4, 2, 5]
    assert found.ids == {"0": 1, "255": 3, "car-1": 4, "65535": 5}
    assert "0 is 1" in found.notes[0]


def test_several_videos(tmp_path: Path) -> None:
    """One of several is chosen by name; without one they are named."""
    path = tmp_path / "vis.json"
    videos = [
        {"id": n, "width": 30, "height": 20, "length": 1, "file_names": [f"{name}/00000.jpg"]}
        for n, name in ((1, "a"), (2, "b"))
    ]
    annotations = [
        {
            "id": 1,
            "video_id": 2,
            "category_id": 1,
            "segmentations": [coco_rle(encode_counts(square(1, 1, 3, 3)), (20, 30))],
        }
    ]
    content = {"videos": videos, "annotations": annotations, "categories": [{"id": 1, "name": "dog"}]}
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="2 videos to choose from \\(a, b\\)"):
        formats.read(path)
    with pytest.raises(FormatError, match="no video 'c'"):
        formats.read(path, sequence="c")
    assert np.array_equal(labels_by_index(formats.read(path, sequence="b"))[0] == 1, square(1, 1, 3, 3))


def test_videos_of_one_folder(tmp_path: Path) -> None:
    """Where the first folder is that of several videos, they go by the whole one."""
    videos = [
        {"id": n, "width": 30, "height": 20, "length": 1, "file_names": [f"train/{name}/0.jpg"]}
        for n, name in ((1, "a"), (2, "b"))
    ]
    rle = coco_rle(encode_counts(square(1, 1, 3, 3)), (20, 30))
    annotations = [{"id": 4, "video_id": 1, "category_id": 1, "segmentations": [rle]}]
    path = tmp_path / "vis.json"
    path.write_text(json.dumps({"videos": videos, "annotations": annotations}))
    with pytest.raises(FormatError, match=r"2 videos to choose from \(train/a, train/b\)"):
        formats.read(path)
    assert [result.ids for _, result in formats.read(path, sequence="train/a")] == [(4,)]


def test_coco_images_of_one_name(tmp_path: Path) -> None:
    """Images of two folders that have one name would replace each other: they are refused."""
    path = coco_file(tmp_path / "a.json", [])
    content = json.loads(path.read_text())
    for image, folder in zip(content["images"], "ab", strict=True):
        image["file_name"] = f"{folder}/0001.png"
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="two frames '0001'"):
        formats.write(formats.read(path), tmp_path / "out", "masks")


def test_coco_paths_of_windows_and_sources_of_others(tmp_path: Path) -> None:
    """The last part of a path is the name; what another program calls a source is not ours."""
    rle = coco_rle(encode_counts(square(1, 1, 5, 5)), (20, 30))
    annotation = {"id": 1, "image_id": 13, "category_id": 5, "segmentation": rle, "source": "manual"}
    path = coco_file(tmp_path / "a.json", [annotation])
    content = json.loads(path.read_text())
    for image in content["images"]:
        image["file_name"] = "C:\\shots\\" + image["file_name"].rpartition("/")[2]
    path.write_text(json.dumps(content))
    assert [frame.name for frame, _ in formats.read(path)] == ["img_0003", "img_0007"]
    (record, _) = formats.read(path).records()
    assert [found.source for found in record.objects] == [None]


def test_coco_ids_that_occur_twice(tmp_path: Path) -> None:
    """An image or an object would be two: it is refused. Ids of annotations and of tracks are apart."""
    rle = coco_rle(encode_counts(square(1, 1, 5, 5)), (20, 30))
    one, two = ({"id": 2, "image_id": image, "category_id": 5, "segmentation": rle} for image in (13, 17))
    with pytest.raises(FormatError, match="the annotation id 2 occurs twice"):
        formats.read(coco_file(tmp_path / "a.json", [one, two]))
    path = coco_file(tmp_path / "b.json", [one | {"id": 1, "track_id": 2}, two])
    assert [result.ids for _, result in formats.read(path)] == [(2,), (1,)]
    content = json.loads(path.read_text())
    content["images"][1]["id"] = content["images"][0]["id"]
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="the image id 17 occurs twice"):
        formats.read(path)


def test_shapes_that_are_left_out_are_told(tmp_path: Path) -> None:
    """Those that are neither masks nor boxes, and what of a box is not read."""
    shapes = [
        {"label": "dog", "points": [[9, 9], [9, 12]], "shape_type": kind}
        for kind in ("circle", "line", "line")
    ]
    content = {"shapes": shapes, "imageHeight": 20, "imageWidth": 30}
    (tmp_path / "labelme.json").write_text(json.dumps(content))
    rectangle = {"x": 10, "y": 25, "width": 20, "height": 50, "rotation": 30}
    tasks = [label_studio_task(0, region("ellipselabels", {}), region("rectanglelabels", rectangle))]
    (tmp_path / "studio.json").write_text(json.dumps(tasks))
    (tmp_path / "cvat.xml").write_text(CVAT.replace("</annotations>", CVAT_SKELETON + "</annotations>"))
    for file, told in (
        ("labelme.json", "1 circle, 2 line"),
        ("studio.json", "1 ellipselabels, 1 rotation of a rectangle"),
        ("cvat.xml", "1 skeleton"),
    ):
        note = formats.read(tmp_path / file).notes[-1]
        assert note == f"shapes of kinds that are not read were left out: {told}"


CVAT_SKELETON = '<track id="9" label="man"><skeleton frame="0" outside="0"/></track>'
CVAT = """<annotations>
<meta><job><original_size><width>30</width><height>20</height></original_size></job></meta>
<track id="0" label="dog" source="manual">
  <polygon frame="0" outside="0" keyframe="1" points="2.0,3.0;8.0,3.0;8.0,9.0;2.0,9.0" z_order="0"/>
  <polygon frame="1" outside="0" keyframe="0" points="3.0,3.0;9.0,3.0;9.0,9.0;3.0,9.0" z_order="0"/>
  <polygon frame="2" outside="1" keyframe="1" points="3.0,3.0;9.0,3.0;9.0,9.0;3.0,9.0" z_order="0"/>
</track>
<track id="1" label="car"><box frame="1" outside="0" keyframe="1" xtl="1" ytl="2" xbr="6" ybr="9"/></track>
<track id="2" label="car"><ellipse frame="2" outside="0" keyframe="1" cx="15" cy="10" rx="5" ry="4"/></track>
</annotations>"""


def test_cvat_tracks_of_polygons_and_boxes(tmp_path: Path) -> None:
    """Every shape of a track that is not outside; tracks count from 0, ours from 1."""
    path = tmp_path / "a.xml"
    path.write_text(CVAT)
    found = formats.read(path)
    labels = labels_by_index(found)
    dog = next(k for k, label in found.categories.items() if label == "dog")
    assert np.array_equal(labels[0] == dog, square(2, 3, 8, 9))
    assert np.array_equal(labels[1] == dog, square(3, 3, 9, 9))
    assert not (labels[2] == dog).any()
    assert [(b.frame_index, b.box) for b in found.boxes] == [(1, (1, 2, 5, 8))]
    assert (labels[2] > 0).sum() == pytest.approx(np.pi * 5 * 4, rel=0.1)


@pytest.mark.parametrize("tracks", ["single", "polygon", "mask"])
def test_cvat_ways_to_write_tracks(tracks: str, tmp_path: Path) -> None:
    """All three are read; masks are exact, polygons lose holes and pieces, and say how many pixels."""
    given = annotations_of(hard_clip(), names={1: "dog"})
    written = formats.write(given, tmp_path / "a.xml", "cvat-video", options={"tracks": tracks})
    found = labels_by_index(formats.read(tmp_path / "a.xml"))
    same = all(
        np.array_equal(found.get(n, np.zeros_like(values)), values) for n, values in enumerate(hard_clip())
    )
    assert same == (tracks != "polygon")
    assert ("wrong_pixels" in written.losses) == (tracks == "polygon")
    text = (tmp_path / "a.xml").read_text()
    assert text.count("<track ") == {"single": 15, "polygon": 4, "mask": 4}[tracks]


def test_cvat_images_without_track_ids(tmp_path: Path) -> None:
    """Groups tell what belongs together; shapes without one are objects of their own."""
    masks = '<mask label="dog" rle="0, 4" left="2" top="3" width="2" height="2" z_order="0" group_id="{}"/>'
    images = "".join(
        f'<image id="{n}" name="f{n}.jpg" width="30" height="20">{masks.format(group)}</image>'
        for n, group in enumerate((7, 7))
    )
    path = tmp_path / "a.xml"
    path.write_text(f"<annotations>{images}</annotations>")
    assert [sorted(result.ids) for _, result in formats.read(path)] == [[7], [7]]


def label_studio_task(frame: int, *regions: dict) -> dict:
    """A task as the tool exports it."""
    return {
        "id": frame + 1,
        "data": {"image": f"/data/upload/1/abc-f{frame}.jpg"},
        "annotations": [{"result": list(regions)}],
    }


def region(kind: str, value: dict, number: str = "x") -> dict:
    """A region of a 30x20 image."""
    return {
        "id": number,
        "type": kind,
        "from_name": "a",
        "to_name": "b",
        "original_width": 30,
        "original_height": 20,
        "value": value | {kind: ["dog"]},
    }


def test_label_studio_regions(tmp_path: Path) -> None:
    """Brush, bitmask, polygon and rectangle of the tool's own export, which says no ids."""
    mask = square(4, 5, 9, 12)
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, format="PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    points = [[100 * x / 30, 100 * y / 20] for x, y in ((4, 5), (9, 5), (9, 12), (4, 12))]
    tasks = [
        label_studio_task(0, region("brushlabels", {"format": "rle", "rle": encode_brush(mask)}, "a")),
        label_studio_task(1, region("bitmasklabels", {"imageDataURL": url}, "b")),
        label_studio_task(2, region("polygonlabels", {"points": points}, "c")),
        label_studio_task(3, region("rectanglelabels", {"x": 10, "y": 25, "width": 20, "height": 50}, "d")),
    ]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(tasks))
    found = formats.read(path)
    labels = labels_by_index(found)
    for index in range(3):
        assert np.array_equal(labels[index] > 0, mask), index
    assert [b.box for b in found.boxes] == [(3, 5, 8, 14)]
    assert set(found.categories.values()) == {"dog"}


def test_label_studio_corrections_replace_predictions(tmp_path: Path) -> None:
    """What an annotator made of a prediction counts, and not the prediction beside it."""

    def of(number: int, mask: np.ndarray, region_id: str) -> dict:
        value = {"format": "rle", "rle": encode_brush(mask)}
        meta = {"meta": {"text": [f"object {number}"]}}
        return (
            label_studio_task(0, region("brushlabels", value, region_id))["annotations"][0]["result"][0]
            | meta
        )

    drawn, guessed, other = square(4, 5, 6, 7), square(4, 5, 9, 12), square(20, 2, 25, 6)
    path = tmp_path / "tasks.json"
    for predictions, parent, areas in (
        ([{"id": 7, "result": [of(1, guessed, "a"), of(2, other, "b")]}], None, {1: 9, 2: 30}),
        ([{"id": 7, "result": [of(1, guessed, "a"), of(2, other, "b")]}], 7, {1: 9}),
        ([7], 7, {1: 9}),
    ):
        annotation = {"id": 1, "parent_prediction": parent, "result": [of(1, drawn, "c")]}
        task = label_studio_task(0) | {"annotations": [annotation], "predictions": predictions}
        path.write_text(json.dumps([task]))
        assert [result.areas() for _, result in formats.read(path)] == [areas]


def test_label_studio_video_is_interpolated(tmp_path: Path) -> None:
    """Between two keyframes of an enabled stretch a box moves evenly; where it is disabled there is none."""
    keys = [
        {"frame": 1, "enabled": True, "x": 0, "y": 0, "width": 50, "height": 50, "rotation": 0},
        {"frame": 5, "enabled": False, "x": 40, "y": 0, "width": 50, "height": 50, "rotation": 0},
        {"frame": 8, "enabled": True, "x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0},
    ]
    value = {"framesCount": 9, "duration": 1, "labels": ["dog"], "sequence": keys}
    result = [
        {"id": "r", "type": "videorectangle", "original_width": 100, "original_height": 40, "value": value}
    ]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"data": {"video": "clip.mp4"}, "annotations": [{"result": result}]}]))
    boxes = {b.frame_index: b.box for b in formats.read(path).boxes}
    assert sorted(boxes) == [0, 1, 2, 3, 4, 7, 8]
    assert boxes[2] == (20, 0, 69, 19)


def test_yolo_without_ids(tmp_path: Path) -> None:
    """Outlines are objects of their own, or joined by overlap; boxes are prompts; images tell the size."""
    (tmp_path / "labels").mkdir()
    (tmp_path / "images").mkdir()
    for index in range(3):
        Image.new("RGB", (30, 20)).save(tmp_path / "images" / f"f_{index}.png")
        x = 0.2 + 0.03 * index
        outline = f"1 {x} 0.2 {x + 0.3} 0.2 {x + 0.3} 0.6 {x} 0.6\n"
        (tmp_path / "labels" / f"f_{index}.txt").write_text(
            outline + ("0 0.5 0.5 0.2 0.4\n" if index == 0 else "")
        )
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n")
    alone = formats.read(tmp_path)
    assert len({k for _, result in alone for k in result.ids}) == 3
    assert [b.box for b in alone.boxes] == [(12, 6, 17, 13)]
    joined = formats.read(tmp_path, options={"link": "iou"})
    assert {k for _, result in joined for k in result.ids} == {1}
    assert joined.categories[1] == "dog"


def test_yolo_scores_before_ids(tmp_path: Path) -> None:
    """As Ultralytics writes tracked predictions, outlines and boxes; one object alone may be an outline."""
    labels = tmp_path / "labels"
    labels.mkdir()
    for frame in range(3):
        lines = "0 0.1 0.1 0.3 0.1 0.3 0.3 0.9 1\n0 0.6 0.6 0.9 0.6 0.9 0.9 0.5 7\n0 0.5 0.5 0.2 0.2 0.75 8\n"
        (labels / f"{frame}.txt").write_text(lines)
    found = formats.read(tmp_path, size=(40, 60))
    (_, result), *_ = found
    assert (result.ids, list(result.confidence.values())) == ((1, 7), [0.9, 0.5])
    assert [box.object_id for box in found.boxes] == [8, 8, 8]
    for path in labels.iterdir():
        path.write_text("0 0.1 0.1 0.3 0.1 0.3 0.3 0.9 1\n")
    with pytest.raises(FormatError, match="a score and the id 1, or a point at the lower edge"):
        formats.read(tmp_path, size=(40, 60))


def test_yolo_scores_are_no_ids(tmp_path: Path) -> None:
    """Predictions end their lines with a confidence; ids are whole numbers."""
    outlines = "0.1 0.1 0.3 0.1 0.3 0.3", "0.6 0.6 0.9 0.6 0.9 0.9"
    (tmp_path / "labels").mkdir()
    for ends, ids, scores in (
        (("0.91", "1"), (1, 2), [0.91, 1.0]),
        (("7", "3"), (3, 7), [1.0, 1.0]),
    ):
        lines = [f"0 {outline} {end}\n" for outline, end in zip(outlines, ends, strict=True)]
        (tmp_path / "labels" / "a_0.txt").write_text("".join(lines))
        ((_, result),) = formats.read(tmp_path, "yolo", size=(20, 30))
        assert (result.ids, list(result.confidence.values())) == (ids, scores)


def test_yolo_needs_a_size(tmp_path: Path) -> None:
    """Without images and without a size it is refused, saying what to give."""
    (tmp_path / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    with pytest.raises(FormatError, match="--size or --video"):
        formats.read(tmp_path, "yolo")


def test_darwin_keyframes_hold(tmp_path: Path) -> None:
    """Between two keyframes of a range the earlier polygon stays."""

    def polygon(x: int) -> dict:
        return {
            "polygon": {"paths": [[{"x": a, "y": b} for a, b in ((x, 2), (x + 4, 2), (x + 4, 6), (x, 6))]]}
        }

    content = {
        "version": "2.0",
        "item": {"name": "clip.mp4", "slots": [{"width": 30, "height": 20}]},
        "annotations": [
            {"id": "uuid", "name": "dog", "ranges": [[1, 4]], "frames": {"1": polygon(2), "3": polygon(9)}}
        ],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    labels = labels_by_index(formats.read(path))
    assert sorted(labels) == [1, 2, 3]
    assert np.array_equal(labels[2] > 0, square(2, 2, 6, 6))
    assert np.array_equal(labels[3] > 0, square(9, 2, 13, 6))


def test_object_masks(tmp_path: Path) -> None:
    """A folder per object; names are kept as names, numbers as ids, and index PNGs are refused."""
    for name, box in (("dog", (2, 2, 6, 6)), ("007", (9, 2, 13, 6))):
        (tmp_path / name).mkdir()
        Image.fromarray(square(*box).astype(np.uint8) * 255).save(tmp_path / name / "00003.png")
    found = formats.read(tmp_path, "object-masks")
    assert found.names == {1: "dog"}
    labels = labels_by_index(found)[3]
    assert np.array_equal(labels == 1, square(2, 2, 6, 6))
    assert np.array_equal(labels == 7, square(9, 2, 13, 6))
    with pytest.raises(FormatError, match="cannot tell which format"):
        formats.read(tmp_path)
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "dog" / "00003.png")
    with pytest.raises(FormatError, match="several values"):
        list(formats.read(tmp_path, "object-masks"))


def test_labelme_polygons_and_rectangles(tmp_path: Path) -> None:
    """Shapes without a group are objects of their own."""
    shapes = [
        {
            "label": "dog",
            "points": [[2, 3], [8, 3], [8, 9], [2, 9]],
            "group_id": None,
            "shape_type": "polygon",
        },
        {"label": "cat", "points": [[20, 10], [10, 5]], "group_id": 9, "shape_type": "rectangle"},
    ]
    content = {"shapes": shapes, "imagePath": "..\\x\\img1.jpg", "imageHeight": 20, "imageWidth": 30}
    (tmp_path / "img1.json").write_text(json.dumps(content))
    found = formats.read(tmp_path, "labelme")
    ((frame, result),) = list(found)
    assert frame.file_name == "img1.jpg"
    assert np.array_equal(result.labels > 0, square(2, 3, 8, 9))
    assert [(b.object_id, b.box) for b in found.boxes] == [(9, (10, 5, 19, 9))]


def test_mots_ignored_regions_and_frames(tmp_path: Path) -> None:
    """Regions to be ignored are left out; KITTI counts from 0, and frame 0 is an error for MOTSChallenge."""
    mask = coco_rle(encode_counts(square(1, 1, 5, 5)), (20, 30))["counts"]
    path = tmp_path / "0001.txt"
    path.write_text(f"0 2005 2 20 30 {mask}\n0 10000 10 20 30 {mask}\n2 2005 2 20 30 {mask}\n")
    found = formats.read(path)
    assert {k: values.max() for k, values in labels_by_index(found).items()} == {0: 5, 2: 5}
    assert found.categories == {5: "pedestrian"}
    assert "1 masks of regions to be ignored" in found.notes[-1]
    assert len(found.notes) == 1
    path.write_text(f"1 2005 2 20 30 {mask}\n")
    assert "frames are taken to count from 0" in formats.read(path).notes[0]
    path.write_text(f"0 2005 2 20 30 {mask}\n")
    with pytest.raises(FormatError, match="counts frames from 1"):
        formats.read(path, options={"variant": "mots"})


def test_davis_void_and_single_foreground(tmp_path: Path) -> None:
    """255 is void beside ids; a folder of 0/255 masks is one object."""
    labels = np.zeros((9, 9), np.uint8)
    labels[:3], labels[5:] = 2, 255
    only_void = np.where(labels == 255, 255, 0).astype(np.uint8)
    for name, values in (("void", labels), ("binary", only_void)):
        (tmp_path / name).mkdir()
        Image.fromarray(values).save(tmp_path / name / "00003.png")
        Image.fromarray(only_void).save(tmp_path / name / "00001.png")
        folder = tmp_path / "set" / "Annotations" / "480p" / name
        shutil.copytree(tmp_path / name, folder)
        in_set = labels_by_index(formats.read(tmp_path / "set", sequence=name))
        alone = labels_by_index(formats.read(tmp_path / name))
        assert sorted(in_set) == sorted(alone) == [1, 3]
        assert all(np.array_equal(in_set[k], alone[k]) for k in alone)
        assert np.array_equal(alone[1] == 1, (only_void > 0) & (name == "binary"))
    assert np.array_equal(
        labels_by_index(formats.read(tmp_path / "void"))[3], np.where(labels == 255, 0, labels)
    )
    assert np.array_equal(labels_by_index(formats.read(tmp_path / "binary"))[3] == 1, labels == 255)


def test_a_real_davis_sequence(davis_multi_root: Path, tmp_path: Path) -> None:
    """A sequence of DAVIS 2017 through three formats and back is what it was."""
    given = formats.select(formats.read(davis_multi_root, "davis"), end=3)
    before = labels_by_index(given)
    assert len(before) == 3
    for name, file in (("youtube-vis", "a.json"), ("cvat-video", "a.xml"), ("sav", "sav")):
        formats.write(given, tmp_path / file, name)
        after = labels_by_index(formats.read(tmp_path / file))
        assert all(np.array_equal(after[n], before[n]) for n in before)


def test_shards_with_objects_by_id(tmp_path: Path) -> None:
    """Samples whose JSON lists objects by id and names no sequence: the key of the sample does."""
    buffer = io.BytesIO()
    Image.fromarray(square(1, 1, 5, 5).astype(np.uint8) * 4).save(buffer, format="PNG")
    facts = {"frame": 7, "time": 0.5, "objects": {"4": {"score": 0.25, "area": 25}}}
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind, data in (("json", json.dumps(facts).encode()), ("mask.png", buffer.getvalue())):
            info = tarfile.TarInfo(f"clip/00007.{kind}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    found = formats.read(tmp_path / "a.tar")
    ((frame, result),) = list(found)
    assert (found.sequence, frame.index, frame.name, frame.time) == ("clip", 7, "00007", 0.5)
    assert result.confidence == {4: 0.25}
    assert np.array_equal(result.labels == 4, square(1, 1, 5, 5))


def test_soft_masks_are_refused(tmp_path: Path) -> None:
    """Greys around white are no ids; ids beside void are not soft."""
    soft = np.zeros((20, 30), np.uint8)
    soft[2:16, 2:20] = 255
    ids = soft.copy()
    ids[1, 2:20] = 3
    soft[1, 2:20] = np.arange(18) * 10 + 10
    for name, values in (("soft", soft), ("ids", ids)):
        (tmp_path / name).mkdir()
        Image.fromarray(values).save(tmp_path / name / "00000.png")
    with pytest.raises(FormatError, match="18 greys at the edge of white"):
        formats.read(tmp_path / "soft")
    assert not formats.read(tmp_path / "ids").notes
