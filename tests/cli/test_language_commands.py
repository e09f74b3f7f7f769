"""``vos segment``, ``rank-layers``, ``tune`` and ``evaluate-semantic`` with a tiny random model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from detectors.random_blip import CANVAS, save_random_blip
from PIL import Image
from vos_cli.main import cli

from vos.detectors.synthetic.world import WorldScene, world_scene

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``vos COMMAND ARGUMENTS`` with the tiny model, unless the arguments name another."""
    folder = save_random_blip(tmp_path_factory.mktemp("model"))

    def invoke(command: str, *arguments: object) -> Result:
        model = ("--detector-weights", folder, "--canvas", CANVAS)
        return CliRunner().invoke(cli, [command, *map(str, model), *map(str, arguments)])

    return invoke


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes with a red circle and a blue square, as pictures of different sizes, and masks of each."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, size in enumerate([(96, 96), (80, 120), (96, 128), (120, 96)]):
        world = world_scene(2_000_000 + i, size=size, names=("red circle", "blue square"))
        Image.fromarray(world.image).save(folder / f"scene{i}.png")
        for instance, name in enumerate(("circle", "square"), start=1):
            mask = (world.scene.labels[0] == instance).astype(np.uint8) * 255
            mask[mask == 255] = 1
            (folder / "masks").mkdir(exist_ok=True)
            Image.fromarray(mask).save(folder / "masks" / f"{name}{i}.png")
    return folder


NAMES = ("--class", "red circle", "--class", "blue square")


