"""Every format read back by our own reader: what its entry promises to keep is kept."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from annotated_clips import (
    NAMES,
    annotations_of,
    clips,
    effective_categories,
    files_under,
    hard_clip,
    labels_by_index,
    many_objects,
    visible_ids,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vos import formats
from vos.errors import InputError
from vos.formats.format import CATEGORIES, CONFIDENCE, FRAMES, IDS, KEPT, MASKS, TIMES
from vos.formats.format import NAMES as KEEPS_NAMES
from vos.formats.reading import Annotations
from vos.formats.registry import FORMATS

BOTH = [name for name, f in FORMATS.items() if f.reader and f.writer]
EXACT = [name for name in BOTH if FORMATS[name].exact]
SAY_THAT_THERE_ARE_NONE = set(
    [
        "masks",
        "davis",
        "davis2016",
        "youtube-vos",
        "mose",
        "lvos",
        "sav",
        "object-masks",
        "mots-txt",
        "mots-png",
        "yolo",
        "cvat-video",
        "cvat-images",
        "labelme",
        "voc",
        "darwin",
        "csv",
        "webdataset",
    ]
)
"""Formats whose files or folders of a video without frames are refused: they could be anything."""
FOLDER_PER_OBJECT = {"sav", "object-masks"}


def available(name: str) -> str:
    """Skip where the package that a format needs is absent."""
    for package in FORMATS[name].requires:
        pytest.importorskip(package)
    return name


def through(name: str, given: Annotations, folder: Path, **options: object) -> Annotations:
    """Written and read again."""
    path = folder / FORMATS[name].default_name
    formats.write(given, path, name, **options)
    size = next(iter(given.records())).size
    return formats.read(path, name, size=size)


def check(name: str, given: Annotations, found: Annotations) -> None:
    """What the entry of the format promises is there."""
    kept = FORMATS[name].keeps
    before = list(given)
    after = {frame.index: (frame, result) for frame, result in found}
    ids = visible_ids([result.labels for _, result in before])
    if FRAMES in kept:
        assert sorted(after) == [frame.index for frame, _ in before]
    for frame, result in before:
        if frame.index not in after:
            assert FRAMES not in kept
            assert not result.labels.any() or MASKS not in kept
            continue
        frame_after, result_after = after[frame.index]
        if MASKS in kept:
            assert np.array_equal(result_after.labels, result.labels)
        if CONFIDENCE in kept:
            assert {k: result_after.confidence[k] for k in result.ids} == dict(result.confidence)
        if TIMES in kept:
            assert frame_after.time == frame.time
    if IDS in kept:
        assert visible_ids([result.labels for _, result in after.values()]) == ids
    if CATEGORIES in kept:
        assert effective_categories(found, ids) == effective_categories(given, ids)
    if KEEPS_NAMES in kept:
        assert {k: found.names.get(k) for k in ids} == {k: given.names.get(k) for k in ids}


@pytest.mark.parametrize("name", BOTH)
def test_hard_clip(name: str, tmp_path: Path) -> None:
    """Holes, pieces, absence, one pixel, borders, an empty frame, odd sizes, hostile names."""
    names = {1: NAMES[0], 2: NAMES[1], 254: NAMES[3]}
    given = annotations_of(hard_clip(), names=names)
    check(available(name), given, through(name, given, tmp_path))


@pytest.mark.parametrize("name", BOTH)
def test_300_objects(name: str, tmp_path: Path) -> None:
    """Ids above 254."""
    given = annotations_of(many_objects())
    check(available(name), given, through(name, given, tmp_path))


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=10)
@given(labels=clips(), named=st.lists(st.sampled_from([n for n in NAMES if "\n" not in n]), max_size=3))
def test_any_clip(name: str, labels: list[np.ndarray], named: list[str]) -> None:
    """Exact formats keep any masks; an object with a category has it, whatever it is called."""
    available(name)
    names = {k: text for k, text in zip((1, 2, 3), named, strict=False) if text}
    # Without objects there are no folders, and so no frames.
    assume(name not in FOLDER_PER_OBJECT or any(frame.any() for frame in labels))
    given = annotations_of(labels, names=names)
    with tempfile.TemporaryDirectory() as folder:
        check(name, given, through(name, given, Path(folder)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("coco", {"segmentation": "polygon"}),
        ("cvat-video", {"tracks": "polygon"}),
        ("darwin", {}),
        ("labelme", {"shape": "polygon"}),
        ("yolo", {}),
    ],
)
def test_simplified_outlines_are_counted(name: str, options: dict[str, str], tmp_path: Path) -> None:
    """With ``epsilon`` files are smaller, and the pixels that differ are as many as the writer says."""
    labels = np.zeros((60, 80), np.uint8)
    cv2.circle(labels, (30, 28), 21, 1, -1)
    given = annotations_of([labels])
    sizes, wrong = [], []
    for epsilon in (0.0, 2.0):
        path = tmp_path / str(epsilon) / FORMATS[name].default_name
        written = formats.write(given, path, name, options={**options, "epsilon": epsilon})
        (found,) = (result.labels for _, result in formats.read(path, name, size=labels.shape))
        counted = written.losses.get("wrong_pixels", {})
        assert int(((found > 0) != (labels > 0)).sum()) == sum(counted.values())
        sizes.append(sum(map(len, files_under(path).values())))
        wrong.append(sum(counted.values()))
    assert sizes[1] < sizes[0] / 2
    assert wrong[0] == 0 < wrong[1]


def test_simplified_outlines_of_video_regions(tmp_path: Path) -> None:
    """Label Studio's video vectors have fewer points, which stay within the distance."""
    labels = np.zeros((60, 80), np.uint8)
    cv2.circle(labels, (30, 28), 21, 1, -1)
    sizes = []
    for epsilon in (0.0, 2.0):
        path = tmp_path / str(epsilon)
        options = {"shape": "vector", "epsilon": epsilon}
        formats.write(annotations_of([labels]), path, "label-studio-video", options=options)
        sizes.append((path / "tasks.json").stat().st_size)
        (task,) = json.loads((path / "tasks.json").read_text())
        (region,) = task["predictions"][0]["result"]
        (key,) = region["value"]["sequence"]
        points = [[v["x"] * 80 / 100 - 0.5, v["y"] * 60 / 100 - 0.5] for v in key["vertices"]]
        drawn = cv2.fillPoly(np.zeros_like(labels), [np.round(points).astype(np.int32)], 1)
        around = np.ones((5, 5) if epsilon else (1, 1), np.uint8)
        assert not (drawn & ~cv2.dilate(labels, around) | cv2.erode(labels, around) & ~drawn).any()
    assert sizes[1] < sizes[0] / 2


