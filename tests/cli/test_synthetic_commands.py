"""The commands about class names with the model that comes with the package: nothing else is needed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image
from vos_cli.main import cli

from vos.detectors.synthetic.world import CLASS_NAMES, DUSK, WorldScene, world_scene, write_world

NAMES = ("--class", "red circle", "--class", "blue square")


def run(command: str, *arguments: object) -> Result:
    """``vos COMMAND --detector synthetic ARGUMENTS``."""
    return CliRunner().invoke(cli, [command, "--detector", "synthetic", *map(str, arguments)])


def scenes(count: int, seed: int, **how: object) -> list[WorldScene]:
    """With a red circle and a blue square each, wider than high."""
    return [
        world_scene(seed + i, size=(96, 128), names=("red circle", "blue square"), **how)
        for i in range(count)
    ]


def write(worlds: list[WorldScene], folder: Path) -> Path:
    """One PNG per scene."""
    folder.mkdir()
    for i, world in enumerate(worlds):
        Image.fromarray(world.image).save(folder / f"{i}.png")
    return folder


def overlap(folder: Path, worlds: list[WorldScene]) -> float:
    """Mean IoU of what `vos segment` wrote with the two shapes."""
    values = []
    for i, world in enumerate(worlds):
        labels = np.array(Image.open(folder / "labels" / f"{i}.png"))
        for instance in (1, 2):
            mask, truth = labels == instance, world.scene.labels[0] == instance
            values.append((mask & truth).sum() / (mask | truth).sum())
    return float(np.mean(values))


def test_segment_by_name(tmp_path: Path) -> None:
    """Masks of both shapes from their names alone; stderr stays silent."""
    worlds = scenes(6, 5_000_000)
    result = run("segment", write(worlds, tmp_path / "in"), *NAMES, "-o", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "")
    assert overlap(tmp_path / "out", worlds) > 0.65


def test_a_name_that_is_not_in_its_vocabulary(tmp_path: Path) -> None:
    """One line that lists what it knows, and the exit code of a bad prompt."""
    folder = write(scenes(1, 5_000_100), tmp_path / "in")
    result = run("segment", folder, "--class", "dog", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "'dog'" in result.stderr
    assert all(name in result.stderr for name in CLASS_NAMES)


def test_rank_layers(tmp_path: Path) -> None:
    """The layers it was made to be read at come first."""
    folder = write([world_scene(5_000_200 + i) for i in range(12)], tmp_path / "in")
    every = [part for name in CLASS_NAMES for part in ("--class", name)]
    result = run("rank-layers", folder, *every, "--json", "--batch-size", 6)
    assert result.exit_code == 0, result.output
    assert {row["layer"] for row in json.loads(result.stdout)["layers"][:2]} == {1, 2}


def test_tune_for_another_light(tmp_path: Path) -> None:
    """Tuned on one scene for each of two classes at dusk, it sees them better in other scenes at dusk."""
    supports = []
    for name in ("red circle", "blue square"):
        world = world_scene(5_000_300, names=(name,), light=DUSK)
        image, mask = tmp_path / f"{name}.png", tmp_path / f"{name} mask.png"
        Image.fromarray(world.image).save(image)
        Image.fromarray(world.scene.labels[0]).save(mask)
        supports += ["--support", f"{image}:{mask}:{name}"]
    tuned = tmp_path / "tuned.safetensors"
    result = run("tune", *supports, "--learning-rate", 4e-3, "--passes", 10, "-o", tuned)
    assert result.exit_code == 0, result.output
    worlds = scenes(6, 5_000_310, light=DUSK)
    folder = write(worlds, tmp_path / "in")
    for out, more in (("plain", ()), ("tuned", ("--tuned", tuned))):
        assert run("segment", folder, *NAMES, *more, "--no-crf", "-o", tmp_path / out).exit_code == 0
    assert overlap(tmp_path / "tuned", worlds) > overlap(tmp_path / "plain", worlds) + 0.04


@pytest.mark.parametrize("one_shot", [False, True])
def test_evaluate_semantic(tmp_path: Path, one_shot: bool) -> None:
    """A data set that the world wrote is scored by the recipe of the package, also after tuning."""
    alone = [world_scene(5_000_400 + i, names=(name,), size=(160, 160)) for i, name in enumerate(CLASS_NAMES)]
    write_world(tmp_path, [*alone, *(world_scene(5_000_500 + i) for i in range(6))])
    (tmp_path / "short.yaml").write_text(yaml.safe_dump({"tuning": {"passes": 1}, "runs": 1}))
    arguments = ("--dataset", "synthetic", "--data", tmp_path, "--config", tmp_path / "short.yaml", "--json")
    result = run("evaluate-semantic", *arguments, *(["--one-shot"] if one_shot else []))
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["images"] == [6 if one_shot else 26]
    assert report["original"]["mean_iou"] > (0.35 if one_shot else 0.45)
    assert set(report["original"]["iou"]) == {"background", *CLASS_NAMES}


def test_evaluate_semantic_names_an_image_that_is_too_thin(tmp_path: Path) -> None:
    """Nothing is left of it at the size that the model reads."""
    write_world(tmp_path, [world_scene(5_000_500)])
    for kind in ("images", "labels"):
        Image.new("RGB" if kind == "images" else "L", (4000, 2)).save(tmp_path / kind / "00000.png")
    result = run("evaluate-semantic", "--dataset", "synthetic", "--data", tmp_path)
    assert result.exit_code == 3
    assert str(tmp_path / "images" / "00000.png") in result.stderr
