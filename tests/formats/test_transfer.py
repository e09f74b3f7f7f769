"""Exports: several formats at once, images, archives, options, selection."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated_clips import annotations_of, files_under, hard_clip, labels_by_index
from PIL import Image

import vos
from vos import formats
from vos.errors import FormatError, InputError, OutputError, SettingsError
from vos.formats.format import FRAMES
from vos.formats.frame_images import Images
from vos.formats.registry import FORMATS, writers
from vos.results import FrameResult, Source
from vos.testing import ScriptedTracker, scene, write_images, write_labels
from vos.video import open_video


def test_several_formats_and_a_summary(tmp_path: Path) -> None:
    """Every format in its place, and export.json with counts and losses."""
    given = annotations_of(hard_clip())
    written = formats.export(given, tmp_path / "out", ["yolo", "coco"], options={"track_ids": True})
    assert [w.path for w in written] == [tmp_path / "out" / "yolo", tmp_path / "out" / "annotations.json"]
    summary = json.loads((tmp_path / "out" / "export.json").read_text())
    yolo, coco = summary["formats"]
    assert yolo["options"] == {"track_ids": True}
    assert coco["options"] == {}
    assert yolo["losses"]["wrong_pixels"].keys() == {"2"}
    assert (coco["frames"], coco["objects"]) == (5, [1, 2, 3, 254])


def test_one_folder_format_fills_the_output(tmp_path: Path) -> None:
    """`-f davis -o SET` makes SET the data set."""
    formats.export(annotations_of(hard_clip()), tmp_path / "set", ["davis"])
    folder = tmp_path / "set" / "Annotations" / "480p" / "clip"
    assert [path.name for path in sorted(folder.iterdir())] == [f"{k:05d}.png" for k in range(5)]
    for path, labels in zip(sorted(folder.iterdir()), hard_clip(), strict=True):
        assert np.array_equal(np.array(Image.open(path)), labels)


FOLDERS = [n for n, f in FORMATS.items() if f.reader and f.writer and f.is_folder and not f.needs_frames]


@pytest.mark.parametrize("name", FOLDERS)
def test_an_export_is_read_as_it_stands(name: str, tmp_path: Path) -> None:
    """The folder of an export is one of its format: what else lies in it does not disturb."""
    for package in FORMATS[name].requires:
        pytest.importorskip(package)
    written = formats.export(annotations_of(hard_clip()), tmp_path / "out", [name])
    assert written[0].path == tmp_path / "out"
    found = formats.read(tmp_path / "out", name, size=hard_clip()[0].shape)
    if FRAMES in FORMATS[name].keeps:
        assert sorted(labels_by_index(found)) == [0, 1, 2, 3, 4]
    if name != "object-masks":  # which has to be named
        assert FORMATS[formats.guess_format(tmp_path / "out")].reader == FORMATS[name].reader


def test_archives_are_reproducible(tmp_path: Path) -> None:
    """A .zip holds what the folder would, in the same bytes every time."""
    given = annotations_of(hard_clip())
    for name in ("a.zip", "b.zip"):
        formats.export(given, tmp_path / name, ["labelme", "cvat-video"])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert "labelme/00004.json" in names
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "b.zip"]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_images_of_a_folder(suffix: str, tmp_path: Path) -> None:
    """The user's images are copied as they are where the format names them so, else encoded."""
    clip = scene("crossing", num_frames=3, size=(30, 40))
    paths = write_images(clip, tmp_path / "frames", suffix)
    given = annotations_of(list(clip.labels), stems=[p.stem for p in paths], suffix=suffix)
    with open_video(tmp_path / "frames") as video:
        formats.write(given, tmp_path / "yolo", "yolo", images=Images(video))
        formats.write(given, tmp_path / "davis", "davis", images=Images(video, link=True))
    copied = tmp_path / "yolo" / "images" / "train" / f"clip_{paths[1].stem}{suffix}"
    assert copied.read_bytes() == paths[1].read_bytes()
    placed = sorted((tmp_path / "davis" / "JPEGImages" / "480p" / "clip").iterdir())
    assert [p.name for p in placed] == ["00000.jpg", "00001.jpg", "00002.jpg"]
    with Image.open(placed[2]) as image:
        error = np.asarray(image).astype(int) - clip.frames[2].image
    assert np.abs(error).mean() < 8
    assert placed[0].samefile(paths[0]) == (suffix == ".jpg")


