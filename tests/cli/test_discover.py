"""``vos discover`` and ``vos evaluate-discovery`` from the command line to the files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from detectors.tiny_vlm import tiny_llava, tiny_qwen
from PIL import Image
from pycocotools import mask as coco_mask
from vos_cli.main import cli

from vos.detectors.vl_sam.vlm import VisionLanguageModel
from vos.formats.discoveries import image_entry, write_discoveries
from vos.testing import scene, tiny_sam_checkpoint, write_images, write_video

SAID = "a red car , two dogs ."
SIZE = (64, 90)
Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames as ``images/`` and as ``clip.mkv``."""
    folder = tmp_path_factory.mktemp("given")
    clip = scene("crowd", num_frames=3, size=SIZE, seed=1)
    write_images(clip, folder / "images")
    write_video(clip, folder / "clip.mkv")
    return folder


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The detector is a tiny random LLaVA that always answers the same; the options it was built with."""
    options: list[dict[str, Any]] = []

    def build(**given: Any) -> VisionLanguageModel:
        options.append(given)
        model = tiny_llava()
        words = model.processor.tokenizer(SAID, add_special_tokens=False)["input_ids"]
        monkeypatch.setattr(model, "answer", lambda image, question="", seed=0: words)
        return model

    monkeypatch.setattr(VisionLanguageModel, "load", build)
    return options


def run(command: str, *arguments: object) -> Result:
    """``vos COMMAND ARGUMENTS``."""
    return CliRunner().invoke(cli, [command, *map(str, arguments)])


def test_an_image(given: Path, built: list[dict[str, Any]], tmp_path: Path) -> None:
    """COCO with names, boxes, masks and scores, best first; a picture; the summary names what was found."""
    out = tmp_path / "out"
    result = run(
        "discover", given / "images" / "00000.png", "--tiles", "--questions", 2, "--rounds", 1, "-o", out
    )
    assert result.exit_code == 0, result.stderr
    content = json.loads((out / "annotations.json").read_text())
    (image,) = content["images"]
    assert (image["file_name"], image["height"], image["width"]) == ("00000.png", *SIZE)
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert set(names.values()) <= {"red car", "dog"}
    assert content["annotations"]
    scores = [entry["score"] for entry in content["annotations"]]
    assert scores == sorted(scores, reverse=True)
    for entry in content["annotations"]:
        mask = coco_mask.decode(entry["segmentation"])
        assert mask.shape == SIZE
        assert mask.sum() == entry["area"] > 0
        assert entry["bbox"] == coco_mask.toBbox(entry["segmentation"]).tolist()
        assert names[entry["category_id"]] in result.stdout
    assert content["info"]["settings"]["discover"]["tiles"] is True
    assert content["info"]["settings"]["discover"]["questions"] == 2
    assert np.array(Image.open(out / "overlays" / "00000.png")).shape == (*SIZE, 3)
    assert built[0]["temperature"] == 0.8


def test_frames_of_a_video(given: Path, built: list[dict[str, Any]], tmp_path: Path) -> None:
    """Every second frame; by default a video file is looked at every 25 frames, images one by one."""
    every = run("discover", given / "clip.mkv", "--every", 2, "--no-overlays", "--json", "-o", tmp_path / "a")
    assert every.exit_code == 0, every.stderr
    assert json.loads(every.stdout)["images"] == 2
    content = json.loads((tmp_path / "a" / "annotations.json").read_text())
    assert [(i["id"], i["file_name"]) for i in content["images"]] == [(0, "00000.png"), (2, "00002.png")]
    assert not (tmp_path / "a" / "overlays").exists()
    for source, count in ((given / "clip.mkv", 1), (given / "images", 3)):
        result = run("discover", source, "--no-overlays", "--json", "-o", tmp_path / source.name)
        assert json.loads(result.stdout)["images"] == count


def test_a_finished_video_is_summed_up_again(
    given: Path, built: list[dict[str, Any]], tmp_path: Path
) -> None:
    """From its record, which does not hold the masks a second time."""
    command = ("discover", given / "clip.mkv", "--every", 2, "--no-overlays", "--json", "-o", tmp_path)
    first = json.loads(run(*command).stdout)
    again = run(*command, "--resume")
    assert again.exit_code == 0, again.stderr
    assert json.loads(again.stdout) == first
    assert first["objects"] > 0
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["frames"] == [{"name": "00000"}, {"name": "00002"}]
    assert "give --resume to update it" in run(*command).stderr


def test_a_finished_run_that_goes_on_and_is_stopped(
    given: Path, built: list[dict[str, Any]], tmp_path: Path, monkeypatch: Any
) -> None:
    """What was done of the images that have changed since is not done again; nothing done says so."""
    import vos.runs.discover as job

    photos = tmp_path / "photos"
    shutil.copytree(given / "images", photos)
    command = ("discover", photos, "--no-overlays", "-o", tmp_path / "out")
    assert run(*command).exit_code == 0
    for path in photos.iterdir():
        Image.fromarray(np.asarray(Image.open(path))[::-1]).save(path)
    discover, calls, stop = job.discover, [], [1]

    def stopped(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) in stop:
            raise KeyboardInterrupt
        return discover(*arguments, **options)

    monkeypatch.setattr(job, "discover", stopped)
    nothing = run(*command, "--resume")
    assert (nothing.exit_code, "the earlier result is as it was" in nothing.stderr) == (130, True)
    stop[:] = [3]
    assert run(*command, "--resume").exit_code == 130
    assert run(*command, "--resume").exit_code == 0
    assert len(calls) == 1 + 2 + 2  # one of three was done before the second stop


def test_an_earlier_result_is_kept(given: Path, built: list[dict[str, Any]], tmp_path: Path) -> None:
    """Unless --overwrite is given."""
    command = ("discover", given / "images" / "00000.png", "--no-overlays", "-o", tmp_path)
    assert run(*command).exit_code == 0
    again = run(*command)
    assert (again.exit_code, "--overwrite" in again.stderr) == (2, True)
    assert run(*command, "--overwrite").exit_code == 0


def test_a_recipe_and_flags(given: Path, built: list[dict[str, Any]], tmp_path: Path) -> None:
    """Settings come from a file, flags lie over them; an unknown one is named."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("temperature: 0\ndiscover: {refine: {rounds: 1, threshold: 0.7}}\n")
    picture = given / "images" / "00000.png"
    command = (
        "discover",
        picture,
        "--no-overlays",
        "--config",
        recipe,
        "--rounds",
        2,
        "-o",
        tmp_path / "out",
    )
    assert run(*command).exit_code == 0
    info = json.loads((tmp_path / "out" / "annotations.json").read_text())["info"]
    assert info["settings"]["discover"]["refine"] == {
        "threshold": 0.7,
        "masked_map": "suppress_inside",
        "rounds": 2,
    }
    assert built[0]["temperature"] == 0
    recipe.write_text("discover: {question: 3}\n")
    wrong = run(*command, "--overwrite")
    assert (wrong.exit_code, "questions" in wrong.stderr) == (2, True)


