"""SIGKILL to any command at any time: what is there is whole, and the command ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from detectors.tiny_vlm import tiny_llava
from forks import KILLS, Child, check_whole
from PIL import Image
from vos_cli.main import cli

from vos.detectors.synthetic.world import world_scene
from vos.detectors.vl_sam.vlm import VisionLanguageModel
from vos.testing import Shape, line, scene, write_images, write_labels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked"),
]
PARTS = 3
RESUME, OVERWRITE = ("--resume",), ("--overwrite",)


def write_clip(folder: Path) -> None:
    """Sixteen frames with masks."""
    clip = scene("crossing", num_frames=16, size=(48, 65), seed=1)
    write_images(clip, folder / "frames")
    write_labels(clip, folder / "labels")


def write_set(folder: Path) -> None:
    """Two sequences in the layout of DAVIS."""
    for number, name in enumerate(("cat", "dog")):
        clip = scene("crossing", num_frames=8, size=(40, 56), seed=number)
        write_images(clip, folder / "JPEGImages/480p" / name, ".jpg")
        write_labels(clip, folder / "Annotations/480p" / name)
    (folder / "ImageSets/2017").mkdir(parents=True)
    (folder / "ImageSets/2017/val.txt").write_text("cat\ndog\n")


def write_photos(folder: Path) -> None:
    """Five images of a red disc."""
    (folder / "images").mkdir()
    for k in range(5):
        disc = Shape(1, line((40 + 12 * k, 30)), 17, "disc", colour=(196, 70, 56), texture_seed=5)
        seen = scene([disc], num_frames=1, size=(80, 120), seed=k, noise=3)
        Image.fromarray(seen.frames[0].image).save(folder / "images" / f"{k}.png")
        Image.fromarray(seen.labels[0].astype(np.uint8)).save(folder / f"truth{k}.png")


def write_worlds(folder: Path) -> None:
    """Five images of coloured shapes."""
    (folder / "images").mkdir()
    for k in range(5):
        world = world_scene(5_000_000 + k, size=(96, 128), names=("red circle", "blue square"))
        Image.fromarray(world.image).save(folder / "images" / f"{k}.png")


@dataclass(frozen=True)
class Case:
    """A command, and the flags with which it goes on after a kill."""

    write: Callable[[Path], None]
    """Makes its input in a folder."""
    arguments: Callable[[Path], list[object]]
    """Of the input's folder."""
    again: tuple[str, ...]
    patch: Callable[[pytest.MonkeyPatch], None] = lambda monkeypatch: None
    """Puts a scripted model in the place of one whose weights are not here."""


def light(given: Path) -> list[object]:
    """The classical tracker with next to nothing to learn."""
    recipe = given / "light.yaml"
    recipe.write_text(
        "tracker: {appearance: {iterations: 5, samples: 100, views: 1, hidden: [4, 4]}}\n"
        "checkpoint_every: 3\n"
    )
    return ["--model", "classical", "--config", recipe]


def scripted_vlm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny random LLaVA that always answers the same."""

    def build(**options: Any) -> Any:
        model = tiny_llava()
        words = model.processor.tokenizer("a red car , two dogs .", add_special_tokens=False)["input_ids"]
        model.answer = lambda image, question="", seed=0: words
        return model

    monkeypatch.setattr(VisionLanguageModel, "load", build)


def benchmark(given: Path, *more: object) -> list[object]:
    return ["benchmark", "davis", given, "--set", "2017/val", *light(given), *more]


def named(command: str, given: Path, *more: object) -> list[object]:
    return [command, "--detector", "synthetic", *more, given / "images"]


CASES = {
    "track": Case(
        write_clip,
        lambda given: [
            *("track", given / "frames", "-m", given / "labels/00000.png", "--write", "yolo"),
            *light(given),
        ],
        RESUME,
    ),
    "benchmark": Case(write_set, benchmark, RESUME),
    "benchmark with jobs": Case(write_set, lambda given: benchmark(given, "--jobs", 2), RESUME),
    "persam": Case(
        write_photos,
        lambda given: [
            *("persam", given / "images", "--model", "classical"),
            *("--reference", given / "images/0.png", "--reference-mask", given / "truth0.png"),
        ],
        RESUME,
    ),
    "segment": Case(
        write_worlds,
        lambda given: named("segment", given, "--class", "red circle", "--class", "blue square"),
        OVERWRITE,
    ),
    "discover": Case(
        write_worlds,
        lambda given: ["discover", given / "images", "--questions", 2, "--rounds", 1],
        OVERWRITE,
        scripted_vlm,
    ),
    "export": Case(
        write_clip, lambda given: ["export", given / "labels", "-f", "coco", "-f", "yolo"], OVERWRITE
    ),
}


def contents(folder: Path) -> dict[str, object]:
    """All files; JSON without times."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            found[name] = path.read_bytes()
            if path.suffix == ".json":
                found[name] = without_times(json.loads(path.read_bytes()))
    return found


def without_times(value: object) -> object:
    """The JSON value without what tells how long it took."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in ("timings", "seconds")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", CASES)
def test_killed_commands(name: str, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed again and again at random moments, then left to end."""
    case = CASES[name]
    case.patch(monkeypatch)
    given = tmp_path / "given"
    given.mkdir()
    case.write(given)
    arguments = [str(argument) for argument in case.arguments(given)]

    def run(out: Path, *flags: str) -> None:
        cli.main([*arguments, "-o", str(out), *flags], prog_name="vos")

    # In this process: what the command imports and loads is there for all that are forked.
    first = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "whole")])
    assert first.exit_code == 0, first.output
    whole = contents(tmp_path / "whole")
    begun = time.monotonic()
    timed = Child(lambda: run(tmp_path / "again"), tmp_path / "log")
    assert timed.wait() == 0, timed.errors
    longest = time.monotonic() - begun
    assert contents(tmp_path / "again") == whole
    rng = random.Random(f"{name} {part}")
    kills = batch = 0
    while kills < KILLS:
        out = tmp_path / f"out{batch}"
        batch += 1
        flags: tuple[str, ...] = ()
        is_over = False
        while kills < KILLS and not is_over:
            child = Child(lambda out=out, flags=flags: run(out, *flags), tmp_path / "log")
            time.sleep(rng.uniform(0, longest))
            child.send(9)
            code = child.wait()
            assert code in (0, -9), child.errors
            is_over = code == 0
            kills += not is_over
            flags = case.again
            check_whole(out)
        last = Child(lambda out=out, flags=flags: run(out, *flags), tmp_path / "log")
        assert last.wait() == 0, last.errors
        assert contents(out) == whole
        assert not [*tmp_path.glob(".vos-*"), *out.rglob(".vos-*")]