def test_images_of_masks_that_count_from_one(tmp_path: Path) -> None:
    """A mask goes with the image of its name, although its number is the index of another."""
    (tmp_path / "frames").mkdir()
    (tmp_path / "masks").mkdir()
    for number in range(1, 5):
        image = Image.new("RGB", (37, 29), (50 * number,) * 3)
        image.save(tmp_path / "frames" / f"img_{number:04d}.png")
    for number in (2, 3):
        mask = Image.fromarray(np.full((29, 37), number, np.uint8))
        mask.save(tmp_path / "masks" / f"img_{number:04d}.png")
    with open_video(tmp_path / "frames") as video:
        formats.write(
            formats.read(tmp_path / "masks"), tmp_path / "out", "davis", sequence="s", images=Images(video)
        )
    for index in (1, 2):
        name = f"480p/s/{index:05d}"
        image = Image.open(tmp_path / "out" / "JPEGImages" / f"{name}.jpg")
        mask = Image.open(tmp_path / "out" / "Annotations" / f"{name}.png")
        assert np.abs(np.asarray(image).astype(int) - 50 * (index + 1)).max() < 3
        assert (np.asarray(mask) == index + 1).all()


def test_images_are_as_large_as_masks(tmp_path: Path) -> None:
    """A file that is stored turned is written upright; images of another size are refused."""
    (tmp_path / "frames").mkdir()
    image = Image.fromarray(np.arange(20 * 30 * 3, dtype=np.uint32).astype(np.uint8).reshape(20, 30, 3))
    turned = image.getexif()
    turned[0x0112] = 6  # a quarter
    image.save(tmp_path / "frames" / "00000.jpg", exif=turned)
    with open_video(tmp_path / "frames") as video:
        upright, stored = (annotations_of([np.ones(size, np.uint8)]) for size in ((30, 20), (20, 30)))
        formats.write(upright, tmp_path / "upright", "davis", images=Images(video))
        with pytest.raises(InputError, match="masks are 30x20, frames of the video 20x30"):
            formats.write(stored, tmp_path / "stored", "davis", images=Images(video))
    with Image.open(tmp_path / "upright/JPEGImages/480p/clip/00000.jpg") as written:
        assert written.size == (20, 30)
        assert not written.getexif().get(0x0112)


def test_images_are_refused_where_there_is_no_place(tmp_path: Path) -> None:
    """A format without images says so, and nothing is written."""
    clip = scene("crossing", num_frames=2, size=(30, 40))
    write_images(clip, tmp_path / "frames")
    given = annotations_of(list(clip.labels))
    with open_video(tmp_path / "frames") as video, pytest.raises(InputError, match="hold no images"):
        formats.export(given, tmp_path / "out", ["coco"], images=Images(video))
    with open_video(tmp_path / "frames") as video, pytest.raises(InputError, match="for 2 of 5 masks"):
        formats.write(annotations_of(hard_clip()), tmp_path / "out", "yolo", images=Images(video))
    assert not (tmp_path / "out").exists()


def test_options_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    """An unknown option, and a value that is not allowed."""
    given = annotations_of(hard_clip())
    with pytest.raises(SettingsError, match="'epsilo'; its options are epsilon, split, pieces, track_ids"):
        formats.write(given, tmp_path / "out", "yolo", options={"epsilo": 1})
    with pytest.raises(SettingsError, match="pieces"):
        formats.export(given, tmp_path / "out", ["yolo"], options={"pieces": "some"})
    with pytest.raises(SettingsError, match=r"did you mean.*yolo"):
        formats.write(given, tmp_path / "out", "yolos")
    with pytest.raises(SettingsError, match="plain name"):
        formats.write(given, tmp_path / "out", "mose", options={"split": "../up"})
    assert not list(tmp_path.iterdir())


