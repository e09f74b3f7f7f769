"""``vos project`` and ``vos review``, from a new project to an accepted one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from vos_cli.main import cli

from vos.projects import Project
from vos.testing import scene, tiny_sam2_checkpoint, tiny_sam_checkpoint, write_images, write_labels


def vos(*arguments: object, code: int = 0) -> Result:
    """Run a command."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


QUICK = "{iterations: 40, views: 2}"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with its labels, recipes that make starting cheap, and checkpoints that nobody trained."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "quick.yaml").write_text(f"tracker: {{appearance: {QUICK}}}\n")
    (folder / "nano.yaml").write_text(f"model: nano\ntracker: {{classical: {{appearance: {QUICK}}}}}\n")
    rendered = scene("crossing", num_frames=6, size=(60, 80))
    write_images(rendered, folder / "images")
    write_labels(rendered, folder / "labels")
    return folder


def test_from_new_to_accepted(clip: Path, tmp_path: Path) -> None:
    """Every command on the way."""
    project = tmp_path / "project"
    recipe = ("--recipe", clip / "quick.yaml")
    vos("project", "new", clip / "images", "-m", clip / "labels" / "00000.png", "-o", project, *recipe)
    (interval,) = json.loads(vos("project", "track", project, "--json").stdout)
    assert interval == {"video": "images", "objects": [1, 2], "first": 1, "last": 5}
    assert "up to date" in vos("project", "track", project).output
    queue = json.loads(vos("review", project, "--json").stdout)
    assert set(queue) == {"items", "uncertain", "settled"}

    shutil.copytree(project, tmp_path / "copy")
    mask = clip / "labels" / "00003.png"
    vos("project", "add", project, "-m", mask, "--frame", 3, "--annotator", "anna")
    vos("project", "add", project, "--point", "1:20,30", "--frame", 4, "--annotator", "anna")
    vos("project", "add", tmp_path / "copy", "-m", mask, "--frame", 3, "--annotator", "ben")
    with Project.open(project, read_only=True) as opened:
        drawn, clicked = [event.payload for event in opened.events() if event.kind == "anchor"][-2:]
    assert "by" not in drawn
    assert clicked["by"].keys() == {"name", "version", "settings"}
    assert clicked["by"]["name"] == "interactive"
    assert vos("project", "merge", project, tmp_path / "copy").output.startswith("2 events")
    assert "J&F 100.0 on 1 frames" in vos("project", "agree", project).output
    problems = vos("project", "check", project, code=1).output
    assert problems.count("without knowing of each other") == 2

    vos("project", "track", project)
    assert "intervals are the same" in vos("project", "replay", project).output
    assert "rebuilt" in vos("project", "rebuild", project).output
    vos("project", "split", project, "--frames", "0:3", "--to", "ben")
    vos("project", "gc", project)
    assert "of 100 such masks had J < 0.75" in vos("review", project, "--accept", "u<1").stdout
    summary = json.loads(vos("project", "status", project, "--json").stdout)
    states = [entry["states"] for entry in summary["videos"]["images"]["objects"]]
    assert all(set(found) == {"anchor", "accepted"} for found in states)
    assert summary["videos"]["images"]["assigned"] == [[0, 2, "ben"]]

    prompts = tmp_path / "prompts"
    path = vos("project", "prompts", project, "-o", prompts).output.strip()
    again = tmp_path / "again"
    vos("project", "new", clip / "images", "--prompts", path, "-o", again)
    summary = json.loads(vos("project", "status", again, "--json").stdout)
    assert [e["states"]["anchor"] for e in summary["videos"]["images"]["objects"]] == [3, 2]


