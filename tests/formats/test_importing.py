"""Annotations that are made to fit a video."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from annotated_clips import annotations_of, hard_clip, labels_by_index
from PIL import Image

from vos import formats
from vos.errors import FormatError, OutputError
from vos.formats.importing import factor
from vos.formats.reading import BoxPrompt
from vos.prompting.parsing import load_prompts

SIZE = (29, 37)


def test_by_name(tmp_path: Path) -> None:
    """Names that are the video's win over indices."""
    given = annotations_of(hard_clip(2), stems=["b", "d"])
    found = formats.match_to_video(
        given, ["a", "b", "c", "d"], SIZE, file_names=["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    )
    assert sorted(labels_by_index(found)) == [1, 3]
    assert [(frame.name, frame.file_name) for frame, _ in found] == [("b", "b.jpg"), ("d", "d.jpg")]


def test_by_the_name_of_the_image() -> None:
    """Where the name is shortened (YOLO's without the sequence), the file's name is tried."""
    given = annotations_of(hard_clip(1), stems=["x_7"], suffix=".jpg")
    records = [r for r in given.records()]
    assert records[0].file_name == "x_7.jpg"
    found = formats.match_to_video(given, ["x_6", "x_7"], SIZE)
    assert sorted(labels_by_index(found)) == [1]


def test_by_the_end_of_a_name() -> None:
    """What programs put before the name of an image does not hide it; two frames of one image are refused."""
    video = ["img_0001", "img_0002", "img_0003"]
    given = annotations_of(hard_clip(2), stems=["clip_img_0002", "3f2a-img_0003"])
    found = formats.match_to_video(given, video, SIZE)
    assert [(frame.index, frame.name) for frame, _ in found] == [(1, "img_0002"), (2, "img_0003")]
    twice = annotations_of(hard_clip(2), stems=["one_img_0002", "two_img_0002"])
    with pytest.raises(FormatError, match="'one_img_0002' and 'two_img_0002' are both frame 'img_0002'"):
        formats.match_to_video(twice, video, SIZE)


def test_yolo_labels_of_images_counted_from_one(tmp_path: Path) -> None:
    """Frames come back to the images they were of, although their numbers are not the indices."""
    video = [f"img_{n:04d}" for n in range(1, 5)]
    given = annotations_of(hard_clip(3), stems=video[:3], suffix=".png")
    formats.write(given, tmp_path / "yolo", "yolo", options={"track_ids": True})
    found = formats.match_to_video(formats.read(tmp_path / "yolo", size=SIZE), video, SIZE)
    assert [(frame.index, frame.name) for frame, _ in found] == list(enumerate(video[:3]))


def test_frames_numbered_from_1(tmp_path: Path) -> None:
    """As programs number the frames of a video file: the last tells; fewer frames may begin anywhere."""
    names = [f"{number:05d}" for number in range(4)]

    def masks(name: str, *numbers: int) -> formats.Annotations:
        folder = tmp_path / name
        folder.mkdir()
        for number in numbers:
            Image.fromarray(np.ones(SIZE, np.uint8)).save(folder / f"{number}.png")
        return formats.read(folder)

    for given in (masks("all", 1, 2, 3, 4), masks("gaps", 1, 4)):
        for skip_missing in (False, True):
            found = formats.match_to_video(given, names, SIZE, skip_missing=skip_missing)
            wanted = {record.index - 1 for record in given.records()}
            assert {frame.index for frame, _ in found} == wanted
            assert "the frames are numbered 1 to 4: the first one is frame 0 of the video" in found.notes
    with pytest.raises(FormatError, match=r"frame '4' .* is not in the video"):
        formats.match_to_video(masks("late", 2, 4), names, SIZE)
    found = formats.match_to_video(masks("some", 1, 2, 3), names, SIZE)
    assert sorted(labels_by_index(found)) == [1, 2, 3]
    by_name = formats.match_to_video(masks("named", 1, 2, 3, 4), ["1", "2", "3", "4"], SIZE)
    assert sorted(labels_by_index(by_name)) == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", ["grey and white", "soft"])
def test_white_beside_greys_of_unknown_origin(tmp_path: Path, kind: str) -> None:
    """An object in white does not vanish as void, nor is its soft edge many objects; DAVIS says what is."""
    values = np.zeros((40, 60), np.uint8)
    values[10:30, 10:30] = 255
    if kind == "soft":
        for edge, grey in enumerate((20, 120, 200)):
            values[7 + edge, 10:30] = values[10:30, 7 + edge] = grey
    else:
        values[10:30, 40:50] = 128
    Image.fromarray(values).save(tmp_path / "00000.png")
    with pytest.raises(
        FormatError, match="greys at the edge of white" if kind == "soft" else "255 beside 128"
    ):
        formats.read(tmp_path)
    (labels,) = labels_by_index(formats.read(tmp_path, format="davis")).values()
    assert (labels == np.where(values == 255, 0, values)).all()


def test_by_index_and_missing_frames() -> None:
    """Other names are matched by index; a frame that is not there is an error, or left out."""
    given = annotations_of(hard_clip(4), stems=["p", "q", "r", "s"])
    assert sorted(labels_by_index(formats.match_to_video(given, list("abcdef"), SIZE))) == [0, 1, 2, 3]
    with pytest.raises(FormatError, match=r"frame 's' \(index 3\) is not in the video, which has 3 frames"):
        formats.match_to_video(given, list("abc"), SIZE)
    found = formats.match_to_video(given, list("abc"), SIZE, skip_missing=True)
    assert sorted(labels_by_index(found)) == [0, 1, 2]
    assert "1 frames that the video does not have" in found.notes[-1]


def test_indices_win_a_tie() -> None:
    """Where as many frames are found by index as by name, and some by neither; one name more turns it."""
    given = annotations_of(hard_clip(3), stems=["p", "q", "r"])
    by_index = formats.match_to_video(given, ["q", "p"], SIZE, skip_missing=True)
    assert np.array_equal(labels_by_index(by_index)[0], hard_clip(3)[0])
    later = replace(given, records=lambda: (replace(r, index=r.index + 1) for r in given.records()))
    by_name = formats.match_to_video(later, ["q", "p"], SIZE, skip_missing=True)
    assert np.array_equal(labels_by_index(by_name)[0], hard_clip(3)[1])


def test_sizes() -> None:
    """Twice the size is scaled by nearest neighbour, which is exact, and said; another shape is refused."""
    given = annotations_of(hard_clip(2))
    found = formats.match_to_video(given, ["00000", "00001"], (58, 74))
    for index, labels in labels_by_index(found).items():
        assert np.array_equal(labels, np.kron(hard_clip(2)[index], np.ones((2, 2), int)))
    assert "masks of 37x29 were scaled to 74x58" in found.notes[0]
    with pytest.raises(FormatError, match="masks are 37x29, the video 74x29"):
        formats.match_to_video(given, ["00000", "00001"], (29, 74))


@pytest.mark.parametrize(
    ("size", "wanted"), [((480, 854), (240, 427)), ((1080, 1920), (480, 853)), ((29, 37), (58, 74))]
)
def test_one_factor(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """A shorter side that was rounded is the same factor."""
    assert float(factor(size, wanted)) == pytest.approx(wanted[0] / size[0], rel=0.01)


def test_import_writes_masks_prompts_and_a_record(tmp_path: Path) -> None:
    """Index PNGs with the video's names; boxes as a prompt file that the tracker reads."""
    given = annotations_of(hard_clip(2), names={1: "dog"}, stems=["b", "d"])
    given.boxes.append(BoxPrompt(0, "b", 9, (-3, 2, 50, 8)))
    matched = formats.match_to_video(given, ["b", "c", "d"], SIZE)
    summary = formats.import_masks(matched, tmp_path / "out", names={2: "cat"})
    for name, labels in (("b", hard_clip(2)[0]), ("d", hard_clip(2)[1])):
        with Image.open(tmp_path / "out" / "masks" / f"{name}.png") as image:
            assert np.array_equal(np.asarray(image), labels)
    assert json.loads((tmp_path / "out" / "import.json").read_text()) == summary
    assert summary["names"] == {"1": "dog", "2": "cat"}
    assert [f["index"] for f in summary["frames"]] == [0, 2]
    (target,) = load_prompts(prompt_files=[tmp_path / "out" / "prompts.json"])
    assert target.object_id == 9
    assert target.prompt.box is not None
    assert target.prompt.box.tolist() == [0, 2, 36, 8]


def test_boxes_of_one_pixel_are_points(tmp_path: Path) -> None:
    """Trackers find more at a point than in a box one pixel wide or high."""
    given = annotations_of([np.zeros(SIZE, np.uint8)])
    given.boxes += [BoxPrompt(0, "00000", k, box) for k, box in ((1, (5, 2, 5, 8)), (2, (-4, 3, 0, 3)))]
    formats.import_masks(formats.match_to_video(given, ["00000"], SIZE), tmp_path / "out")
    targets = load_prompts(prompt_files=[tmp_path / "out" / "prompts.json"])
    assert [(target.object_id, target.prompt.points.tolist()) for target in targets] == [
        (1, [[5, 5]]),
        (2, [[0, 3]]),
    ]


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    """A folder that is there stays; an earlier import is replaced when asked for, another folder never."""
    given = annotations_of(hard_clip(1))
    formats.import_masks(given, tmp_path / "out")
    with pytest.raises(OutputError, match="--overwrite"):
        formats.import_masks(given, tmp_path / "out")
    formats.import_masks(given, tmp_path / "out", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match="choose another place"):
        formats.import_masks(given, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()