def test_existing_places_are_kept(tmp_path: Path) -> None:
    """A file is replaced when asked for, a folder never; an earlier export is."""
    given = annotations_of(hard_clip())
    formats.write(given, tmp_path / "a.json", "coco")
    with pytest.raises(OutputError, match="--overwrite"):
        formats.write(given, tmp_path / "a.json", "coco")
    formats.write(given, tmp_path / "a.json", "coco-video", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    for name in ("mine", "mine/x"):
        with pytest.raises(OutputError):
            formats.write(given, tmp_path / name, "davis", overwrite=True)
    with pytest.raises(OutputError):
        formats.export(given, tmp_path / "mine", ["davis"], overwrite=True)
    formats.export(given, tmp_path / "ours", ["davis"])
    formats.export(given, tmp_path / "ours", ["mose"], overwrite=True)
    assert (tmp_path / "ours" / "train").is_dir()


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    """Damage in a late frame: no output, no leftovers, whatever the format."""
    formats.write(annotations_of(hard_clip()), tmp_path / "masks", "masks")
    (tmp_path / "masks" / "00003.png").write_bytes(b"no PNG")
    given = formats.read(tmp_path / "masks")
    before = sorted(p.name for p in tmp_path.iterdir())
    for name in ("coco", "davis", "yolo", "npz", "masks", "webdataset"):
        with pytest.raises(FormatError, match=r"00003\.png"):
            formats.write(given, tmp_path / f"out{Path(FORMATS[name].default_name).suffix}", name)
        with pytest.raises(FormatError, match=r"00003\.png"):
            formats.export(given, tmp_path / "export", [name, "csv"])
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_select() -> None:
    """Frames and objects; indices stay."""
    given = annotations_of(hard_clip())
    found = labels_by_index(formats.select(given, start=1, end=4, stride=2, objects=[1, 3]))
    assert sorted(found) == [1, 3]
    assert np.array_equal(found[1], np.where(np.isin(hard_clip()[1], [1, 3]), hard_clip()[1], 0))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"objects": [1, 9]}, "no object 9; the ids are 1, 2, 3, 254"),
        ({"start": 7}, "frames 0 to 4"),
    ],
)
def test_select_nothing(chosen: dict[str, Any], message: str, tmp_path: Path) -> None:
    """An object or frames that are not there are an error, and nothing is written."""
    with pytest.raises(InputError, match=message):
        formats.write(formats.select(annotations_of(hard_clip()), **chosen), tmp_path / "a.json", "coco")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["davis", "yolo", "mots-txt", "webdataset"])
def test_names_that_are_too_long(name: str, tmp_path: Path) -> None:
    """A video whose name is longer than file systems take is refused, and nothing is written."""
    with pytest.raises(OutputError, match="the name is too long"):
        formats.write(annotations_of(hard_clip(1)), tmp_path / "out", name, sequence="a" * 300)
    assert not list(tmp_path.iterdir())


def test_select_boxes(tmp_path: Path) -> None:
    """Boxes without masks are chosen as masks are."""
    formats.write(annotations_of(hard_clip()), tmp_path / "a.csv", "csv")
    found = formats.select(formats.read(tmp_path / "a.csv"), start=1, end=3, objects=[1])
    assert [(box.frame_index, box.object_id) for box in found.boxes] == [(1, 1), (2, 1)]


def test_rows_of_absent_objects(tmp_path: Path) -> None:
    """From its first frame on an object has a row in every frame, although masks say nothing of absence."""
    formats.write(annotations_of(hard_clip()), tmp_path / "a.csv", "csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [(r["frame"], r["visible"]) for r in rows if r["id"] == "2"] == [
        (str(n), str(int(n < 3))) for n in range(5)
    ]
    assert {r["area"] for r in rows if r["visible"] == "0"} == {""}


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("count", [9, 10, 12, 13])
def test_sav_json_keeps_indices(count: int, every: int, tmp_path: Path) -> None:
    """The frames that were written come back with their numbers, as every fourth where a file has none."""
    given = annotations_of([hard_clip()[n % 3] for n in range(count)])
    path = tmp_path / "a.json"
    formats.write(given, path, "sav-json", options={"every": every})
    expected = list(range(0, count, every))
    assert sorted(labels_by_index(formats.read(path))) == expected
    content = json.loads(path.read_text())
    del content["frame_indices"]
    path.write_text(json.dumps(content))
    assert sorted(labels_by_index(formats.read(path))) == expected


def test_sav_json_of_some_frames(tmp_path: Path) -> None:
    """Frames that do not begin with the first keep their numbers, and it is said what others will read."""
    given = formats.select(annotations_of(hard_clip()), start=2)
    written = formats.write(given, tmp_path / "a.json", "sav-json")
    assert sorted(labels_by_index(formats.read(tmp_path / "a.json"))) == [2, 3, 4]
    assert written.notes[0].startswith("frames were left out")


@pytest.mark.parametrize("name", ["voc", "label-studio", "label-studio-video", "cvat-video", "cvat-images"])
def test_names_that_xml_cannot_hold(name: str, tmp_path: Path) -> None:
    """Are refused, and nothing is written."""
    with pytest.raises(FormatError, match="holds characters XML cannot have"):
        formats.write(annotations_of(hard_clip(), names={2: "a\x01"}), tmp_path / "out", name)
    assert not list(tmp_path.iterdir())


