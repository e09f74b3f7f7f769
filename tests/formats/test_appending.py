"""Several videos in one export: what is read back of each, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from annotated_clips import annotations_of, files_under, hard_clip, labels_by_index
from pycocotools.coco import COCO

from vos import formats
from vos.errors import FormatError, OutputError, SettingsError
from vos.formats.registry import FORMATS, writer_class, writers

LAYOUTS = ["davis", "davis2016", "youtube-vos", "mose", "lvos", "sav"]
ABLE = [*LAYOUTS, "coco-video", "youtube-vis", "mots-txt", "yolo", "csv"]


def add(out: Path, name: str | Sequence[str], sequence: str, count: int = 3, **more: Any) -> None:
    """A clip added to an export."""
    names: Mapping[int, str] = more.pop("names", {1: "dog", 2: "car", 3: "bird", 254: "dog"})
    given = annotations_of(hard_clip(count), names=names)
    chosen = [name] if isinstance(name, str) else name
    formats.export(given, out, chosen, sequence=sequence, append=True, **more)


def test_formats_of_several_videos() -> None:
    """Those that can hold several are these, and MOTS PNG of KITTI."""
    able = {n for n in writers() if getattr(writer_class(n), "joins", None) is not None}
    assert able == {*ABLE, "mots-png"}


@pytest.mark.parametrize("name", ABLE)
def test_each_video_is_read_back(name: str, tmp_path: Path) -> None:
    """Three videos, in two splits where there are some, each as it would be alone."""
    out = tmp_path / "out"
    for sequence, count in (("one", 3), ("two", 5), ("three", 2)):
        add(out, name, sequence, count)
    path = out if FORMATS[name].is_folder else out / FORMATS[name].default_name
    if name == "yolo":
        data = yaml.safe_load((out / "data.yaml").read_text())
        assert data["names"] == {0: "bird", 1: "car", 2: "dog"}
        assert len((out / "train.txt").read_text().splitlines()) == 10
        assert len(list((out / "labels").rglob("*.txt"))) == 10
        return
    for sequence, count in (("one", 3), ("two", 5), ("three", 2)):
        alone = tmp_path / f"{sequence}-alone"
        formats.export(annotations_of(hard_clip(count)), alone, [name], sequence=sequence)
        place = alone if FORMATS[name].is_folder else alone / FORMATS[name].default_name
        expected = formats.read(place, name)
        found = formats.read(path, name, sequence=sequence)
        if name == "csv":
            assert [(b.frame_index, b.object_id, b.box) for b in found.boxes] == [
                (b.frame_index, b.object_id, b.box) for b in expected.boxes
            ]
            continue
        one, other = labels_by_index(found), labels_by_index(expected)
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[k], other[k]) for k in one)
    record = json.loads((out / "export.json").read_text())
    assert [len(r["formats"]) for r in record["earlier"]] == [1, 1]


@pytest.mark.parametrize("name", ABLE)
def test_a_video_that_is_there(name: str, tmp_path: Path) -> None:
    """Is refused, and nothing changes."""
    add(tmp_path / "out", name, "one")
    before = files_under(tmp_path)
    with pytest.raises(OutputError, match=r"there already.*--sequence"):
        add(tmp_path / "out", name, "one")
    assert files_under(tmp_path) == before


def test_classes_keep_their_numbers(tmp_path: Path) -> None:
    """A class of an earlier video has its number, also where the new one does not show it."""
    out = tmp_path / "out"
    add(out, ["yolo", "coco-video"], "one", names={1: "dog", 2: "zebra", 3: "dog", 254: "dog"})
    add(out, ["yolo", "coco-video"], "two", names={1: "ant", 2: "ant", 3: "zebra", 254: "ant"})
    assert yaml.safe_load((out / "yolo" / "data.yaml").read_text())["names"] == {
        0: "dog",
        1: "zebra",
        2: "ant",
    }
    lines = (out / "yolo" / "labels" / "train" / "two_00000.txt").read_text().splitlines()
    assert sorted(line.split()[0] for line in lines) == ["1", "2", "2", "2"]
    coco = COCO(str(out / "coco-video.json"))
    names = {c["id"]: c["name"] for c in coco.dataset["categories"]}
    assert names == {1: "dog", 2: "zebra", 3: "ant"}
    assert len(coco.imgs) == 6
    assert len({a["id"] for a in coco.dataset["annotations"]}) == len(coco.dataset["annotations"])
    seen = {(a["video_id"], a["object_id"]): names[a["category_id"]] for a in coco.anns.values()}
    assert (seen[1, 1], seen[2, 1], seen[2, 3]) == ("dog", "ant", "zebra")


def test_names_of_the_video_that_is_read(tmp_path: Path) -> None:
    """Object 1 of another video has another name."""
    for sequence, name in (("one", "dog"), ("two", "cat")):
        add(tmp_path / "out", "coco-video", sequence, names={1: name})
    for sequence, name in (("one", "dog"), ("two", "cat")):
        found = formats.read(tmp_path / "out" / "coco-video.json", sequence=sequence)
        assert found.names[1] == name


def test_classes_of_yolo_are_yaml(tmp_path: Path) -> None:
    """Names that JSON would write with surrogate pairs are the same for a reader of YAML."""
    names = ["\U0001f415", 'a "b"\u2028\n: c', "null", "x" * 300]
    for name in names:
        add(tmp_path / "out", "yolo", f"s{names.index(name)}", names=dict.fromkeys((1, 2, 3, 254), name))
    data = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert sorted(data["names"].values()) == sorted(names)


def test_a_split_of_its_own(tmp_path: Path) -> None:
    """Training and validation videos in one YOLO data set."""
    add(tmp_path / "out", "yolo", "one", options={"split": "train"})
    add(tmp_path / "out", "yolo", "two", options={"split": "val"})
    data = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert (data["train"], data["val"]) == ("images/train", "images/val")
    assert len((tmp_path / "out" / "val.txt").read_text().splitlines()) == 3


def test_what_does_not_go_together(tmp_path: Path) -> None:
    """Other formats, formats of one video, archives; files of the user's own are kept."""
    add(tmp_path / "out", "davis", "one")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    add(tmp_path / "out", "davis", "two")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    with pytest.raises(SettingsError, match="takes the same"):
        add(tmp_path / "out", "mose", "three")
    with pytest.raises(SettingsError, match=r"cvat-video holds one video.*davis"):
        add(tmp_path / "new", "cvat-video", "one")
    with pytest.raises(OutputError, match="archive"):
        add(tmp_path / "new.zip", "davis", "one")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_class_map(tmp_path: Path) -> None:
    """Names by category or by the object's own name, numbers, and both at once."""
    given = annotations_of(hard_clip(2), names={1: "Rex", 2: "Tom"}, categories={1: "puppy", 2: "cat"})
    class_map: dict[str, str | int] = {"puppy": "dog", "dog": 16, "Tom": "tiger", "object": 7}
    formats.write(given, tmp_path / "yolo", "yolo", class_map=class_map)
    assert yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text())["names"] == {
        16: "dog", 7: "object", 0: "tiger"
    }  # fmt: skip
    formats.write(
        given, tmp_path / "mots", "mots-txt", class_map={"puppy": "car", "cat": "person", "object": 5}
    )
    rows = [line.split() for line in (tmp_path / "mots" / "clip" / "gt" / "gt.txt").read_text().splitlines()]
    assert {(int(r[1]), int(r[2])) for r in rows} == {(1001, 1), (2002, 2), (5003, 5), (5254, 5)}
    for wrong, message in (
        ({"puppy": 3, "cat": 3}, "gives 3 to both"),
        ({"puppy": 70}, "classes 1 to 64"),
    ):
        with pytest.raises(FormatError, match=message):
            formats.write(given, tmp_path / "wrong", "mots-txt", class_map=wrong)
    assert not (tmp_path / "wrong").exists()
