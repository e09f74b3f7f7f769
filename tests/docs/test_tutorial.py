"""The tutorial: every command of the page runs as it stands, and what it says of the result is true."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from vos_cli.main import cli

import vos
from vos.runs.demo import CLIPS, demo_clip

SCRIPTS = Path(__file__).resolve().parents[2] / "docs" / "demo"
IMAGES = SCRIPTS.parent / "images"
DUCK, MUG, ENGINE = CLIPS["train"].names
SAME = 0.1
"""Mean difference of images, in grey levels, below which they show the same masks."""


@pytest.fixture(scope="module")
def tutorial() -> Iterator[ModuleType]:
    """The script that runs the page."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        import tutorial

        yield tutorial
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def overlaps(masks: Path) -> dict[int, NDArray[np.float64]]:
    """Object id -> (T,) IoU of the masks in a folder with the rendered truth."""
    found: dict[int, list[float]] = {k: [] for k in CLIPS["train"].names}
    with demo_clip("train") as clip:
        truths = sorted((clip.truth / clip.about.annotations).glob("*.png"))
        results = sorted(masks.glob("*.png"))
        assert [path.name for path in results] == [path.name for path in truths]
        for result, truth in zip(results, truths, strict=True):
            mine, true = np.asarray(Image.open(result)), np.asarray(Image.open(truth))
            for k, values in found.items():
                either = np.count_nonzero((mine == k) | (true == k))
                values.append(np.count_nonzero((mine == k) & (true == k)) / max(1, either))
    return {k: np.array(values) for k, values in found.items()}


def apart(one: Path | BytesIO, other: Path | BytesIO) -> float:
    """Mean absolute difference of two images of one size, in grey levels."""
    first, second = (np.asarray(Image.open(image), dtype=float) for image in (one, other))
    assert first.shape == second.shape
    return float(np.abs(first - second).mean())


def test_the_click_improves_the_first_mask(tutorial: ModuleType, here: Path) -> None:
    """It is on a wrong pixel of the mask of the engine; the page has the confidence before and after."""
    previews = [step for step in tutorial.steps() if step.text.startswith("vos preview")]
    tutorial.perform(next(tutorial.steps()))
    printed = [tutorial.perform(step) for step in previews]
    masks = []
    for step in previews:
        boxes, points = (re.findall(rf"--{kind} (\S+)", step.text) for kind in ("box", "point"))
        prompts = vos.load_prompts(boxes=boxes, points=points)
        results = vos.track("train/input/clip.mp4", prompts, tracker="classical")
        masks.append(next(results).labels == ENGINE)
    x, y = map(int, re.findall(r"--point 3:(\d+),(\d+),-", previews[1].text)[0])
    with demo_clip("train") as clip:
        path = min((clip.truth / clip.about.annotations).glob("*.png"))
        truth = np.asarray(Image.open(path)) == ENGINE
    assert not truth[y, x]
    assert masks[0][y, x]
    assert not masks[1][y, x]
    before, after = ((mask & truth).sum() / (mask | truth).sum() for mask in masks)
    assert after > before + 0.02
    confidences = [re.findall(r"^\d: .* confidence ([\d.]+)$", text, flags=re.MULTILINE) for text in printed]
    assert confidences == [["0.83", "0.87", "0.83"], ["0.83", "0.87", "0.84"]]
    page = tutorial.PAGE.read_text(encoding="utf-8")
    assert "It is 0.87 for the mug and 0.83 for the duck and the engine." in page
    assert "the confidence of the engine rises to 0.84" in page
    assert apart(IMAGES / "tutorial-boxes.jpg", IMAGES / "tutorial-clicks.jpg") > 2 * SAME


def test_the_page_up_to_the_first_masks(tutorial: ModuleType, here: Path) -> None:
    """The clip is there, and has what the page says and the frames that its numbers are of."""
    first = list(takewhile(lambda step: not step.text.startswith("vos preview"), tutorial.steps()))
    clip, probed, grid = [tutorial.perform(step) for step in first]
    assert "train/input/clip.mp4" in clip
    assert f"frames     {CLIPS['train'].num_frames}" in probed
    assert "320x180" in probed
    assert "grid.png" in grid
    assert (here / "grid.png").is_file()


@pytest.mark.parametrize("page", ["docs/tutorial.md", "docs/quickstart.md", "README.md"])
def test_the_options_of_a_page_exist(tutorial: ModuleType, page: str) -> None:
    """Every command and every option in its blocks of code is one of the program."""
    context = click.Context(cli)
    checked = 0
    for step in tutorial.steps(SCRIPTS.parent.parent / page):
        program, *words = shlex.split(step.text, comments=True) if step.kind == "sh" else [""]
        if program == "vos" and not words[0].startswith("-"):
            command: click.Command | None = cli
            while isinstance(command, click.Group):
                command = command.get_command(context, words.pop(0))
            assert command is not None, step.text
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if re.match("--?[a-z]", word)} <= options, step.text
            checked += 1
    assert checked > 5


@pytest.mark.slow
def test_the_whole_page(tutorial: ModuleType, here: Path) -> None:
    """Every command in order; the result is right, before the correction with one mistake."""
    before: dict[int, NDArray[np.float64]] = {}
    for step in tutorial.steps():
        printed = tutorial.perform(step)
        if step.text.startswith("vos evaluate"):
            score = float(re.search(r"^mean of objects +3 +([\d.]+)", printed, flags=re.MULTILINE)[1])
        elif step.text.startswith("vos track") and not before:
            before = overlaps(here / "out" / "masks")
    after = overlaps(here / "out" / "masks")
    assert before[DUCK].min() + 0.05 < after[DUCK].min() > 0.7  # the mistake that the page corrects
    assert before[DUCK].mean() + 0.03 < after[DUCK].mean()
    for k, floor in {DUCK: 0.78, MUG: 0.88, ENGINE: 0.74}.items():
        assert after[k].mean() > floor, k
    assert len(printed.splitlines()) == CLIPS["train"].num_frames  # the same in Python
    assert f"is about {round(score)} %" in tutorial.PAGE.read_text(encoding="utf-8")
    for name, picture in tutorial.pictures(here):
        assert apart(IMAGES / name, tutorial.jpeg(picture)) < SAME, f"{name}: run docs/demo/tutorial.py"