@pytest.mark.parametrize("name", BOTH)
def test_twice_the_same_bytes(name: str, tmp_path: Path) -> None:
    """Equal input gives equal bytes."""
    available(name)
    given = annotations_of(hard_clip(), names={1: "dog"})
    for place in ("a", "b"):
        formats.write(given, tmp_path / place / FORMATS[name].default_name, name)
    default = FORMATS[name].default_name
    assert files_under(tmp_path / "a" / default) == files_under(tmp_path / "b" / default)


@pytest.mark.parametrize("name", BOTH)
def test_no_frames(name: str, tmp_path: Path) -> None:
    """A video without frames is written; reading it gives none, or says that there are none."""
    available(name)
    path = tmp_path / FORMATS[name].default_name
    formats.write(annotations_of([]), path, name)
    if name in SAY_THAT_THERE_ARE_NONE:
        with pytest.raises(InputError, match=r"there (is|are) no |it has no |an image of 0x0"):
            formats.read(path, name, size=(24, 32))
    else:
        assert list(formats.read(path, name, size=(24, 32))) == []


@pytest.mark.parametrize("name", [name for name in BOTH if name != "object-masks"])  # it has to be named
def test_format_is_found_out(name: str, tmp_path: Path) -> None:
    """A written file or folder is recognised, up to formats that are read alike."""
    path = tmp_path / FORMATS[available(name)].default_name
    formats.write(annotations_of(hard_clip()), path, name)
    assert FORMATS[formats.guess_format(path)].reader == FORMATS[name].reader


