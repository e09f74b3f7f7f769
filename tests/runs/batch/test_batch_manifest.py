"""Manifests: what a line may say, what is refused, and where."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from batch_fakes import FRAMES, many, write_manifest

from vos.errors import PromptError, SettingsError
from vos.runs import TrackSettings
from vos.runs.batch.manifest import check_manifest, frames_of, open_manifest, read_manifest, with_weight
from vos.runs.batch.task import (
    identity_of_task,
    key_of,
    parse_task,
    settings_of,
    targets_of,
    video_identity,
)

LINE = {"video": "a.mp4", "points": ["1:3,4"]}

GOOD = '{"video": "a.mp4", "points": "1:3,4"}\n'


def test_lines(tmp_path: Path) -> None:
    """Comments and empty lines do not count, ids default to the stem, defaults lie below every line."""
    path = tmp_path / "m.jsonl"
    lines = [
        '{"defaults": {"model": "nano", "points": "1:3,4"}}',
        "# a comment",
        "",
        '{"video": "shots/a.mp4"}',
        '{"video": "b", "id": "second", "model": "classical", "meta": {"by": "me"}, "weight": 3}',
    ]
    path.write_text("\n".join(lines))
    manifest = read_manifest(path)
    assert manifest.ids == ["a", "second"]
    assert manifest.task("a").model == "nano"
    assert manifest.task("a").points == ("1:3,4",)
    assert manifest.task("second").model == "classical"
    assert manifest.task("second").meta == {"by": "me"}
    assert [task.id for task in manifest] == manifest.ids
    assert manifest.weight("second") == 3


def test_gzip_and_csv_say_the_same(tmp_path: Path) -> None:
    """A table with the same columns, and either compressed."""
    lines = [
        {"id": "a", "video": "a.mp4", "points": ["1:3,4", "2:5,6,-"], "stride": 2, "weight": 1.5},
        {"id": "b", "video": "b, c.mp4", "mask": ["m.png"]},
    ]
    plain = write_manifest(tmp_path / "m.jsonl", lines)
    (tmp_path / "m.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    table = 'id,video,points,stride,weight,mask\na,a.mp4,"1:3,4;2:5,6,-",2,1.5,\nb,"b, c.mp4",,,,m.png\n'
    (tmp_path / "m.csv").write_text(table)
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(table.encode()))
    expected = list(read_manifest(plain))
    for name in ("m.jsonl.gz", "m.csv", "m.csv.gz"):
        assert list(read_manifest(tmp_path / name)) == expected, name


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"vidoe": "a.mp4"}, "unknown field 'vidoe'; did you mean video"),
        ({"points": ["1:3,4"]}, "no video"),
        ({"video": "a.mp4"}, "nothing to track"),
        ({**LINE, "classes": ["dog"]}, "classes and points exclude each other"),
        ({**LINE, "video": 3}, "video must be text, got 3"),
        ({**LINE, "stride": "2"}, "stride must be a whole number"),
        ({**LINE, "stride": True}, "stride must be a whole number"),
        ({**LINE, "weight": -1}, "weight must be a number of 0 or more"),
        ({**LINE, "options": []}, "options must be an object"),
        ({**LINE, "size": [1, 2, 3]}, "WIDTHxHEIGHT"),
        ({**LINE, "points": []}, "points must be text or a list of texts"),
        ({**LINE, "prompts": 3}, "prompts must be the path"),
        ({**LINE, "id": "../x"}, "cannot name a folder"),
        ({**LINE, "id": "x" * 129}, "cannot name a folder"),
        ({**LINE, "video": ".mp4"}, "cannot name a folder"),
    ],
)
def test_bad_lines(line: dict[str, Any], message: str) -> None:
    """The message says where, what and what is allowed."""
    with pytest.raises(SettingsError, match=message) as caught:
        parse_task(line, "m.jsonl, line 7")
    assert str(caught.value).startswith("m.jsonl, line 7: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"video": "a.mp4", "points": "1:3,4"}\n{"video": "b.mp4", "poi',
            "line 2: it is not JSON.*ends in the middle",
        ),
        (GOOD + "[1]\n", "line 2: must be an object"),
        (GOOD + f'"{"é" * 60}"\n', "line 2: must be an object"),
        (
            '{"video": "a.mp4", "points": "1:3,4"}\n{"video": "b/A.avi", "points": "1:3,4"}\n',
            "line 2.*of line 1",
        ),
        ("", "has no tasks"),
        ("# nothing\n", "has no tasks"),
        ('{"defaults": {"video": "a.mp4"}}\n', "video cannot be a default"),
        ('{"defaults": {"strid": 2}}\n', "did you mean stride"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    """A manifest that was cut, repeats an id whatever its case, or is empty, is refused as a whole."""
    path = tmp_path / "m.jsonl"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_manifest(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.jsonl.gz", b"not gzip", "cannot read the manifest"),
        ("m.jsonl.gz", gzip.compress(b'{"video": "a.mp4"}\n' * 50, mtime=0)[:-9], "cannot read the manifest"),
        (
            "m.jsonl.gz",
            gzip.compress(GOOD.encode() * 50, mtime=0)[:10] + b"\xff" * 30,
            "cannot read the manifest",
        ),
        ("m.csv", b"video,mask,mask\na.mp4,1.png,2.png\n", "column 'mask' is there twice"),
        ("m.csv", b"video,points,stride\na.mp4,1:3;4,x\n", "line 2: stride"),
        ("m.csv", b'video,points,stride\n\n"a\nb.mp4",1:3,1\nc.mp4,1:3,x\n', "line 5: stride"),
        ("m.csv", b"video,colour\na.mp4,red\n", "column 'colour' is not known"),
        ("m.csv", b"video,meta\na.mp4,red\n", "column 'meta' is for JSON lines"),
        ("m.csv", b"video,points\na.mp4\n", "number of cells"),
        ("m.csv", b"video,points\na.mp4,1:3;4,5\n", "number of cells"),
        ("m.csv", b"video,points\n\xff\xfe,1\n", "line"),
        ("m.csv", b"video,points,stride\na.mp4,1:3,x\n", "stride must be a whole number"),
    ],
)
def test_bad_containers(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """Cut gzip files, and tables that do not fit their header."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_manifest(tmp_path / name)