def test_interrupted(given: Path, built: list[dict[str, Any]], tmp_path: Path, monkeypatch: Any) -> None:
    """Ctrl-C: exit code 130, and what was done is on disk."""
    import vos.runs.discover as job

    discover, calls = job.discover, []

    def second_time_never(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return discover(*arguments, **options)

    monkeypatch.setattr(job, "discover", second_time_never)
    command = ("discover", given / "images", "--no-overlays", "-o", tmp_path / "out")
    result = run(*command)
    assert (result.exit_code, "1 image is done" in result.stderr) == (130, True)
    annotations = tmp_path / "out" / "annotations.json"
    assert len(json.loads(annotations.read_text())["images"]) == 1
    resumed = run(*command, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert len(calls) == 2 + 2  # the first image is not done again
    assert run("discover", given / "images", "--no-overlays", "-o", tmp_path / "whole").exit_code == 0
    assert annotations.read_bytes() == (tmp_path / "whole" / "annotations.json").read_bytes()
    assert run(*command, "--resume").exit_code == 0  # finished: nothing to do


def test_an_earlier_result_stays_until_the_new_one_is_complete(
    given: Path, built: list[dict[str, Any]], tmp_path: Path, monkeypatch: Any
) -> None:
    """--overwrite that is interrupted, and then resumed."""
    import vos.runs.discover as job

    command = ("discover", given / "images", "-o", tmp_path)
    assert run(*command).exit_code == 0
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    discover, calls = job.discover, []

    def second_time_never(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return discover(*arguments, **options)

    monkeypatch.setattr(job, "discover", second_time_never)
    stopped = run(*command, "--overwrite", "--seed", "7")
    assert (stopped.exit_code, "the earlier result is as it was" in stopped.stderr) == (130, True)
    assert {p: p.read_bytes() for p in before} == before
    assert run(*command, "--resume", "--seed", "7").exit_code == 0
    info = json.loads((tmp_path / "annotations.json").read_text())["info"]
    assert info["settings"]["discover"]["seed"] == 7
    assert not (tmp_path / ".work").exists()


@pytest.mark.parametrize("more", [(), ("--no-overlays",)], ids=["overlays", "no overlays"])
def test_one_bad_image_of_many(
    given: Path, built: list[dict[str, Any]], tmp_path: Path, more: tuple[str, ...]
) -> None:
    """The others are done and recorded; the bad one is named; --resume does it alone once it is mended."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(given / "images", photos)
    whole = (photos / "00000.png").read_bytes()
    (photos / "00000.png").write_bytes(whole[:100])
    command = ("discover", photos, *more)
    result = run(*command, "-o", out)
    assert result.exit_code == 5, result.output
    assert "1 of 3 images could not be used" in result.stderr
    assert "2 images are done" in result.stderr
    assert [i["id"] for i in json.loads((out / "annotations.json").read_text())["images"]] == [1, 2]
    assert list(json.loads((out / "run.json").read_text())["failed"]) == [str(photos / "00000.png")]
    once_more = run(*command, "-o", out, "--resume")
    assert (once_more.exit_code, "00000.png" in once_more.stderr) == (5, True)
    before = {path.name: path.stat().st_mtime_ns for path in (out / "overlays").glob("*")}
    (photos / "00000.png").write_bytes(whole)
    again = run(*command, "-o", out, "--resume")
    assert again.exit_code == 0, again.output
    assert json.loads((out / "run.json").read_text())["failed"] == {}
    assert all((out / "overlays" / name).stat().st_mtime_ns == time for name, time in before.items())
    assert run(*command, "-o", tmp_path / "whole").exit_code == 0
    for path in (tmp_path / "whole").rglob("*.*"):
        if path.name != "run.json":
            assert (out / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()


def test_an_image_that_the_model_does_not_read(given: Path, tmp_path: Path) -> None:
    """Qwen-VL refuses images that are 200 times as long as wide: it is named, and stops no other."""
    model = tiny_qwen()
    model.model.save_pretrained(tmp_path / "model")
    model.processor.save_pretrained(tmp_path / "model")
    (photos := tmp_path / "photos").mkdir()
    Image.new("RGB", (900, 4)).save(photos / "a.png")
    shutil.copy(given / "images" / "00000.png", photos)
    result = run("discover", photos, "--detector-weights", tmp_path / "model", "-o", tmp_path / "out")
    assert result.exit_code == 5, result.stderr
    assert f"{photos / 'a.png'}: the model cannot read an image of 900x4 pixels" in result.stderr
    (image,) = json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]
    assert image["file_name"] == "00000.png"


def test_images_from_python(given: Path, tmp_path: Path) -> None:
    """None, or two whose results would have one name, are refused."""
    from vos.errors import InputError, OutputError
    from vos.runs.discover import DiscoverRunSettings, discover_images

    settings = DiscoverRunSettings()
    with pytest.raises(InputError, match="no images were given"):
        discover_images([], tmp_path, settings)
    path = given / "images" / "00000.png"
    with pytest.raises(OutputError, match="two images are named '00000'"):
        discover_images([path, path], tmp_path, settings)


def test_the_weights_of_the_backbone(given: Path, built: list[dict[str, Any]], tmp_path: Path) -> None:
    """Masks come from the checkpoint named, and a run resumes with the same weights only."""
    weights, photos, out = tmp_path / "sam.pth", tmp_path / "photos", tmp_path / "out"
    tiny_sam_checkpoint(weights)
    shutil.copytree(given / "images", photos)
    whole = (photos / "00000.png").read_bytes()
    (photos / "00000.png").write_bytes(b"")
    command = (
        "discover",
        photos,
        "--model",
        "sam-vit-b",
        "--checkpoint",
        weights,
        "--no-overlays",
        "-o",
        out,
    )
    assert run(*command).exit_code == 5
    (photos / "00000.png").write_bytes(whole)
    tiny_sam_checkpoint(weights, seed=1)
    result = run(*command, "--resume")
    assert (result.exit_code, "weights.sha256" in result.stderr) == (2, True), result.stderr
    tiny_sam_checkpoint(weights)
    assert run(*command, "--resume").exit_code == 0


def test_no_image_that_can_be_read(built: list[dict[str, Any]], tmp_path: Path) -> None:
    """Bad media, and nothing is left behind."""
    for name in "ab":
        (tmp_path / f"{name}.png").write_text("no image")
    result = run("discover", tmp_path, "-o", tmp_path / "out")
    assert (result.exit_code, "none of the 2 images can be used" in result.stderr) == (3, True)
    assert not (tmp_path / "out").exists()


def test_images_of_several_sizes(given: Path, built: list[dict[str, Any]], tmp_path: Path) -> None:
    """Images are no frames of one video; --start and --every choose among them without renumbering."""
    with Image.open(given / "images" / "00000.png") as image:
        for index, size in enumerate([(90, 64), (64, 48), (72, 56), (80, 60)]):
            image.resize(size).save(tmp_path / f"{index}.png")
    command = ("discover", tmp_path, "--no-overlays", "-o", tmp_path / "out", "--every", 2)
    result = run(*command, "--start", 1)
    assert result.exit_code == 0, result.output
    images = json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]
    assert [(i["id"], i["file_name"], i["width"]) for i in images] == [(1, "1.png", 64), (3, "3.png", 80)]
    late = run(*command, "--start", 4)
    assert (late.exit_code, "start 4 is after the last frame" in late.stderr) == (2, True)


def test_saved_weights_and_missing_ones(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model in a folder, whatever it says; and exit code 4 with what to fetch where there is none, in the
    folder named or, without one, in the local cache."""
    model = tiny_llava()
    model.model.save_pretrained(tmp_path / "model")
    model.processor.save_pretrained(tmp_path / "model")
    picture = given / "images" / "00000.png"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("max_new_tokens: 5\n")
    options = ("--no-overlays", "--config", recipe, "--detector-weights")
    result = run("discover", picture, *options, tmp_path / "model", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    missing = run("discover", picture, *options, tmp_path / "nowhere", "-o", tmp_path / "none")
    assert (missing.exit_code, "hf download" in missing.stderr) == (4, True)
    monkeypatch.setattr("vos.detectors.vl_sam.vlm.CHECKPOINT", "nobody/has-this")
    cached = run("discover", picture, "-o", tmp_path / "none")
    assert (cached.exit_code, "nobody/has-this" in cached.stderr) == (4, True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("mistake", "code", "message"),
    [
        (("--threshold", "nan"), 2, "threshold must be above 0 and at most 1, got nan"),
        (("--seed", "99999999999999999999"), 2, "seed must be 0 or more and below 2^32"),
        (("--checkpoint", "sam.pth"), 2, "model classical has no weights to read from a checkpoint"),
        (("--device", "gpu"), 4, "cannot use device 'gpu'"),
        (("--device", "cuda:99"), 4, "try cpu, cuda or mps"),
    ],
)
def test_mistakes(
    given: Path,
    built: list[dict[str, Any]],
    tmp_path: Path,
    mistake: tuple[str, str],
    code: int,
    message: str,
) -> None:
    """One line that names the value and what is allowed; nothing is written."""
    result = run("discover", given / "images", *mistake, "-o", tmp_path / "out")
    assert (result.exit_code, result.stderr.count("\n")) == (code, 1)
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_evaluate_discovery(tmp_path: Path) -> None:
    """A table in percent, JSON in fractions, and exit code 2 for files that do not go together."""
    mask = np.zeros(SIZE, bool)
    mask[5:25, 10:40] = True
    for name, image in (("a", "one.jpg"), ("b", "one.png"), ("c", "nine.png")):
        write_discoveries(tmp_path / name, {}, [image_entry(image, SIZE, [("thing", 0.5, mask)])])
    table = run("evaluate-discovery", tmp_path / "b", tmp_path / "a")
    assert (table.exit_code, table.stdout.count("100.0")) == (0, 6)
    as_json = run("evaluate-discovery", tmp_path / "b", tmp_path / "a", "--type", "bbox", "--json")
    assert json.loads(as_json.stdout)["ar"] == 1.0
    wrong = run("evaluate-discovery", tmp_path / "c", tmp_path / "a")
    assert (wrong.exit_code, "no image in common" in wrong.stderr) == (2, True)