def test_names_that_voc_changes_are_told(tmp_path: Path) -> None:
    """Its list of classes has no colons and no line breaks."""
    written = formats.write(annotations_of(hard_clip(), names={1: "dog: big"}), tmp_path / "voc", "voc")
    assert written.notes == ("class 'dog: big' is called 'dog big': labelmap.txt can hold no more",)


@pytest.mark.parametrize("times", [[0.0, 0.04, 0.3], [0.0, 0.04, 0.08]])
def test_variable_rates_do_not_go_with_label_studio(times: list[float], tmp_path: Path) -> None:
    """It counts frames by a rate: where theirs are not ours, it is said."""
    given = annotations_of(hard_clip(3))
    records = [replace(r, time=time) for r, time in zip(given.records(), times, strict=True)]
    written = formats.write(
        replace(given, records=lambda: iter(records)), tmp_path / "out", "label-studio-video"
    )
    assert any("no constant rate" in note for note in written.notes) == (times[2] == 0.3)


def test_given_masks_are_marked(tmp_path: Path) -> None:
    """What a person drew is an annotation or manual, what was tracked a prediction or automatic."""
    for source, word, group in (
        (Source.USER, "manual", "annotations"),
        (Source.TRACKED, "auto", "predictions"),
    ):
        given = annotations_of(hard_clip(1), source=source)
        folder = tmp_path / word
        formats.export(given, folder, ["cvat-video", "label-studio", "sav-json"])
        assert f'source="{word}"' in (folder / "cvat-video.xml").read_text()
        (task,) = json.loads((folder / "label-studio" / "tasks.json").read_text())
        assert group in task
        assert json.loads((folder / "sav.json").read_text())["masklet_type"] == [word] * 4


def test_every_keeps_the_multiples(tmp_path: Path) -> None:
    """`every` leaves frames out, counts them, and keeps the names."""
    given = annotations_of(hard_clip())
    written = formats.write(given, tmp_path / "ytvos", "youtube-vos", options={"every": 2, "split": "valid"})
    assert written.losses["frames"] == 2
    names = [Path(name).name for name in files_under(tmp_path / "ytvos")]
    assert names == ["00000.png", "00002.png", "00004.png", "meta.json"]
    meta = json.loads((tmp_path / "ytvos" / "valid" / "meta.json").read_text())
    assert meta["videos"]["clip"]["objects"]["2"]["frames"] == ["00000", "00002"]


def test_a_run(tmp_path: Path) -> None:
    """The folder of a run: names, times and confidence from run.json, images as the user named them."""
    from vos.prompts import Prompt, Target
    from vos.runs import TrackSettings, track_video
    from vos.testing import ScriptedTracker

    clip = scene("crossing", num_frames=4, size=(30, 40))
    write_images(clip, tmp_path / "shot", ".jpg")
    settings = TrackSettings(outputs=("masks", "yolo", "cvat-images"), checkpoint_every=3)
    target = Target(1, Prompt(mask=clip.labels[0] == 1), name="dog")
    with open_video(tmp_path / "shot") as video:
        summary = track_video(video, [target], tmp_path / "out", settings, tracker=ScriptedTracker(clip))
        assert (tmp_path / "out" / "yolo" / "labels" / "train" / "shot_00003.txt").is_file()
        found = formats.read(tmp_path / "out")
        assert found.names == {1: "dog"}
        assert found.sequence == "shot"
        formats.write(found, tmp_path / "again.xml", "cvat-images")
        direct = (tmp_path / "out" / "cvat-images.xml").read_text()
        assert (tmp_path / "again.xml").read_text() == direct
        assert 'name="00003.jpg"' in direct
        assert summary.files["yolo"] == str(tmp_path / "out" / "yolo")
        (tmp_path / "out" / "yolo" / "mine.txt").write_text("x")
        masks_only = TrackSettings(outputs=("masks",))
        track_video(
            video, [target], tmp_path / "out", masks_only, overwrite=True, tracker=ScriptedTracker(clip)
        )
    assert list(files_under(tmp_path / "out" / "yolo")) == ["yolo/mine.txt"]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        (
            "davis",
            [
                "Annotations/480p/clip/00000.png",
                "Annotations/480p/clip/00001.png",
                "ImageSets/2017/train.txt",
            ],
        ),
        ("mose", ["train/Annotations/clip/00000.png", "train/Annotations/clip/00001.png"]),
        (
            "lvos",
            [
                "train/Annotations/clip/00000001.png",
                "train/Annotations/clip/00000002.png",
                "train/train_meta.json",
            ],
        ),
        ("mots-png", ["instances/000001.png", "instances/000002.png", "instances/labels.txt"]),
        ("yolo", ["data.yaml", "labels/train/clip_00000.txt", "labels/train/clip_00001.txt", "train.txt"]),
    ],
)
def test_names_of_files(name: str, files: list[str], tmp_path: Path) -> None:
    """Numbers begin where the data set begins them, with as many digits."""
    formats.write(annotations_of(hard_clip(2)), tmp_path / name, name)
    assert [path.removeprefix(f"{name}/") for path in files_under(tmp_path / name)] == files