def test_marks_of_the_encoding(tmp_path: Path) -> None:
    """Before a comment as well."""
    path = tmp_path / "m.jsonl"
    path.write_text("\ufeff# a comment\n" + GOOD, encoding="utf-8")
    assert read_manifest(path).ids == ["a"]


def test_a_manifest_that_is_edited_while_it_is_used(tmp_path: Path) -> None:
    """Tasks stay those that were read."""
    path = write_manifest(tmp_path / "m.jsonl", many(2000))
    manifest = read_manifest(path)
    with path.open("r+") as file:
        file.write("".join(reversed(path.read_text().splitlines(keepends=True))))
    assert manifest.task("v00000").video == "v0.mp4"
    assert manifest.task("v01500").id == "v01500"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe(tmp_path: Path) -> None:
    """Such as <(...) of a shell: it can be read once."""
    os.mkfifo(tmp_path / "m.jsonl")
    writer = threading.Thread(target=(tmp_path / "m.jsonl").write_text, args=(GOOD,))
    writer.start()
    assert read_manifest(tmp_path / "m.jsonl").task("a").video == "a.mp4"
    writer.join()


def test_a_missing_manifest(tmp_path: Path) -> None:
    """Said so."""
    with pytest.raises(SettingsError, match="cannot read the manifest"):
        read_manifest(tmp_path / "none.jsonl")


def test_many_problems_are_listed_and_counted(tmp_path: Path) -> None:
    """The first 20, with their lines, and how many more."""
    path = write_manifest(tmp_path / "m.jsonl", [*many(5), *[{"video": "x"}] * 30])
    with pytest.raises(SettingsError, match=r"line 25: nothing(.|\n)*and 10 more") as caught:
        read_manifest(path)
    assert "line 26" not in str(caught.value)


def test_a_large_manifest(tmp_path: Path) -> None:
    """Lines are found again by id, anywhere in the file."""
    path = write_manifest(tmp_path / "m.jsonl", many(5000))
    manifest, problems = check_manifest(path, TrackSettings(), probe=False)
    assert (len(manifest), problems) == (5000, [])
    assert manifest.task("v04321").video == "v4321.mp4"


