"""``vos persam`` from the command line to the files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from golden_persam import Comparison, golden_state
from PIL import Image
from pycocotools.coco import COCO
from tiny_dino import save_dino
from vos_cli.main import cli

from vos.backbones.weights.checkpoints import load_state
from vos.evaluation import region_similarity
from vos.testing import Shape, line, scene, tiny_sam_checkpoint

RED, BLUE = (196, 70, 56), (58, 92, 190)
HOMES = {"one": [(40, 30)], "three": [(30, 28), (100, 78), (160, 40)], "none": []}
"""Where the red discs are in each image; all show a blue disc as well."""


def write_scene(folder: Path, name: str) -> None:
    """``<name>.png`` and its instance map ``truth/<name>.png``."""
    shapes = [
        Shape(n, line(place), 17, "disc", colour=RED, texture_seed=5)
        for n, place in enumerate(HOMES[name], start=1)
    ]
    other = Shape(9, line((105, 25)), 17, "disc", colour=BLUE, texture_seed=8)
    seen = scene([*shapes, other], num_frames=1, size=(110, 190), seed=len(name), noise=3)
    labels = np.where(seen.labels[0] == 9, 0, seen.labels[0])
    (folder / "truth").mkdir(exist_ok=True)
    Image.fromarray(seen.frames[0].image).save(folder / f"{name}.png")
    Image.fromarray(labels.astype(np.uint8)).save(folder / "truth" / f"{name}.png")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with one, three and no red discs, and the checkpoint of a tiny SAM."""
    folder = tmp_path_factory.mktemp("given")
    for name in HOMES:
        write_scene(folder, name)
    tiny_sam_checkpoint(folder / "tiny.pth", seed=5)
    return folder


def run(given: Path, out: Path, *images: object, mask: Path | None = None, more: tuple = ()) -> Result:
    """``vos persam`` with the red disc of ``one.png`` as target."""
    reference = ["--reference", given / "one.png", "--reference-mask", mask or given / "truth" / "one.png"]
    return CliRunner().invoke(cli, ["persam", *map(str, [*images, *reference, "-o", out, *more])])


def labels(path: Path) -> np.ndarray:
    """An index PNG as an array."""
    with Image.open(path) as image:
        return np.array(image)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, without the timings of ``run.json``."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: data.split(b'"timings"')[0] if name == "run.json" else data for name, data in found.items()}


@pytest.mark.parametrize("tune", [False, True])
def test_finds_the_target_in_other_images(given: Path, tmp_path: Path, tune: bool) -> None:
    """One of the red discs, by PerSAM and by PerSAM-F, with masks, overlays, annotations and a record."""
    more = ("--tune",) if tune else ()
    result = run(given, tmp_path / "out", given / "three.png", given / "one.png", more=more)
    assert result.exit_code == 0
    said = re.sub(r"vos: images: .*\n", "", result.stderr)  # progress, if it takes long
    assert re.fullmatch(r"vos: .*one.png: 1 object, \d+ px, from grey values as ids\n", said)
    assert result.stdout.startswith("2 images, 2 instances\n")
    found = labels(tmp_path / "out/masks/three.png")
    truth = labels(given / "truth/three.png")
    assert max(region_similarity(truth == k, found == 1) for k in (1, 2, 3)) > 0.9
    assert set(np.unique(found)) == {0, 1}
    assert region_similarity(labels(given / "truth/one.png"), labels(tmp_path / "out/masks/one.png")) > 0.9
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["settings"]["tune"] is tune
    assert [entry["name"] for entry in record["frames"]] == ["three", "one"]
    assert record["frames"][0]["objects"]["1"]["area"] == (found == 1).sum()
    assert record["reference"]["image"]["size"] == (given / "one.png").stat().st_size
    with Image.open(tmp_path / "out/overlay/three.jpg") as overlay:
        assert overlay.size == (190, 110)
    coco = COCO(tmp_path / "out/annotations.json")
    (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=[0]))
    np.testing.assert_array_equal(coco.annToMask(annotation), found == 1)
    assert annotation["score"] == record["frames"][0]["objects"]["1"]["score"]
    assert not (tmp_path / "out/.work").exists()