@pytest.mark.parametrize(
    "how",
    [
        ("--recipe", "nano.yaml"),
        ("--model", "persam"),
        ("--model", "persam", "--backbone", "sam-vit-b", "--checkpoint", "sam.pth"),
        pytest.param(("--model", "sam2.1-tiny", "--checkpoint", "sam2.pt"), marks=pytest.mark.slow),
    ],
    ids=lambda how: " ".join(how[:4]),
)
def test_any_tracker(clip: Path, tmp_path: Path, one_thread: None, how: tuple[str, ...]) -> None:
    """A correction is tracked, and everything replays to the same bytes."""
    checkpoints = {"sam.pth": tiny_sam_checkpoint, "sam2.pt": tiny_sam2_checkpoint}
    for name in set(how) & set(checkpoints):
        checkpoints[name](clip / name)
    engine = [clip / part if (clip / part).is_file() else part for part in how]
    project, mask = tmp_path / "project", clip / "labels" / "00000.png"
    vos("project", "new", clip / "images", "-m", mask, "-o", project, *engine)
    vos("project", "track", project)
    vos("project", "add", project, "-m", clip / "labels" / "00003.png", "--frame", 3)
    intervals = json.loads(vos("project", "track", project, "--json").stdout)
    assert [(entry["first"], entry["last"]) for entry in intervals] == [(1, 2), (4, 5)]
    outcomes = json.loads(vos("project", "replay", project, "--json").stdout)
    assert [outcome["differs"] for outcome in outcomes] == [[]] * 3
    model = json.loads((project / "project.json").read_text())["settings"]["model"]
    with Project.open(project, read_only=True) as opened:
        recorded = [event.payload["engine"] for event in opened.events() if event.kind == "tracked"]
    assert {entry["name"] for entry in recorded} == {model}
    assert all((entry["weights"] is not None) == ("persam" not in how or len(how) > 2) for entry in recorded)


def test_another_tracker_for_once(clip: Path, tmp_path: Path) -> None:
    """It is recorded, and the project's own stays; an unknown one changes nothing."""
    project, mask = tmp_path / "project", clip / "labels" / "00000.png"
    wrong = ("project", "new", clip / "images", "-m", mask, "-o", project, "--model", "classic")
    assert "classical" in vos(*wrong, code=4).output
    assert not project.exists()
    vos("project", "new", clip / "images", "-m", mask, "-o", project)
    vos("project", "track", project, "--model", "persam", "--backbone", "classical")
    with Project.open(project, read_only=True) as opened:
        assert opened.events()[-1].payload["engine"]["name"] == "persam"
        assert opened.settings.model == "classical"
    assert "up to date" in vos("project", "track", project).output


def test_export_has_the_times_of_frames(tmp_path: Path) -> None:
    """Those of a file of variable rate, which no rate would give."""
    shown = [0, 1, 3, 10]
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height = 64, 48
        for pts in shown:
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts = pts
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    Image.fromarray(np.eye(48, 64, dtype=np.uint8)).save(tmp_path / "mask.png")
    vos("project", "new", tmp_path / "clip.mp4", "-m", tmp_path / "mask.png", "-o", tmp_path / "project")
    vos("project", "export", tmp_path / "project", "-f", "coco", "-o", tmp_path / "out")
    images = json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]
    assert [image["time"] for image in images] == [pts / 10 for pts in shown]


def test_export(clip: Path, tmp_path: Path) -> None:
    """What is shown, or what is settled, in formats of others; it is recorded."""
    project = tmp_path / "project"
    vos("project", "new", clip / "images", "-m", clip / "labels" / "00000.png", "-o", project)
    arguments = ("project", "export", project, "-f", "davis", "-f", "coco", "--json")
    one, two = json.loads(vos(*arguments, "--only", "accepted", "-o", tmp_path / "out.zip").stdout)
    # Frames nobody looked at are left out.
    assert (one["format"], one["frames"], one["objects"]) == ("davis", 1, [1, 2])
    assert two["format"] == "coco"
    names = zipfile.ZipFile(tmp_path / "out.zip").namelist()
    assert sum(name.endswith(".png") for name in names) == 1
    with Project.open(project, annotator="reader") as opened:
        event = opened.events()[-1]
        assert event.kind == "export"
        digest = hashlib.sha256((tmp_path / "out.zip").read_bytes()).hexdigest()
        assert event.payload["digests"] == {"out.zip": digest}
    vos(
        "project",
        "export",
        project,
        "-f",
        "davis",
        "-o",
        tmp_path / "one",
        "--objects",
        "2",
        "--frames",
        ":1",
    )
    (mask,) = (tmp_path / "one").rglob("00000.png")
    assert set(np.unique(np.asarray(Image.open(mask)))) == {0, 2}
    assert "no object 7" in vos(*arguments, "-o", tmp_path / "x", "--objects", "7", code=2).output
    assert "is there already" in vos(*arguments, "-o", tmp_path / "out.zip", code=2).output
    assert not (tmp_path / "x").exists()