@pytest.mark.parametrize("name", list(FORMATS))
def test_entries_are_complete(name: str) -> None:
    """What is kept is known, what is not kept is named, and both ends can be loaded."""
    entry = FORMATS[name]
    assert set(entry.keeps) <= set(KEPT)
    assert entry.writer or entry.reader
    assert entry.title
    if entry.reader and set(KEPT) - set(entry.keeps) - {TIMES}:
        assert entry.lost


def test_names_and_categories_of_files_that_hold_both(tmp_path: Path) -> None:
    """An object with a name and a category of its own keeps both where the format has room."""
    given = annotations_of(hard_clip(), names={1: "Rex", 3: "Tom"}, categories={1: "dog"})
    for name in ("coco-video", "label-studio", "labelme", "npz", "webdataset"):
        found = through(name, given, tmp_path)
        assert {k: found.names.get(k) for k in (1, 3)} == {1: "Rex", 3: "Tom"}, name
        assert found.categories.get(1) == "dog", name


@pytest.mark.parametrize(
    "name", ["coco-video", "youtube-vis", "cvat-images", "labelme", "datumaro", "label-studio"]
)
def test_user_file_names(name: str, tmp_path: Path) -> None:
    """Images are named as the user's files are."""
    given = annotations_of(hard_clip(2), stems=["shot-a", "shot-b"], suffix=".JPG")
    path = tmp_path / FORMATS[name].default_name
    formats.write(given, path, name)
    text = b"".join(files_under(path).values()).decode()
    assert "shot-a.JPG" in text
    assert "shot-b.png" not in text
    read = formats.read(path, name)
    assert [frame.file_name for frame, _ in read] == ["shot-a.JPG", "shot-b.JPG"]


def test_addresses_of_images(tmp_path: Path) -> None:
    """Label Studio takes an address: what has a meaning there is escaped, and comes back."""
    stems = ["shot #1 50%", "Köter & ü?"]
    given = annotations_of(hard_clip(2), stems=stems, suffix=".png")
    found = through("label-studio", given, tmp_path)
    assert [(frame.name, frame.file_name) for frame, _ in found] == [(s, f"{s}.png") for s in stems]
    tasks = json.loads((tmp_path / "label-studio" / "tasks.json").read_text())
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=shot%20%231%2050%25.png"


def test_losses_are_counted(tmp_path: Path) -> None:
    """What a lossy format reports is what reading it shows: wrong pixels by object."""
    labels = hard_clip(1)
    given = annotations_of(labels)
    written = formats.write(given, tmp_path / "yolo", "yolo", options={"track_ids": True})
    (found,) = labels_by_index(formats.read(tmp_path / "yolo", size=(29, 37))).values()
    wrong = {str(k): int(((found == k) != (labels[0] == k)).sum()) for k in visible_ids(labels)}
    # The bridge of one object may be covered by another that is smaller.
    assert written.losses["wrong_pixels"]["2"] >= wrong["2"] > 0
    assert set(written.losses["wrong_pixels"]) == {"2"}
    split = formats.write(given, tmp_path / "split", "yolo", options={"track_ids": True, "pieces": "split"})
    assert "wrong_pixels" not in split.losses
    (exact,) = labels_by_index(formats.read(tmp_path / "split", size=(29, 37))).values()
    assert np.array_equal(exact, labels[0])


def test_box_formats_give_prompts(tmp_path: Path) -> None:
    """Formats without masks come back as the tight boxes of the objects."""
    given = annotations_of(hard_clip(5))
    for name in ("csv", "label-studio-video"):
        found = through(name, given, tmp_path)
        assert not list(found)
        boxes = {(b.frame_index, b.object_id): b.box for b in found.boxes}
        assert boxes[0, 1] == (3, 5, 17, 19)
        assert boxes[3, 3] == (13, 22, 13, 22)
        assert (3, 2) not in boxes
        assert len(boxes) == 4 + 4 + 4 + 3