def test_several_instances(given: Path, tmp_path: Path) -> None:
    """--objects finds every red disc, never the blue one, and stops when there is no other."""
    result = run(
        given, tmp_path / "out", given / "three.png", given / "one.png", more=("--objects", "10", "--json")
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["instances"] == 4
    found, truth = labels(tmp_path / "out/masks/three.png"), labels(given / "truth/three.png")
    assert set(np.unique(found)) == {0, 1, 2, 3}
    for k in (1, 2, 3):
        assert max(region_similarity(truth == k, found == n) for n in (1, 2, 3)) > 0.9
    assert set(np.unique(labels(tmp_path / "out/masks/one.png"))) == {0, 1}
    two = run(
        given, tmp_path / "two", given / "three.png", more=("--objects", "2", "--no-overlay", "--no-coco")
    )
    assert two.exit_code == 0
    assert set(files(tmp_path / "two")) == {"masks/three.png", "run.json"}
    assert labels(tmp_path / "two/masks/three.png").max() == 2
    np.testing.assert_array_equal(labels(tmp_path / "two/masks/three.png") == 1, found == 1)


def test_folders_and_globs(given: Path, tmp_path: Path) -> None:
    """A folder and a quoted glob name the images in them."""
    (tmp_path / "photos").mkdir()
    for name in ("one", "three"):
        shutil.copy(given / f"{name}.png", tmp_path / "photos" / f"{name}.png")
    for number, source in enumerate([tmp_path / "photos", tmp_path / "photos" / "*.png"]):
        out = tmp_path / str(number)
        result = run(
            given, out, source, more=("--no-overlay", "--config", _config(tmp_path, "refinement: 0"))
        )
        assert result.exit_code == 0, result.stderr
        assert sorted(p.name for p in (out / "masks").iterdir()) == ["one.png", "three.png"]


def _config(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


RECIPES = {
    "default": "",
    "reference": "view: reference",
    "contrast": "view: contrast",
    "no negative point": "negative_point: false",
    "no refinement": "refinement: 0",
    "no guided attention": "guided_attention: false",
    "no semantic prompt": "semantic_prompt: false",
    "scale weights": "tune: true\ntune_steps: 5",
}


def test_a_tiny_sam_from_a_checkpoint_file(given: Path, tmp_path: Path) -> None:
    """A checkpoint in the original format; every switch of the paper's ablation, in a file, has an effect."""
    sam = ("--model", "sam-vit-b", "--checkpoint", given / "tiny.pth", "--no-overlay")
    mask = _white(tmp_path, given)["mask"]
    scores = {}
    for name, text in RECIPES.items():
        more = (*sam, "--config", _config(tmp_path, text))
        result = run(given, tmp_path / name, given / "three.png", mask=mask, more=more)
        assert result.exit_code == 0, result.stderr
        assert labels(tmp_path / name / "masks/three.png").shape == (110, 190)
        (entry,) = json.loads((tmp_path / name / "run.json").read_text())["frames"]
        scores[name] = entry["objects"]["1"]["score"]
    assert len(set(scores.values())) == len(RECIPES), scores
    half = run(given, tmp_path / "half", given / "three.png", mask=mask, more=(*sam, "--dtype", "bfloat16"))
    assert half.exit_code == 0, half.stderr


@pytest.mark.parametrize(
    ("case", "tune"),
    [
        ("breakdance", False),
        pytest.param("breakdance", True, marks=pytest.mark.slow),
        pytest.param("carframe", False, marks=pytest.mark.slow),
        pytest.param("sneaker", True, marks=pytest.mark.slow),
    ],
)
def test_the_parity_recipe_is_the_reference(golden: Path, tmp_path: Path, case: str, tune: bool) -> None:
    """From a checkpoint file to the masks that the published program writes, and their scores."""
    torch.save(golden_state("vit_t"), tmp_path / "mobile_sam.pt")
    inputs = golden / "persam/inputs"
    images = sorted((inputs / "images").glob(f"{case}_*.png"))
    arguments = [
        *map(str, images),
        *("--reference", str(images[0]), "--reference-mask", str(inputs / "masks" / f"{case}_00.png")),
        *("--model", "mobile-sam", "--checkpoint", str(tmp_path / "mobile_sam.pt"), "--recipe", "parity"),
        *("-o", str(tmp_path / "out"), *(["--tune"] if tune else [])),
    ]
    result = CliRunner().invoke(cli, ["persam", *arguments])
    assert result.exit_code == 0, result.stderr
    recorded = Comparison(golden / "persam" / f"persam_{'f_' if tune else ''}vit_t_{case}.npz")
    entries = json.loads((tmp_path / "out/run.json").read_text())["frames"]
    assert len(entries) == len(images)
    for n, entry in enumerate(entries):
        recorded.same_mask(f"t{n:02d}.step3.mask", labels(tmp_path / "out/masks" / f"{entry['name']}.png"))
        score = np.clip(recorded[f"t{n:02d}.step3.scores"].max(), 0, 1)
        assert entry["objects"]["1"]["score"] == pytest.approx(score, abs=1e-4)


def test_one_bad_image_of_many(given: Path, tmp_path: Path) -> None:
    """The others are done and the record is written; the bad one is named; --resume does what is left."""
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(given / "three.png", photos / "a.png")
    (photos / "b.png").write_bytes((given / "three.png").read_bytes()[:300])
    shutil.copy(given / "one.png", photos / "c.png")
    out = tmp_path / "out"
    result = run(given, out, photos)
    assert result.exit_code == 5
    assert "1 of 3 images could not be used" in result.stderr
    assert "b.png" in result.stderr
    assert sorted(p.name for p in (out / "masks").iterdir()) == ["a.png", "c.png"]
    record = json.loads((out / "run.json").read_text())
    assert list(record["failed"]) == [str(photos / "b.png")]
    assert len(COCO(out / "annotations.json").imgs) == 2
    before = (out / "masks/a.png").stat().st_mtime_ns
    shutil.copy(given / "three.png", photos / "b.png")
    again = run(given, out, photos, more=("--resume",))
    assert again.exit_code == 0, again.stderr
    assert (out / "masks/a.png").stat().st_mtime_ns == before
    assert [e["name"] for e in json.loads((out / "run.json").read_text())["frames"]] == ["a", "b", "c"]
    whole = run(given, tmp_path / "whole", photos)
    assert whole.exit_code == 0
    assert files(out) == files(tmp_path / "whole")


def test_an_image_that_changed_is_done_again(given: Path, tmp_path: Path) -> None:
    """--resume goes by what is in an image, not by its name, and leaves the others alone."""
    shutil.copytree(given, tmp_path / "photos", ignore=shutil.ignore_patterns("truth", "*.pth"))
    assert run(given, tmp_path / "out", tmp_path / "photos").exit_code == 0
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/masks").iterdir()}
    shutil.copy(given / "three.png", tmp_path / "photos/one.png")
    assert run(given, tmp_path / "out", tmp_path / "photos", more=("--resume",)).exit_code == 0
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/masks").iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["one.png"]
    one, three = (labels(tmp_path / "out/masks" / f"{name}.png") for name in ("one", "three"))
    np.testing.assert_array_equal(one, three)


def test_an_interrupted_run_goes_on(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C in the second image --resume does the rest, and ends with the same bytes."""
    from vos.backbones.classical.backbone import GraphCutBackbone

    images = [given / f"{name}.png" for name in ("one", "three", "none")]
    assert run(given, tmp_path / "whole", *images).exit_code == 0
    encode, calls = GraphCutBackbone.encode, []

    def stop(self: GraphCutBackbone, image: np.ndarray) -> object:
        calls.append(image)
        if len(calls) == 3:  # the reference, the first image, the second
            raise KeyboardInterrupt
        return encode(self, image)

    monkeypatch.setattr(GraphCutBackbone, "encode", stop)
    result = run(given, tmp_path / "out", *images)
    assert result.exit_code == 130
    assert "1 image is done of 3" in result.stderr
    assert [p.name for p in (tmp_path / "out/masks").iterdir()] == ["one.png"]
    assert "a run that was stopped" in run(given, tmp_path / "out", *images).stderr
    calls[:] = [None] * 3
    assert run(given, tmp_path / "out", *images, more=("--resume",)).exit_code == 0
    assert len(calls) == 3 + 3  # the reference and two images
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_existing_output(given: Path, tmp_path: Path) -> None:
    """Refused without a flag; --resume changes nothing that is done; --overwrite removes what is ours."""
    out = tmp_path / "out"
    assert run(given, out, given / "one.png", given / "three.png").exit_code == 0
    (out / "masks" / "notes.txt").write_text("mine")
    before = files(out)
    refused = run(given, out, given / "one.png", given / "three.png")
    assert (refused.exit_code, "--overwrite" in refused.stderr) == (2, True)
    assert run(given, out, given / "one.png", given / "three.png", more=("--resume",)).exit_code == 0
    assert files(out) == before
    other = run(given, out, given / "one.png", more=("--resume",))
    assert (other.exit_code, "input.images was" in other.stderr) == (2, True)
    assert run(given, out, given / "three.png", more=("--overwrite",)).exit_code == 0
    names = {name for name in files(out) if name.startswith(("masks/", "overlay/"))}
    assert names == {"masks/three.png", "masks/notes.txt", "overlay/three.jpg"}
    stranger = tmp_path / "stranger"
    (stranger / "masks").mkdir(parents=True)
    (stranger / "masks/three.png").write_text("mine")
    result = run(given, stranger, given / "three.png")
    assert (result.exit_code, "was not made by this program" in result.stderr) == (2, True)


def _empty_mask(folder: Path, given: Path) -> dict:
    Image.fromarray(np.zeros((110, 190), np.uint8)).save(folder / "empty.png")
    return {"mask": folder / "empty.png"}


def _smaller_mask(folder: Path, given: Path) -> dict:
    Image.fromarray(np.full((11, 19), 255, np.uint8)).save(folder / "small.png")
    return {"mask": folder / "small.png"}


def _two_objects(folder: Path, given: Path) -> dict:
    mask = np.zeros((110, 190), np.uint8)
    mask[:20, :20], mask[50:, 50:] = 1, 2
    Image.fromarray(mask).save(folder / "two.png")
    return {"mask": folder / "two.png"}


def _no_reference(folder: Path, given: Path) -> dict:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return {"more": ("--reference", folder / "broken.jpg")}


def _sam(checkpoint: Path, *more: str, model: str = "sam-vit-b") -> dict:
    return {"more": ("--model", model, "--checkpoint", checkpoint, *more)}


def _truncated(folder: Path, given: Path) -> dict:
    data = (given / "tiny.pth").read_bytes()
    (folder / "cut.pth").write_bytes(data[: len(data) // 2])
    return _sam(folder / "cut.pth")


def _nan(folder: Path, given: Path) -> dict:
    state = load_state(given / "tiny.pth")
    state["mask_decoder.iou_token.weight"][0, 0] = float("nan")
    torch.save(state, folder / "nan.pth")
    return _sam(folder / "nan.pth")


def _other(folder: Path, given: Path) -> dict:
    torch.save({"backbone.weight": torch.ones(2)}, folder / "other.pth")
    return _sam(folder / "other.pth")


def _dot(folder: Path, given: Path) -> dict:
    mask = np.zeros((110, 190), np.uint8)
    mask[3, 3] = 255
    Image.fromarray(mask).save(folder / "dot.png")
    return {"mask": folder / "dot.png", **_sam(given / "tiny.pth", "--recipe", "parity")}


def _faint(folder: Path, given: Path) -> dict:
    return _sam(given / "tiny.pth", "--recipe", "parity")  # whose mask is of ones


BAD: dict[str, tuple[Callable[[Path, Path], dict], int, str]] = {
    "empty mask": (_empty_mask, 2, "empty.png is empty"),
    "mask of another size": (_smaller_mask, 2, "is 19x11 pixels, but the pixels of"),
    "mask of two objects": (_two_objects, 2, "--reference-id"),
    "unknown object": (
        lambda f, g: {"more": ("--reference-id", "7")},
        2,
        "but 1: choose one of these with",
    ),
    "no mask": (lambda f, g: {"mask": f / "absent.png"}, 3, "absent.png"),
    "unreadable reference": (_no_reference, 3, "broken.jpg"),
    "no cell": (_dot, 2, "covers no cell of the feature grid"),
    "faint mask": (_faint, 2, "has the red value 1"),
    "object of a parity mask": (
        lambda f, g: _sam(g / "tiny.pth", "--recipe", "parity", "--reference-id", "1"),
        2,
        "--reference-id cannot be used with --recipe parity",
    ),
    "truncated checkpoint": (_truncated, 4, "cut.pth is truncated"),
    "NaN weights": (_nan, 4, "are NaN or infinite"),
    "no SAM": (_other, 4, "is not a SAM or MobileSAM checkpoint"),
    "another model's": (lambda f, g: _sam(g / "tiny.pth", model="mobile-sam"), 4, "not MobileSAM"),
    "no checkpoint": (lambda f, g: _sam(f / "absent.pth"), 4, "cannot read checkpoint"),
    "checkpoint of nothing": (
        lambda f, g: {"more": ("--checkpoint", g / "tiny.pth")},
        2,
        "model classical has no",
    ),
    "unknown model": (lambda f, g: {"more": ("--model", "sam-vit-x")}, 4, "unknown backbone 'sam-vit-x'"),
    "unknown recipe": (lambda f, g: {"more": ("--recipe", "exact")}, 2, "persam-parity"),
    "parity of no SAM": (
        lambda f, g: {"more": ("--recipe", "parity"), **_white(f, g)},
        2,
        "--model mobile-sam",
    ),
    "unknown setting": (
        lambda f, g: {"more": ("--config", _config(f, "refine: 1"))},
        2,
        "did you mean refinement?",
    ),
    "objects": (lambda f, g: {"more": ("--objects", "0")}, 2, "objects must be 1 to 254"),
    "both flags": (lambda f, g: {"more": ("--resume", "--overwrite")}, 2, "exclude each other"),
}


def _white(folder: Path, given: Path) -> dict:
    Image.fromarray((labels(given / "truth/one.png") > 0).astype(np.uint8) * 255).save(folder / "white.png")
    return {"mask": folder / "white.png"}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(given: Path, tmp_path: Path, what: str) -> None:
    """Each has its exit code and a message that says what is wrong, and leaves nothing behind."""
    spoil, code, message = BAD[what]
    result = run(given, tmp_path / "out", given / "three.png", **spoil(tmp_path, given))
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert not (tmp_path / "out").exists()


def test_images_that_are_none(given: Path, tmp_path: Path) -> None:
    """Nothing there, a glob without match, a video, two of one name, and nothing but damaged images."""
    (tmp_path / "clip.mp4").write_bytes(b"0")
    (tmp_path / "one.png").write_bytes((given / "one.png").read_bytes()[:200])
    (tmp_path / "two.png").write_bytes(b"\x89PNG")
    for images, message in (
        ((tmp_path / "absent.jpg",), "no file or folder"),
        ((tmp_path / "*.jpg",), "nothing matches"),
        ((tmp_path / "clip.mp4",), "vos track reads videos"),
        ((given / "one.png", tmp_path / "one.png"), "the same name 'one'"),
        ((tmp_path / "one.png", tmp_path / "two.png"), "one.png"),
    ):
        result = run(given, tmp_path / "out", *images)
        assert (result.exit_code, message in result.stderr) == (3, True), result.stderr
        assert not (tmp_path / "out").exists()


def test_a_target_smaller_than_a_cell(given: Path, tmp_path: Path) -> None:
    """In the default view a few pixels are enough of a reference: the cell they are in is the target."""
    mask = np.zeros((110, 190), np.uint8)
    mask[29:31, 39:41] = 255
    Image.fromarray(mask).save(tmp_path / "tiny.png")
    result = run(given, tmp_path / "out", given / "three.png", mask=tmp_path / "tiny.png")
    assert result.exit_code == 0, result.stderr
    found, truth = labels(tmp_path / "out/masks/three.png"), labels(given / "truth/three.png")
    assert max(region_similarity(truth == k, found == 1) for k in (1, 2, 3)) > 0.9


@pytest.mark.parametrize("model", ["classical", "sam", "sam parity"])
@pytest.mark.filterwarnings("error")
def test_images_of_extreme_shapes(given: Path, tmp_path: Path, model: str) -> None:
    """One pixel, one row, two columns, and a reference that is all target: a mask and a finite score each."""
    photos = tmp_path / "photos"
    photos.mkdir()
    random = np.random.default_rng(0)
    for name, size in {"dot": (1, 1), "thin": (1, 300), "tall": (200, 2), "whole": (110, 190)}.items():
        Image.fromarray(random.integers(0, 255, (*size, 3), dtype=np.uint8)).save(photos / f"{name}.png")
    Image.fromarray(np.full((110, 190), 255, np.uint8)).save(tmp_path / "all.png")
    more = {
        "classical": (),
        "sam": ("--model", "sam-vit-b", "--checkpoint", given / "tiny.pth"),
        "sam parity": ("--model", "sam-vit-b", "--checkpoint", given / "tiny.pth", "--recipe", "parity"),
    }[model]
    result = run(given, tmp_path / "out", photos, mask=tmp_path / "all.png", more=("--objects", "3", *more))
    assert result.exit_code == 0, result.output
    entries = json.loads((tmp_path / "out/run.json").read_text())["frames"]
    assert {entry["name"] for entry in entries} == {"dot", "thin", "tall", "whole"}
    for entry in entries:
        with Image.open(photos / f"{entry['name']}.png") as image:
            found = labels(tmp_path / "out/masks" / f"{entry['name']}.png")
            assert found.shape == image.size[::-1]
        areas = {number: instance["area"] for number, instance in entry["objects"].items()}
        assert areas == {str(k): (found == k).sum() for k in range(1, len(areas) + 1)}
        assert all(0 <= instance["score"] <= 1 for instance in entry["objects"].values())


def test_real_images(davis_root: Path, tmp_path: Path) -> None:
    """A swan learned from the first frame of a sequence is found in later ones, without weights."""
    images, masks = (davis_root / kind / "480p/blackswan" for kind in ("JPEGImages", "Annotations"))
    later = ("00010", "00049")
    arguments = [
        *(str(images / f"{name}.jpg") for name in later),
        *("--reference", str(images / "00000.jpg"), "--reference-mask", str(masks / "00000.png")),
        *("-o", str(tmp_path / "out"), "--no-overlay"),
    ]
    assert CliRunner().invoke(cli, ["persam", *arguments]).exit_code == 0
    for name in later:
        truth = labels(masks / f"{name}.png") > 0
        assert region_similarity(truth, labels(tmp_path / "out/masks" / f"{name}.png")) > 0.8


def test_other_features(given: Path, tmp_path: Path) -> None:
    """``--features``, or the same in a file of settings; not with the published program; weights not here."""
    dino = save_dino("dinov2-s", tmp_path / "dino")
    flags = ("--features", "dinov2-s", "--features-weights", dino)
    result = run(given, tmp_path / "out", given / "three.png", more=flags)
    assert result.exit_code == 0, result.output
    (tmp_path / "settings.yaml").write_text(f"features: dinov2-s\nfeatures_weights: {dino}\n")
    again = run(given, tmp_path / "again", given / "three.png", more=("--config", tmp_path / "settings.yaml"))
    assert again.exit_code == 0, again.output
    masks = [labels(tmp_path / out / "masks/three.png") for out in ("out", "again")]
    assert np.array_equal(*masks)
    refused = run(given, tmp_path / "no", given / "three.png", more=(*flags, "--recipe", "parity"))
    assert refused.exit_code == 2
    assert "which has no features dinov2-s" in refused.stderr
    missing = run(given, tmp_path / "no", given / "three.png", more=("--features", "dinov3-s"))
    assert missing.exit_code == 4
    assert "request access" in missing.stderr


@pytest.mark.parametrize("more", [("--device", "cuda"), ("--dtype", "bfloat16")])
def test_a_model_without_weights_takes_no_device(given: Path, tmp_path: Path, more: tuple[str, str]) -> None:
    """It runs on the CPU, whatever is asked for: so it is refused, and nothing is written."""
    result = run(given, tmp_path / "out", given / "three.png", more=("--model", "classical", *more))
    assert result.exit_code != 0
    assert f"leave out {more[0].removeprefix('--')}" in result.output
    assert not (tmp_path / "out").exists()