def test_segment_writes_label_maps_and_their_names(run: Run, pictures: Path, tmp_path: Path) -> None:
    """One PNG of classes per image at its own size, and a JSON that names the numbers."""
    result = run("segment", pictures, *NAMES, "--no-crf", "--batch-size", 2, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    index = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert index["labels"] == {"0": "background", "1": "red circle", "2": "blue square"}
    assert [entry["image"] for entry in index["images"]] == [f"scene{i}.png" for i in range(4)]
    for entry in index["images"]:
        labels = np.array(Image.open(tmp_path / "out" / entry["labels"]))
        with Image.open(pictures / entry["image"]) as image:
            assert labels.shape == image.size[::-1]
        assert labels.max() <= 2
        assert entry["classes"]["red circle"]["share"] == pytest.approx((labels == 1).mean())
        assert 0 <= entry["classes"]["red circle"]["match"] <= 1


def test_segment_keeps_what_is_there(run: Run, pictures: Path, tmp_path: Path) -> None:
    """An earlier label map is only replaced when asked; two images of one name cannot both be written."""
    arguments = ("segment", pictures / "scene0.png", *NAMES, "--no-crf", "-o", tmp_path / "a")
    assert run(*arguments).exit_code == 0
    again = run(*arguments)
    assert (again.exit_code, "--overwrite" in again.stderr) == (2, True)
    assert run(*arguments, "--overwrite").exit_code == 0
    assert run(*arguments, "--resume").exit_code == 0
    twice = run("segment", pictures / "scene1.png", pictures / "scene1.png", *NAMES, "-o", tmp_path / "b")
    assert (twice.exit_code, "'scene1'" in twice.stderr) == (2, True)


def test_segment_resumes(run: Run, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that are done are not done again, and the result is that of one run."""
    import vos.runs.image_run as job

    decode, seen = job.decode_image, []

    def third_never(data: bytes, path: Path) -> np.ndarray:
        seen.append(path.name)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return decode(data, path)

    monkeypatch.setattr(job, "decode_image", third_never)
    arguments = ("segment", pictures, *NAMES, "--no-crf")
    stopped = run(*arguments, "-o", tmp_path / "out")
    assert (stopped.exit_code, "--resume" in stopped.stderr) == (130, True)
    assert not (tmp_path / "out" / "classes.json").exists()
    assert run(*arguments, "-o", tmp_path / "out", "--resume").exit_code == 0
    assert seen[3:] == ["scene2.png", "scene3.png"]
    assert run(*arguments, "-o", tmp_path / "whole").exit_code == 0
    for name in ("classes.json", *(f"labels/scene{i}.png" for i in range(4))):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("more", [(), ("--layers", "auto"), ("--batch-size", "3")], ids=" ".join)
def test_segment_with_one_bad_image_of_many(
    run: Run, pictures: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """The others are labelled and recorded; the bad one is named; --resume does it once it is mended."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(pictures, photos)
    whole = (photos / "scene1.png").read_bytes()
    (photos / "scene1.png").write_bytes(whole[:300])
    arguments = ("segment", photos, *NAMES, "--no-crf", *more)
    result = run(*arguments, "-o", out)
    assert result.exit_code == 5, result.output
    assert "1 of 4 images could not be used" in result.stderr
    assert "3 images are done" in result.stderr
    good = ["scene0.png", "scene2.png", "scene3.png"]
    assert sorted(path.name for path in (out / "labels").iterdir()) == good
    assert [e["image"] for e in json.loads((out / "classes.json").read_text())["images"]] == good
    assert list(json.loads((out / "run.json").read_text())["failed"]) == [str(photos / "scene1.png")]
    before = (out / "labels" / "scene0.png").stat().st_mtime_ns
    (photos / "scene1.png").write_bytes(whole)
    again = run(*arguments, "-o", out, "--resume")
    assert again.exit_code == 0, again.output
    assert (out / "labels" / "scene0.png").stat().st_mtime_ns == before
    assert run(*arguments, "-o", tmp_path / "whole").exit_code == 0
    for name in ("classes.json", *(f"labels/scene{i}.png" for i in range(4))):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("more", [(), ("--layers", "auto")], ids=" ".join)
def test_segment_with_an_image_that_is_too_thin(
    run: Run, pictures: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """Nothing is left of it at the model's size: it is named, and stops no other."""
    photos = tmp_path / "photos"
    shutil.copytree(pictures, photos)
    Image.new("RGB", (900, 6)).save(photos / "a.png")
    result = run("segment", photos, *NAMES, "--no-crf", *more, "-o", tmp_path / "out")
    assert result.exit_code == 5, result.output
    assert f"{photos / 'a.png'}: an image of 900x6 is too long and thin" in result.stderr
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 4
    ranked = run("rank-layers", photos, *NAMES)
    assert (ranked.exit_code, str(photos / "a.png") in ranked.stderr) == (3, True)


def test_segment_resumed_with_an_image_gone_bad(run: Run, pictures: Path, tmp_path: Path) -> None:
    """What was made of it before is neither listed nor left lying about."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(pictures, photos)
    arguments = ("segment", photos, *NAMES, "--no-crf", "-o", out)
    assert run(*arguments).exit_code == 0
    (photos / "scene1.png").write_bytes(b"no image")
    again = run(*arguments, "--resume")
    assert again.exit_code == 5, again.output
    assert sorted(path.stem for path in (out / "labels").iterdir()) == ["scene0", "scene2", "scene3"]
    assert list(json.loads((out / "run.json").read_text())["failed"]) == [str(photos / "scene1.png")]


@pytest.mark.parametrize("interrupted", [False, True], ids=["finished", "stopped"])
def test_resuming_keeps_the_layers(
    run: Run, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    """Where all images would rank the layers differently, those of the first part are used for the rest."""
    import vos.runs.image_run as images
    import vos.runs.segment as job

    def ranked(matcher: object, encoded: object, usable: Sequence[Path], **options: object) -> object:
        return SimpleNamespace(ranking=(1, 3, 0, 2) if len(usable) == 3 else (0, 2, 1, 3))

    def stop(data: bytes, path: Path) -> np.ndarray:
        if interrupted and path.name == "scene3.png":
            raise KeyboardInterrupt
        return decode(data, path)

    decode = images.decode_image
    monkeypatch.setattr(job, "scores_of", ranked)
    photos, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(pictures, photos)
    whole = (photos / "scene1.png").read_bytes()
    (photos / "scene1.png").write_bytes(whole[:300])
    arguments = ("segment", photos, *NAMES, "--no-crf", "--layers")
    with monkeypatch.context() as patch:
        patch.setattr(images, "decode_image", stop)
        assert run(*arguments, "auto", "-o", out).exit_code == (130 if interrupted else 5)
    (photos / "scene1.png").write_bytes(whole)
    again = run(*arguments, "auto", "-o", out, "--resume")
    assert again.exit_code == 0, again.output
    assert run(*arguments, "1,3", "-o", tmp_path / "whole").exit_code == 0
    for name in ("classes.json", *(f"labels/scene{i}.png" for i in range(4))):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    afresh = run(*arguments, "auto", "-o", out, "--overwrite")
    assert afresh.exit_code == 0, afresh.output
    assert json.loads((out / "classes.json").read_text())["layers"] == [0, 2]


def test_segment_without_an_image_that_can_be_read(run: Run, tmp_path: Path) -> None:
    """Bad media, and nothing is left behind."""
    for name in "ab":
        (tmp_path / f"{name}.png").write_text("no image")
    result = run("segment", tmp_path / "a.png", tmp_path / "b.png", *NAMES, "-o", tmp_path / "out")
    assert (result.exit_code, "none of the 2 images can be used" in result.stderr) == (3, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--class", "dog"), 2, "lacks 'dog'"),
        (("--class", "red circle", "--class", "red circle"), 2, "named twice"),
        (("--class", "red circle", "--layers", "9"), 2, "from 0 to 3"),
        (("--class", "red circle", "--layers", "x"), 2, "such as 0,3"),
        (("--class", "red circle", "--layers", "auto"), 2, "at least two"),
        (("--class", "red circle", "--detector-weights", "/nowhere"), 4, "hf download"),
        (("--class", "red circle", "--canvas", "50"), 2, "multiple of the 8 px"),
        (("--class", "red circle", "--tuned", "/nowhere"), 4, "vos tune"),
        (("--class", "red circle", "--device", "gpu"), 4, "cannot use device 'gpu'"),
    ],
)
def test_mistakes(
    run: Run, pictures: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """Each has its exit code, and says what is allowed or what to try."""
    result = run("segment", pictures / "scene0.png", *arguments, "-o", tmp_path / "out")
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert not (tmp_path / "out").exists()


def test_images_that_are_not_there(run: Run, tmp_path: Path) -> None:
    """A missing path and a folder without images are bad media."""
    for path in (tmp_path / "absent.png", tmp_path):
        result = run("segment", path, *NAMES, "-o", tmp_path / "out")
        assert (result.exit_code, str(path) in result.stderr) == (3, True)


def test_rank_layers_prints_all_terms(run: Run, pictures: Path) -> None:
    """Best first, and the score is the product of its terms; the automatic choice is the first two."""
    result = run("rank-layers", pictures, *NAMES, "--json")
    rows = json.loads(result.stdout)["layers"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    assert sorted(row["layer"] for row in rows) == [0, 1, 2, 3]
    for row in rows:
        product = row["dataset_entropy"] / row["image_entropy"] * row["variation"]
        assert row["infoscore"] == pytest.approx(product)
    assert [row["infoscore"] for row in rows] == sorted((row["infoscore"] for row in rows), reverse=True)
    table = run("rank-layers", pictures, *NAMES).stdout.splitlines()
    assert table[0].split() == ["rank", "layer", "InfoScore", "H_D", "H_image", "CoV"]
    assert [line.split()[1] for line in table[1:]] == [str(row["layer"]) for row in rows]
    alone = run("rank-layers", pictures / "scene0.png", *NAMES)
    assert (alone.exit_code, "at least two" in alone.stderr) == (2, True)


def test_automatic_layers_are_the_first_two(run: Run, pictures: Path, tmp_path: Path) -> None:
    """``--layers auto`` uses what ``rank-layers`` puts first."""
    rows = json.loads(run("rank-layers", pictures, *NAMES, "--json").stdout)["layers"]
    run("segment", pictures, *NAMES, "--no-crf", "--layers", "auto", "-o", tmp_path)
    used = json.loads((tmp_path / "classes.json").read_text())["layers"]
    assert used == [row["layer"] for row in rows[:2]]


def test_layers_are_ranked_without_synonyms(run: Run, pictures: Path, tmp_path: Path) -> None:
    """The layers are those of ``rank-layers`` with ``--multi-prompt`` too."""
    model = ("--detector", "synthetic", "--class", "red circle")
    images = [pictures / f"scene{i}.png" for i in range(3)]
    cli_run = partial(CliRunner().invoke, cli)
    ranked = cli_run(["rank-layers", *map(str, images), *model, "--json"])
    rows = json.loads(ranked.stdout)["layers"]
    options = ("--multi-prompt", "--no-crf", "--layers", "auto", "-o", str(tmp_path / "out"))
    assert cli_run(["segment", *map(str, images), *model, *options]).exit_code == 0
    used = json.loads((tmp_path / "out" / "classes.json").read_text())["layers"]
    assert used == [row["layer"] for row in rows[:2]]


def test_tune_and_use(run: Run, pictures: Path, tmp_path: Path) -> None:
    """Tuning lowers the loss; the tuned file changes the maps, brings its layers, and fits its model only."""
    supports = []
    for i, name in enumerate(("circle", "square")):
        mask = pictures / "masks" / f"{name}{i}.png"
        supports += ["--support", f"{pictures / f'scene{i}.png'}:{mask}:{NAMES[2 * i + 1]}"]
    tuned = tmp_path / "tuned.safetensors"
    result = run("tune", *supports, "--layers", "0,2", "--passes", 4, "-o", tuned)
    assert result.exit_code == 0, result.output
    losses = [float(line.split()[-1]) for line in result.stdout.splitlines() if line.startswith("step")]
    assert len(losses) == 4  # two supports a step, four passes
    assert losses[-1] < losses[0]
    plain, after = tmp_path / "plain", tmp_path / "after"
    run("segment", pictures / "scene3.png", *NAMES, "--no-crf", "--layers", "0,2", "-o", plain)
    run("segment", pictures / "scene3.png", *NAMES, "--no-crf", "--tuned", tuned, "-o", after)
    assert json.loads((after / "classes.json").read_text())["layers"] == [0, 2]
    before, now = (
        json.loads((folder / "classes.json").read_text())["images"][0]["classes"]["red circle"]["match"]
        for folder in (plain, after)
    )
    assert before != now


@pytest.mark.parametrize("rate", ["nan", "inf", "0", "-0.1", "10"])
def test_a_learning_rate_out_of_range(run: Run, pictures: Path, tmp_path: Path, rate: str) -> None:
    """It is refused; weights that are not numbers are never written."""
    support = f"{pictures / 'scene0.png'}:{pictures / 'masks' / 'circle0.png'}:red circle"
    result = run("tune", "--support", support, f"--learning-rate={rate}", "-o", tmp_path / "t")
    assert (result.exit_code, "learning_rate" in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "t").exists()


def test_segment_resumes_with_the_same_tuned_weights_only(run: Run, pictures: Path, tmp_path: Path) -> None:
    """Label maps of two models are not mixed because their files have one name."""
    support = f"{pictures / 'scene0.png'}:{pictures / 'masks' / 'circle0.png'}:red circle"
    tuned, photos = tmp_path / "tuned.safetensors", tmp_path / "photos"
    photos.mkdir()
    shutil.copy(pictures / "scene0.png", photos)
    (photos / "scene1.png").write_bytes(b"")
    arguments = ("segment", photos, *NAMES, "--no-crf", "--tuned", tuned, "-o", tmp_path / "out")
    run("tune", "--support", support, "--passes", 1, "-o", tuned)
    assert run(*arguments).exit_code == 5
    shutil.copy(pictures / "scene1.png", photos)
    first = tuned.rename(tmp_path / "first.safetensors")
    run("tune", "--support", support, "--passes", 2, "-o", tuned)
    result = run(*arguments, "--resume")
    assert (result.exit_code, "tuned.sha256" in result.stderr) == (2, True), result.stderr
    first.replace(tuned)
    assert run(*arguments, "--resume").exit_code == 0


def test_supports_that_cannot_be_used(run: Run, pictures: Path, tmp_path: Path) -> None:
    """A malformed support, and a mask that marks nothing."""
    result = run("tune", "--support", "a.png:b.png", "-o", tmp_path / "t")
    assert (result.exit_code, "IMAGE:MASK:NAME" in result.stderr) == (2, True)
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(tmp_path / "empty.png")
    support = f"{pictures / 'scene0.png'}:{tmp_path / 'empty.png'}:red circle"
    result = run("tune", "--support", support, "-o", tmp_path / "t")
    assert (result.exit_code, "is empty" in result.stderr) == (2, True)
    white = np.zeros((96, 96), np.uint8)
    white[20:60, 20:60] = 255
    Image.fromarray(white).save(tmp_path / "white.png")
    support = f"{pictures / 'scene0.png'}:{tmp_path / 'white.png'}:red circle"
    result = run("tune", "--support", support, "-o", tmp_path / "t")
    assert (result.exit_code, "255, which means unknown here" in result.stderr) == (2, True)
    dot = np.full((96, 96), 255, np.uint8)
    dot[1, 1] = 1
    Image.fromarray(dot).save(tmp_path / "dot.png")
    support = f"{pictures / 'scene0.png'}:{tmp_path / 'dot.png'}:red circle"
    result = run("tune", "--support", support, "-o", tmp_path / "t")
    assert (result.exit_code, "no pixel of its images has a known class" in result.stderr) == (2, True)
    assert not (tmp_path / "t").exists()


def large_scene(seed: int, shown: tuple[str, ...]) -> WorldScene:
    """The first scene from ``seed`` on whose shapes are large enough to be a support."""
    while True:
        world = world_scene(seed, size=(400, 440), names=shown)
        if all((world.scene.labels[0] == i + 1).sum() >= 16_384 for i in range(len(shown))):
            return world
        seed += 1


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data set of two classes in the layout of the lists, and a recipe for it."""
    root = tmp_path_factory.mktemp("dataset")
    names = ("red circle", "blue square")
    lines = []
    for i in range(5):
        shown = (names[i % 2],) if i < 4 else names
        world = large_scene(3_000_000 + 10 * i, shown)
        labels = np.zeros((400, 440), np.uint8)
        for instance, name in enumerate(world.names, start=1):
            labels[world.scene.labels[0] == instance] = names.index(name) + 1
        Image.fromarray(world.image).save(root / f"{i}.png")
        Image.fromarray(labels).save(root / f"{i}_labels.png")
        lines.append(f"{i}.png {i}_labels.png")
    (root / "val.txt").write_text("\n".join(lines) + "\n")
    words = {"background": ["grass", "sand", "stone", "water"], "classes": [{"name": n} for n in names]}
    (root / "words.json").write_text(json.dumps(words))
    recipe = {
        "vocabulary": str(root / "words.json"),
        "segment": {"layers": [0, 1], "crf": "none"},
        "tuning": {"passes": 1},
        "runs": 2,
    }
    (root / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return root, root / "recipe.yaml"


def test_evaluate_semantic(run: Run, dataset: tuple[Path, Path]) -> None:
    """Both ways of counting, per class, with the settings they came from."""
    root, recipe = dataset
    arguments = ("evaluate-semantic", "--dataset", "pascal", "--data", root, "--config", recipe)
    report = json.loads(run(*arguments, "--json").stdout)
    assert report["images"] == [5]
    assert report["settings"]["segment"]["layers"] == [0, 1]
    for way in ("paper", "original"):
        assert set(report[way]["iou"]) == {"background", "red circle", "blue square"}
        mean = np.mean(list(report[way]["iou"].values()))
        assert report[way]["mean_iou"] == pytest.approx(mean)
    text = run(*arguments).stdout
    assert f"{report['paper']['mean_iou']:.2%}" in text


def test_evaluate_semantic_one_shot(run: Run, dataset: tuple[Path, Path]) -> None:
    """Every run leaves its supports out of the score; mean and deviation are over the runs."""
    root, recipe = dataset
    result = run(
        "evaluate-semantic", "--dataset", "pascal", "--data", root, "--config", recipe, "--one-shot", "--json"
    )
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert len(report["runs"]) == 2
    assert report["images"] == [3, 3]
    for entry in report["runs"]:
        assert len(set(entry["supports"])) == 2
    assert report["paper"]["deviation"] == pytest.approx(np.std(report["paper"]["mean_iou_runs"]))


def test_a_recipe_of_the_package_is_loaded(run: Run, tmp_path: Path) -> None:
    """Without --config the data set's own recipe counts; a missing list says where it was looked for."""
    result = run("evaluate-semantic", "--dataset", "coco", "--data", tmp_path)
    assert (result.exit_code, "val.txt" in result.stderr) == (2, True)