def test_checking_looks_at_videos_and_prompts(clips: Path, tmp_path: Path) -> None:
    """Every problem is found, in the order of the lines, and good lines get weights."""
    root = clips.parent
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "damaged.mp4").write_bytes(b"\0" * 1000)
    lines = [
        {"video": f"{root}/clip0", "mask": f"{root}/truth0/00000.png"},
        {"video": "none.mp4", "points": "1:3,4"},
        {"video": "empty.mp4", "points": "1:3,4"},
        {"video": "damaged.mp4", "points": "1:3,4"},
        {"video": f"{root}/clip1", "mask": "none.png"},
        {"video": f"{root}/clip2", "points": "1:300,4"},
        {"video": f"{root}/clip3", "points": "1:3,4", "model": "classical", "options": {"strid": 3}},
        {"video": f"{root}/clip4", "prompts": {"version": 1, "targets": [{"id": 1, "bx": []}]}},
        {"video": f"{root}/clip5", "boxes": "1:3,4,9,9", "stride": 3},
        {"video": "http://127.0.0.1:9/v.mp4", "boxes": "1:3,4,9,9"},
    ]
    weights = {}
    manifest, problems = check_manifest(
        write_manifest(tmp_path / "m.jsonl", lines),
        TrackSettings(),
        weigh=lambda task, weight: weights.update({task.id: weight}),
    )
    assert [problem.line for problem in problems] == [2, 3, 4, 5, 6, 7, 8, 10]
    for problem, word in zip(
        problems,
        ["none.mp4", "empty.mp4", "damaged.mp4", "none.png", "300", "stride", "box", "is an address"],
        strict=True,
    ):
        assert word in problem.message
    assert weights == {"clip0": 20.0, "clip5": 4.0}
    assert json.loads(with_weight(manifest.task("clip5"), 4.0))["weight"] == 4.0


def test_precedence(tmp_path: Path) -> None:
    """Options over fields over the line's recipe over the command line."""
    (tmp_path / "r.yaml").write_text("stride: 2\nstart: 1\nend: 50\n")
    line = {**LINE, "recipe": str(tmp_path / "r.yaml"), "start": 5, "end": 60, "options": {"end": 70}}
    settings = settings_of(parse_task(line, "x"), TrackSettings(stride=9, dtype="float16"))
    assert (settings.dtype, settings.stride, settings.start, settings.end) == ("float16", 2, 5, 70)
    assert settings_of(parse_task({**LINE, "size": "80x60"}, "x"), TrackSettings()).size == (80, 60)


def test_prompts_in_the_line_are_those_of_a_file(clips: Path, tmp_path: Path) -> None:
    """With masks relative to the manifest."""
    content = {
        "version": 1,
        "targets": [{"id": 1, "mask": "truth0/00000.png"}, {"id": 2, "box": [1, 2, 8, 9]}],
    }
    (clips.parent / "p.json").write_text(json.dumps(content))
    folder = str(clips.parent)
    inline = targets_of(parse_task({"video": "clip0", "prompts": content}, "x"), folder, None)
    in_file = targets_of(parse_task({"video": "clip0", "prompts": "p.json"}, "x"), folder, None)
    assert isinstance(inline, list)
    assert isinstance(in_file, list)
    assert [target.object_id for target in inline] == [target.object_id for target in in_file] == [1, 2]


def test_the_key_is_about_content(tmp_path: Path) -> None:
    """Same settings, prompts and video give the same key, wherever they are; any change another one."""

    def key(folder: Path, line: dict[str, Any], mask: bytes = b"mask", video: bytes = b"video") -> str:
        folder.mkdir(exist_ok=True)
        (folder / "m.png").write_bytes(mask)
        (folder / "v.mp4").write_bytes(video)
        task = parse_task({"video": "v.mp4", **line}, "x")
        source = video_identity([folder / "v.mp4"], False, None)
        return key_of(identity_of_task(task, str(folder), settings_of(task, TrackSettings()), source))

    line = {"mask": "m.png"}
    first = key(tmp_path / "a", line)
    assert key(tmp_path / "b", line) == first
    (tmp_path / "moved.png").write_bytes(b"mask")
    assert key(tmp_path / "b", {"mask": str(tmp_path / "moved.png")}) == first
    others = [
        key(tmp_path / "c", line, mask=b"other"),
        key(tmp_path / "d", line, video=b"other"),
        key(tmp_path / "e", {**line, "stride": 2}),
        key(tmp_path / "f", {**line, "frame": 2}),
        key(tmp_path / "g", {**line, "points": ["1:3,4"]}),
    ]
    assert len({first, *others}) == 6
    assert key(tmp_path / "h", {**line, "meta": "x", "weight": 3}) == first