def test_mots_counts_frames_from_one_and_kitti_from_zero(tmp_path: Path) -> None:
    """The first field of the lines, and the number of the object."""
    given = annotations_of(hard_clip(2), names={1: "car"})
    for variant, file, first in (("mots", "clip/gt/gt.txt", 1), ("kitti", "instances_txt/clip.txt", 0)):
        formats.write(given, tmp_path / variant, "mots-txt", options={"variant": variant})
        lines = [line.split(" ") for line in (tmp_path / variant / file).read_text().splitlines()]
        assert {int(line[0]) for line in lines} == {first, first + 1}
        assert lines[0][1:5] == ["1001", "1", "29", "37"]


@pytest.mark.parametrize("name", writers())
def test_a_name_that_was_changed_is_told(name: str, tmp_path: Path) -> None:
    """The safe name of a video is in its files where the format says so, and there the change is told."""
    for package in FORMATS[name].requires:
        pytest.importorskip(package)
    clip = scene("crossing", num_frames=2, size=(32, 48))
    write_labels(clip, tmp_path / "masks")
    write_images(clip, tmp_path / "frames")
    given = replace(formats.read(tmp_path / "masks", "masks"), sequence="vidéo 🐕")
    with open_video(tmp_path / "frames") as frames:
        written = formats.write(given, tmp_path / "out" / FORMATS[name].default_name, name, frames=frames)
    told = [
        note
        for note in written.notes
        if "called vid_o__, and not 'vidéo 🐕'" in note and "--sequence" in note
    ]
    assert len(told) == FORMATS[name].names_video
    if name not in ("npz", "parquet"):  # whose texts are packed
        files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        found = any("vid_o__" in str(path) or b"vid_o__" in path.read_bytes() for path in files)
        assert found == FORMATS[name].names_video


def test_results_of_a_tracker_are_annotations(tmp_path: Path) -> None:
    """In the order of their frames, with confidence and source, whatever order they come in."""
    clip = scene("crossing", num_frames=3, size=(30, 40))
    results = (clip.result(index) for index in (2, 0, 1))
    formats.write(results, tmp_path / "a.json", "coco", names={1: "dog"})
    found = formats.read(tmp_path / "a.json")
    assert found.names[1] == "dog"
    for index, (frame, result) in enumerate(found):
        assert (frame.index, result.ids) == (index, clip.ids)
        assert np.array_equal(result.labels, clip.labels[index])
    formats.export(
        vos.track(clip.frames, clip.targets(0), tracker=ScriptedTracker(clip)), tmp_path / "b", ["csv"]
    )
    rows = list(csv.DictReader((tmp_path / "b" / "objects.csv").open()))
    assert [(row["frame"], row["id"], row["score"]) for row in rows[2:4]] == [
        ("1", "1", "0.99"),
        ("1", "2", "0.99"),
    ]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (None, "got None"),
        (np.zeros((4, 4), np.uint8), r"need the results of a tracker \(vos.FrameResult\), got array"),
        ([FrameResult(1, np.zeros((4, 4), np.uint8))] * 2, "two results of frame 1"),
        (
            [FrameResult(k, np.zeros((4, 4 + k), np.uint8)) for k in range(2)],
            "one size: frame 0 is 4x4, frame 1 5x4",
        ),
    ],
)
def test_what_is_no_result(results: Any, message: str, tmp_path: Path) -> None:
    """It is named, and nothing is written."""
    with pytest.raises(InputError, match=message):
        formats.write(results, tmp_path / "a.json", "coco")
    assert list(tmp_path.iterdir()) == []