def test_export_of_a_project_that_cannot_be_written_to(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a page has it open, or on a medium that is read-only: it is exported, and that told."""
    project = tmp_path / "project"
    vos("project", "new", clip / "images", "-m", clip / "labels" / "00000.png", "-o", project)
    arguments = ("project", "export", project, "-f", "davis", "-o")
    with Project.open(project, annotator="anna"):
        told = vos(*arguments, tmp_path / "busy", "--annotator", "anna").output
        assert "not in the project's record: another process works on this project" in told
    plain = os.open

    def read_only(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        if str(project) in str(path) and flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return plain(path, flags, *arguments, **named)

    monkeypatch.setattr(os, "open", read_only)
    assert "the file system is read-only" in vos(*arguments, tmp_path / "still").output
    names = [path.relative_to(tmp_path / "busy") for path in (tmp_path / "busy").rglob("*")]
    assert [path.relative_to(tmp_path / "still") for path in (tmp_path / "still").rglob("*")] == names
    with Project.open(project, read_only=True) as opened:
        assert "export" not in {event.kind for event in opened.events()}


def test_import_of_a_run(clip: Path, tmp_path: Path) -> None:
    """Masks that were given are corrections, the rest is to be reviewed; it comes out as it went in."""
    rng, run = np.random.default_rng(0), tmp_path / "run"
    (run / "masks").mkdir(parents=True)
    labels, frames = [], []
    for index in range(6):
        labels.append(rng.integers(0, 3, (60, 80)).astype(np.uint8))
        Image.fromarray(labels[-1]).save(run / "masks" / f"{index:05d}.png")
        entry = {"score": 0.4, "source": "tracked" if index else "user"}
        frames.append({"index": index, "name": f"{index:05d}", "objects": {"1": entry, "2": entry}})
    (run / "run.json").write_text(json.dumps({"frames": frames, "names": {"2": "cup"}}))
    project = tmp_path / "project"
    vos("project", "new", clip / "images", "-o", project)
    summary = json.loads(vos("project", "import", project, run, "--json").stdout)
    assert summary == {"given": 2, "tracked": 10, "objects": [1, 2]}
    assert "--ids same" in vos("project", "import", project, run, code=2).output
    assert "up to date" in vos("project", "track", project).output
    assert "0 of 0 intervals" in vos("project", "replay", project).output
    queue = json.loads(vos("review", project, "--json").stdout)
    assert {reason["signal"] for item in queue["items"] for reason in item["reasons"]}
    with Project.open(project, read_only=True) as opened:
        assert opened.state.objects[2].name == "cup"
        (record,) = (event.payload for event in opened.events() if event.kind == "import")
        assert record["digests"].keys() == {"run"}
        states = [str(opened.state.track("images", 1).state(frame)) for frame in range(6)]
        assert states == ["anchor"] + ["tracked"] * 5
        for index in range(6):
            assert np.array_equal(opened.frame("images", index).labels, labels[index])
    vos("project", "export", project, "-f", "coco", "-o", tmp_path / "coco")
    (file,) = [path for path in (tmp_path / "coco").rglob("*.json") if path.name != "export.json"]
    summary = json.loads(vos("project", "import", project, file, "--ids", "new", "--json").stdout)
    assert summary["objects"] == [3, 4]


def test_an_import_of_tracked_masks_alone_is_undone(clip: Path, tmp_path: Path) -> None:
    """And not the action before it; its masks come back with it."""
    run, project = tmp_path / "run", tmp_path / "project"
    (run / "masks").mkdir(parents=True)
    labels = np.zeros((60, 80), np.uint8)
    labels[10:30, 10:40] = 1
    for index in range(6):
        Image.fromarray(labels).save(run / "masks" / f"{index:05d}.png")
    frames = [
        {"index": i, "name": f"{i:05d}", "objects": {"1": {"score": 0.4, "source": "tracked"}}}
        for i in range(6)
    ]
    (run / "run.json").write_text(json.dumps({"frames": frames}))
    vos("project", "new", clip / "images", "-m", clip / "labels" / "00000.png", "-o", project)

    def areas() -> list[int]:
        with Project.open(project, read_only=True) as opened:
            return [int((opened.frame("images", index).labels == 1).sum()) for index in range(6)]

    given = areas()
    summary = json.loads(vos("project", "import", project, run, "--ids", "same", "--json").stdout)
    assert summary == {"given": 0, "tracked": 5, "objects": [1]}
    imported = areas()
    assert imported == [given[0], *[600] * 5]
    vos("project", "undo", project)
    assert areas() == given
    vos("project", "redo", project)
    assert areas() == imported


def test_two_objects_are_joined(clip: Path, tmp_path: Path) -> None:
    """The object that stays has the pixels of both; undo parts them; objects that cannot be are named."""
    project = tmp_path / "project"
    labels = np.asarray(Image.open(clip / "labels" / "00000.png"))
    vos("project", "new", clip / "images", "-m", clip / "labels" / "00000.png", "-o", project)

    def shown() -> np.ndarray:
        with Project.open(project, read_only=True) as opened:
            return opened.frame("images", 0).labels

    np.testing.assert_array_equal(shown(), labels)
    joined = json.loads(vos("project", "join", project, "--object", 2, "--into", 1, "--json").stdout)
    assert joined == {"object": 1, "removed": 2, "unions": 1}
    np.testing.assert_array_equal(shown(), labels > 0)
    vos("project", "undo", project)
    np.testing.assert_array_equal(shown(), labels)
    told = vos("project", "join", project, "--object", 1, "--into", 2).output
    assert "object 1 is part of object 2 now: 1 frame with masks of both" in told
    np.testing.assert_array_equal(shown(), np.where(labels > 0, 2, 0))
    assert "no object 1" in vos("project", "join", project, "--object", 1, "--into", 2, code=2).output
    assert "itself" in vos("project", "join", project, "--object", 2, "--into", 2, code=2).output


def test_undo_and_redo(clip: Path, tmp_path: Path) -> None:
    """The annotator's own last action, or any one event."""
    project = tmp_path / "project"
    vos("project", "new", clip / "images", "-o", project, "--annotator", "anna")
    vos("project", "add", project, "-m", clip / "labels" / "00000.png", "--annotator", "anna")
    ben = ("--annotator", "ben")
    assert vos("project", "undo", project, *ben).output == "nothing to undo\n"
    assert vos("project", "undo", project, "--event", "anna:4", *ben).output == "undone: anchor (anna:4)\n"
    assert vos("project", "redo", project, *ben).output == "redone: anchor (anna:4)\n"
    assert vos("project", "redo", project, *ben).output == "nothing to redo\n"
    assert vos("project", "undo", project, *ben).output == "undone: anchor (anna:4)\n"
    assert (
        vos("project", "undo", project, "--annotator", "anna").output.splitlines()[0]
        == "undone: object (anna:1)"
    )
    with Project.open(project, read_only=True) as opened:
        assert opened.state.visible == ()
    again = vos("project", "redo", project, "--annotator", "anna").output.splitlines()
    assert again[0] == "redone: object (anna:1)"
    with Project.open(project, read_only=True) as opened:
        assert opened.state.visible == (1, 2)
    assert "no event 'x:1'" in vos("project", "undo", project, "--event", "x:1", code=2).output


def test_merging_tells_what_it_renumbered(clip: Path, tmp_path: Path) -> None:
    """And so does the status from then on."""
    project, copy = tmp_path / "project", tmp_path / "copy"
    vos("project", "new", clip / "images", "-o", project)
    shutil.copytree(project, copy)
    for folder, who in ((project, "anna"), (copy, "ben")):
        with Project.open(folder, annotator=who) as opened:
            opened.add_object(f"{who}'s")
    told = "object 2 is the object 1 of ben: somebody else had added another one"
    assert vos("project", "merge", project, copy).output.splitlines() == ["1 event, 0 blobs, 0 videos", told]
    assert vos("project", "merge", project, copy).output.splitlines() == ["0 events, 0 blobs, 0 videos"]
    assert told in vos("project", "status", project).output


def test_copies_with_different_videos_under_one_key(clip: Path, tmp_path: Path) -> None:
    """They are not merged; what the message says instead brings masks and their origin over."""
    project, copy = tmp_path / "project", tmp_path / "copy"
    vos("project", "new", clip / "images", "-o", project)
    shutil.copytree(project, copy)
    for folder, seed in ((project, 1), (copy, 2)):
        video = folder.parent / f"{folder.name}-video" / "second"
        write_images(scene("still", num_frames=3, size=(60, 80), seed=seed), video)
        vos("project", "add", folder, video, "-m", clip / "labels" / "00000.png")
    message = vos("project", "merge", project, copy, code=2).output
    for command in message[message.index("vos project add") :].split(";"):
        words = command.replace("VIDEO", str(video)).replace("OUT", str(tmp_path / "out")).split()
        vos(*words[1:])
    with Project.open(project, read_only=True) as opened:
        assert list(opened.videos) == ["images", "second", "second-2"]
        assert opened.state.track("second-2", 3).anchors.keys() == {0}


def test_bad_input_is_one_line(clip: Path, tmp_path: Path) -> None:
    """Which says what to do, and leaves nothing behind."""
    assert "is not a project" in vos("project", "status", tmp_path, code=2).output
    output = tmp_path / "project"
    wrong = ("project", "new", clip / "images", "--box", "1:0,0,500,5", "-o", output)
    assert "Traceback" not in vos(*wrong, code=2).output
    assert not output.exists()
    vos("project", "new", clip / "images", "-o", output)
    assert "`vos project add` adds" in vos("project", "new", clip / "images", "-o", output, code=2).output
    assert "is not empty" in vos("project", "new", clip / "images", "-o", clip, code=2).output
    assert "nothing to add" in vos("project", "add", output, code=2).output
    wrong = ("project", "split", output, "--to", "x", "--frames")
    assert "B must be after A" in vos(*wrong, "3:3", code=2).output
    assert "the frames 0 to 5" in vos(*wrong, "3:7", code=2).output
    assert vos(*wrong, "3:").output == "frames 3-5 of images: x\n"
    assert "write A:B" in vos("project", "split", output, "--frames", "3", "--to", "x", code=2).output
    vos("project", "add", output, "-m", clip / "labels" / "00000.png")
    wrong = ("project", "prompts", output, "-o", tmp_path / "prompts.json")
    assert "name a folder" in vos(*wrong, code=2).output
    assert not (tmp_path / "prompts.json").exists()
    many = np.full((60, 80), 300, np.uint16)
    (tmp_path / "many").mkdir()
    Image.fromarray(many).save(tmp_path / "many" / "00000.png")
    wrong = ("project", "import", output, tmp_path / "many", "--format", "masks")
    assert "choose new ids (--ids new)" in vos(*wrong, code=2).output
    vos(*wrong, "--ids", "new")
    assert "write u<NUMBER" in vos("review", output, "--accept", "all", code=2).output


def test_a_project_whose_prompts_are_refused_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    """Neither a folder, nor what was in one that was there."""
    images, project = clip / "images", tmp_path / "project"
    message = vos("project", "new", images, "--box", "300:5,5,20,20", "-o", project, code=2).output
    assert "object 300" in message
    assert not project.exists()
    project.mkdir()
    vos("project", "new", images, "--box", "300:5,5,20,20", "-o", project, code=2)
    assert list(project.iterdir()) == []
    vos("project", "new", images, "-m", clip / "labels" / "00000.png", "-o", project)
    before = sorted(project.rglob("*"))
    vos("project", "new", images, "--box", "300:5,5,20,20", "-o", project, code=2)
    assert sorted(project.rglob("*")) == before
