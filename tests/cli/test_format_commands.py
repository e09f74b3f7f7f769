"""vos export, import, convert, formats, and vos track --write."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image
from vos_cli.main import cli

from vos.formats.registry import FORMATS
from vos.testing import Scene, scene, write_images, write_labels


@pytest.fixture
def clip(tmp_path: Path) -> Scene:
    """Two objects in four frames: ``frames/*.jpg`` and ``masks/*.png`` in ``tmp_path``."""
    made = scene("crossing", num_frames=4, size=(30, 40))
    write_images(made, tmp_path / "frames", ".jpg")
    write_labels(made, tmp_path / "masks")
    return made


def vos(*arguments: object, code: int = 0) -> Result:
    """Run a command and check how it ends."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == code, result.output + result.stderr
    if code:
        assert result.stderr.count("\n") == 1 or "Usage" in result.stderr
    return result


def masks_in(folder: Path) -> list[np.ndarray]:
    """All masks of a folder, in order."""
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]


def test_formats() -> None:
    """Every format is listed, with what it loses; as JSON with everything that is known."""
    text = vos("formats").output
    assert "davis2016" in text
    assert "lost: masks: boxes come back as prompts" in text
    facts = {f["name"]: f for f in json.loads(vos("formats", "--json").output)}
    assert set(facts) == set(FORMATS) - {"run"}
    assert facts["cvat-video"]["exact"] is True
    assert facts["overlay"]["reads"] is False
    assert facts["yolo"]["needs_size"] is True
    assert facts["coco"]["extensions"] == [".json"]


def test_export_and_import(clip: Scene, tmp_path: Path) -> None:
    """Out and in again: masks named as the frames, equal to what was exported."""
    out, back = tmp_path / "out", tmp_path / "back"
    arguments = ("-f", "cvat-video", "-f", "davis", "--name", "1:dog", "--category", "2:cat")
    images = ("--images", "copy", "--video", tmp_path / "frames")
    result = vos("export", tmp_path / "masks", *arguments, *images, "-o", out)
    assert "cvat-video" in result.output
    assert (out / "davis" / "JPEGImages" / "480p" / "frames" / "00000.jpg").is_file()
    xml = out / "cvat-video.xml"
    assert 'label="dog"' in xml.read_text()
    assert 'label="cat"' in xml.read_text()
    summary = vos("import", xml, "--video", tmp_path / "frames", "-o", back, "--json")
    assert json.loads(summary.output)["categories"] == {"1": "dog", "2": "cat"}
    assert all(np.array_equal(a, b) for a, b in zip(masks_in(back / "masks"), clip.labels, strict=True))


def test_losses_are_told_by_format(clip: Scene, tmp_path: Path) -> None:
    """What a format cannot keep, in words and after its name; nothing of one that keeps all."""
    formats = [f"-f{name}" for name in ("coco", "csv", "davis2016", "yolo")]
    options = ("-O", "epsilon=3", "-O", "every=2")
    told = vos("export", tmp_path / "masks", *formats, *options, "-o", tmp_path / "out").stderr
    lines = [line for line in told.splitlines() if "pieces" not in line]
    assert lines[0] == "vos: csv: in place of masks: boxes only"
    assert lines[1:3] == ["vos: davis2016: frames left out: 2", "vos: davis2016: objects that became one: 2"]
    assert re.fullmatch(
        r"vos: yolo: pixels that differ from the masks: \d+ of object 1, \d+ of object 2", lines[3]
    )


def test_convert(clip: Scene, tmp_path: Path) -> None:
    """Between formats, without a video; formats are found out; frames and objects chosen."""
    a, b, c = tmp_path / "a.json", tmp_path / "b.npz", tmp_path / "c"
    vos("convert", tmp_path / "masks", "--to", "youtube-vis", "-o", a)
    told = vos("convert", a, "--to", "npz", "-o", b, "--frames", "1::2", "--objects", "2")
    assert "2 frames, 1 object: " in told.output
    vos("convert", b, "--to", "masks", "-o", c)
    found = masks_in(c)
    assert len(found) == 2
    assert np.array_equal(found[0] == 2, clip.labels[1] == 2)
    assert set(np.unique(found[0])) <= {0, 2}


def test_options_of_a_format(clip: Scene, tmp_path: Path) -> None:
    """-O with dashes; track ids make YOLO keep the objects."""
    vos(
        "convert",
        tmp_path / "masks",
        "--to",
        "yolo",
        "-O",
        "track-ids=true",
        "-O",
        "split=val",
        "-o",
        tmp_path / "y",
    )
    assert (tmp_path / "y" / "labels" / "val").is_dir()
    vos("convert", tmp_path / "y", "--to", "masks", "--size", "40x30", "-o", tmp_path / "m")
    assert all(np.array_equal(a, b) for a, b in zip(masks_in(tmp_path / "m"), clip.labels, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "masks", "-f", "gif", "-o", "x"], "unknown format 'gif'"),
        (["export", "masks", "-f", "yolo", "-O", "piece=all", "-o", "x"], "no option 'piece'"),
        (["export", "masks", "-f", "yolo", "-O", "pieces", "-o", "x"], "KEY=VALUE"),
        (["export", "masks", "-f", "coco", "--name", "dog", "-o", "x"], "1:dog"),
        (["export", "masks", "-f", "coco", "--name", "255:dog", "-o", "x"], "255"),
        (["export", "masks", "-f", "coco", "--name", "1:a", "--name", "1:b", "-o", "x"], "twice"),
        (["export", "masks", "-f", "davis", "--images", "copy", "-o", "x"], "needs --video"),
        (["export", "masks", "-f", "coco", "--frames", "5:2", "-o", "x"], "B must be after A"),
        (["export", "masks", "-f", "coco", "--objects", "a", "-o", "x"], "--objects takes ids"),
        (["export", "nothing", "-f", "coco", "-o", "x"], "no such file"),
        (["convert", "masks", "--to", "masks", "-o", "frames"], "is there already"),
        (["convert", "masks", "--to", "overlay", "-o", "x.mp4"], "needs the video's frames"),
        (["convert", "masks", "--to", "yolo", "--size", "4", "-o", "x"], "WIDTHxHEIGHT"),
        (
            ["convert", "frames", "--to", "coco", "-o", "x"],
            "cannot tell which format frames is of: name it with --from",
        ),
        (["import", "masks", "--format", "run", "--video", "frames", "-o", "x"], "unknown format 'run'"),
    ],
)
def test_usage_errors(
    arguments: list[str], message: str, clip: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says what is allowed, exit code 2, and nothing written."""
    monkeypatch.chdir(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    result = vos(*arguments, code=2)
    assert message in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_damaged_file(clip: Scene, tmp_path: Path) -> None:
    """A damaged file is one line, and leaves nothing behind."""
    (tmp_path / "a.xml").write_text("<annotations><track>")
    result = vos("import", tmp_path / "a.xml", "--video", tmp_path / "frames", "-o", tmp_path / "x", code=2)
    assert "a.xml" in result.stderr
    assert "not XML" in result.stderr
    assert not (tmp_path / "x").exists()


def test_losses_are_told_on_stderr(clip: Scene, tmp_path: Path) -> None:
    """What was lost stands on stderr, unless -q."""
    path = tmp_path / "16"
    assert (
        "objects that became one: 2"
        in vos("convert", tmp_path / "masks", "--to", "davis2016", "-o", path).stderr
    )
    assert not vos("convert", tmp_path / "masks", "--to", "davis2016", "-q", "-o", tmp_path / "q").stderr


def test_track_writes_any_format(clip: Scene, tmp_path: Path) -> None:
    """--write beside the defaults, with the name that --name gives."""
    out = tmp_path / "out"
    box = ",".join(map(str, clip.boxes[0][1]))
    arguments = (
        "track",
        tmp_path / "frames",
        "--box",
        f"1:{box}",
        "--name",
        "1:dog",
        "--no-overlay",
        "-o",
        out,
    )
    vos(*arguments, "--write", "labelme", "--write", "csv", "-q")
    shapes = json.loads((out / "labelme" / "00000.json").read_text())["shapes"]
    assert [(s["label"], s["group_id"]) for s in shapes] == [("dog", 1)]
    areas = [int((np.asarray(mask) == 1).sum()) for mask in masks_in(out / "masks")]
    with (out / "objects.csv").open() as file:
        rows = [(row["frame"], row["id"], row["label"], row["area"]) for row in csv.DictReader(file)]
    assert rows == [(str(n), "1", "dog", str(area or "")) for n, area in enumerate(areas)]
    names = {
        category["name"] for category in json.loads((out / "annotations.json").read_text())["categories"]
    }
    assert names == {"dog"}
    record = json.loads((out / "run.json").read_text())
    assert record["folders"]["labelme"] == [f"{n:05d}.json" for n in range(4)]
    result = vos(
        "track", tmp_path / "frames", "--box", f"1:{box}", "--name", "2:cat", "-o", tmp_path / "no", code=2
    )
    assert "object 2, which no mask, point or box gives" in result.stderr
    result = vos(
        "track", tmp_path / "frames", "--box", f"1:{box}", "--write", "gif", "-o", tmp_path / "no", code=2
    )
    assert "'gif'" in result.stderr


def test_cut_outs(clip: Scene, tmp_path: Path) -> None:
    """A run knows its video; soft edges are for tracking alone; flags reach the formats that have them."""
    start = (
        "track",
        tmp_path / "frames",
        "-m",
        tmp_path / "masks" / "00000.png",
        "-q",
        "-o",
        tmp_path / "out",
    )
    vos(*start, "--no-overlay", "--write", "rgba-png", "-O", "edge=soft", "-O", "first=5")
    names = sorted(p.name for p in (tmp_path / "out" / "rgba").glob("*.png"))
    assert names == [f"frames.{n:04d}.png" for n in (5, 6, 7, 8)]
    out = tmp_path / "cut"
    vos("export", tmp_path / "out", "-f", "matte-png", "-f", "green", "--feather", "2", "-o", out)
    assert len(np.unique(np.asarray(Image.open(next((out / "matte").glob("*.png")))))) > 10
    assert (out / "green.mp4").is_file()
    for arguments, message in (
        (("-f", "prores", "--edge", "soft"), "vos track --write prores"),
        (("-f", "green", "--background", "sky"), "must be a colour"),
        (("-f", "green", "--feather", "1", "-O", "feather=2"), "give one of them"),
    ):
        result = vos("export", tmp_path / "out", *arguments, "-o", tmp_path / "x", code=2)
        assert message in result.stderr
    result = vos("export", tmp_path / "masks", "-f", "prores", "-o", tmp_path / "x", code=2)
    assert "--video" in result.stderr
    assert not (tmp_path / "x").exists()


def test_a_data_set_of_two_videos(clip: Scene, tmp_path: Path) -> None:
    """Appending, a class map, PNG images and splits; what clashes is refused, and nothing changes."""
    classes, out = tmp_path / "classes.json", tmp_path / "set"
    classes.write_text('{"dog": 16}')
    images = ("--images", "copy", "--image-format", "png", "--video", tmp_path / "frames")

    def add(sequence: str, split: str, *more: object, name: str = "yolo", code: int = 0) -> Result:
        start = ("export", tmp_path / "masks", "-f", name, "-o", out, "--name", "1:dog", "--append", *images)
        which = ("--sequence", sequence, "--split", split, "--class-map", classes)
        return vos(*start, *which, *more, code=code)

    add("one", "train")
    add("two", "val")
    data = yaml.safe_load((out / "data.yaml").read_text())
    assert (data["names"], data["val"]) == ({16: "dog", 0: "object"}, "images/val")
    copied = sorted(p.name for p in (out / "images" / "val").iterdir())
    assert copied == [f"two_{n:05d}.png" for n in range(4)]
    assert (out / "val.txt").read_text().splitlines()[0] == "images/val/two_00000.png"
    before = sorted(tmp_path.rglob("*"))
    assert "exclude each other" in add("three", "val", "--overwrite", code=2).stderr
    assert "set the same option" in add("three", "val", "-O", "split=val", code=2).stderr
    assert "there already" in add("two", "val", code=2).stderr
    classes.write_text('["dog"]')
    assert "must hold" in add("three", "val", code=2).stderr
    classes.write_text("{}")
    out = tmp_path / "new"
    assert "has .jpg images" in add("one", "train", name="davis", code=2).stderr
    assert sorted(tmp_path.rglob("*")) == before