def test_masks_that_a_prompt_file_names_are_content(tmp_path: Path) -> None:
    """They lie beside the prompt file; one that is missing is said so."""
    (tmp_path / "prompts").mkdir()
    content = {"version": 1, "targets": [{"id": 1, "mask": "m.png"}]}
    (tmp_path / "prompts/p.json").write_text(json.dumps(content))
    task = parse_task({"video": "v", "prompts": "prompts/p.json"}, "x")
    (tmp_path / "prompts/m.png").write_bytes(b"1")
    one = identity_of_task(task, str(tmp_path), TrackSettings(), {})
    (tmp_path / "prompts/m.png").write_bytes(b"2")
    assert identity_of_task(task, str(tmp_path), TrackSettings(), {}) != one
    (tmp_path / "prompts/m.png").unlink()
    with pytest.raises(PromptError, match=r"m\.png"):
        identity_of_task(task, str(tmp_path), TrackSettings(), {})


def test_counting_frames(clips: Path) -> None:
    """Those that a run reads."""
    task = open_manifest(clips)
    list(task.scan(lambda problem: None))
    first = task.task("clip0")
    assert frames_of(first, task.folder, TrackSettings()) == 10
    assert frames_of(first, task.folder, TrackSettings(start=1, end=8, stride=3)) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"frame": FRAMES}, f"for frame {FRAMES}, but the last frame is {FRAMES - 1}"),
        ({"start": 2, "end": 5, "frame": 5}, "for frame 5, but the last frame is 4"),
    ],
)
def test_prompts_for_frames_that_are_not_read(
    clips: Path, tmp_path: Path, line: dict[str, Any], message: str
) -> None:
    """Found by the check, and not when the batch has come to that task."""
    video = {"video": str(clips.parent / "clip0"), "points": "1:3,4", **line}
    _, problems = check_manifest(write_manifest(tmp_path / "m.jsonl", [video]), TrackSettings())
    assert [problem.line for problem in problems] == [1]
    assert message in problems[0].message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"model": "clasical"}, "clasical"),
        ({"model": "classical", "options": {"tune": True}}, "cannot be tuned"),
        ({"model": "classical", "options": {"tracker": {"appearence": {}}}}, "appearence"),
    ],
)
def test_models_that_cannot_be_built(clips: Path, tmp_path: Path, line: dict[str, Any], message: str) -> None:
    """Found without a model being loaded; one whose weights or device are elsewhere is none of them."""
    task = {"video": str(clips.parent / "clip0"), "points": "1:3,4"}
    there = {"id": "b", "model": "sam2.1-tiny", "options": {"device": "cuda"}}
    manifest = write_manifest(tmp_path / "m.jsonl", [{"id": "a", **task, **line}, {**task, **there}])
    _, problems = check_manifest(manifest, TrackSettings(), probe=False)
    assert [problem.line for problem in problems] == [1]
    assert message in problems[0].message


def test_checking_an_empty_manifest(tmp_path: Path) -> None:
    """A problem, as it is for a run."""
    _, problems = check_manifest(write_manifest(tmp_path / "m.jsonl", []), TrackSettings())
    assert "has no tasks" in problems[0].message


def test_a_long_manifest_needs_no_tracker(tmp_path: Path) -> None:
    """Lines without settings of their own are checked without loading PyTorch and its half gigabyte."""
    path = tmp_path / "m.jsonl"
    path.write_text("".join(GOOD.replace("{", f'{{"id": "{k}", ') for k in range(3)))
    code = (
        "import sys; from vos.runs import TrackSettings; from vos.runs.batch.manifest import check_manifest\n"
        f"manifest, problems = check_manifest({str(path)!r}, TrackSettings(), probe=False)\n"
        "assert len(manifest) == 3 and not problems and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
