"""The bundled clip: it is what its script renders, its masks fit it, and it can be tracked and scored."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image
from vos_cli.main import cli

from vos.runs.demo import NAMES, NUM_FRAMES, QUICK_FRAMES, demo_clip, demo_targets
from vos.video import open_video

SCRIPTS = Path(__file__).resolve().parent.parent / "docs" / "demo"
TINY = (48, 84)
CAR, SECOND_CAR, CATERPILLAR, BALL, TOP = NAMES


@pytest.fixture(scope="module")
def toyroom() -> Iterator[ModuleType]:
    """The package that renders the clip, as its script imports it."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        for name in ("film", "darkroom", "story"):
            importlib.import_module(f"toyroom.{name}")
        yield sys.modules["toyroom"]
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def truth() -> NDArray[np.uint8]:
    """(T, H, W) the exact masks that come with the clip."""
    with demo_clip() as clip:
        folder = clip.truth / "Annotations" / "480p" / "demo"
        return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])


def test_clip_and_masks_fit(truth: NDArray[np.uint8]) -> None:
    """As many frames as masks, of the same size, at 24 a second."""
    with demo_clip() as clip, open_video(clip.video) as video:
        sizes = [frame.size for frame in video.frames()]
        assert video.info.fps == pytest.approx(24)
    assert len(sizes) == len(truth) == NUM_FRAMES
    assert set(sizes) == {truth.shape[1:]}


def test_masks_show_five_objects(truth: NDArray[np.uint8]) -> None:
    """All are there at the start, in the first mask too, and no other id ever is."""
    assert np.unique(truth).tolist() == [0, *NAMES]
    assert np.unique(truth[0]).tolist() == [0, *NAMES]
    with demo_clip() as clip:
        assert np.array_equal(np.asarray(Image.open(clip.first_mask)), truth[0])
        targets = demo_targets(clip)
    assert [(target.object_id, target.name) for target in targets] == list(NAMES.items())


@pytest.mark.parametrize("object_id", [SECOND_CAR, BALL])
def test_objects_leave_and_come_back(truth: NDArray[np.uint8], object_id: int) -> None:
    """The second car drives out of the picture, the ball rolls behind the blocks; both return for good."""
    seen = (truth == object_id).any(axis=(1, 2))
    changes = np.flatnonzero(np.diff(seen.astype(int)))
    assert seen[0]
    assert len(changes) == 2
    assert changes[1] - changes[0] >= 8


def test_the_script_renders_these_masks(toyroom: ModuleType, truth: NDArray[np.uint8]) -> None:
    """Pixel for pixel, at the start, in the fast turn and where the cars cross."""
    for frame in (0, 31, 80):
        assert np.array_equal(toyroom.film.true_labels(frame, truth.shape[1:]), truth[frame])


def test_rendering_is_deterministic(toyroom: ModuleType) -> None:
    """The same frame twice is the same picture; another frame is not."""

    def picture(frame: int) -> NDArray[np.uint8]:
        layers = toyroom.film.expose(frame, TINY, 2)
        return toyroom.darkroom.develop(toyroom.darkroom.denoise(layers), frame)

    first = picture(31)
    assert first.shape == (*TINY, 3)
    assert np.array_equal(picture(31), first)
    assert not np.array_equal(picture(60), first)


def test_the_script_renders_this_clip(toyroom: ModuleType) -> None:
    """A frame rendered small looks like the clip's frame made small, and unlike others."""
    layers = toyroom.film.expose(31, TINY, 6)
    rendered = toyroom.darkroom.develop(toyroom.darkroom.denoise(layers), 31).astype(float)
    with demo_clip() as clip, open_video(clip.video) as video:
        frames = (frame for frame in video.frames(1, 92) if frame.index % 30 == 1)
        apart = {frame.index: distance(frame.image, rendered) for frame in frames}
    assert min(apart, key=apart.__getitem__) == 31
    assert apart[31] < 14


def distance(image: NDArray[np.uint8], small: NDArray[np.float64]) -> float:
    """Mean difference in grey levels between a picture made small and a small one."""
    shrunk = Image.fromarray(image).resize(TINY[::-1], Image.Resampling.BOX)
    return float(np.abs(np.asarray(shrunk, dtype=float) - small).mean())


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """``vos demo --quick`` and where it wrote."""
    out = tmp_path_factory.mktemp("demo") / "out"
    return out, CliRunner().invoke(cli, ["demo", "--quick", "-o", str(out)], catch_exceptions=False)


def test_demo_tracks_and_scores(quick: tuple[Path, Result]) -> None:
    """The built-in engine holds all five objects over half a second."""
    out, result = quick
    assert result.exit_code == 0, result.output
    scores = json.loads((out / "scores.json").read_text())
    assert [row["object"] for row in scores["per_sequence"]] == list(NAMES)
    for row in scores["per_sequence"]:
        assert (row["J-Mean"] + row["F-Mean"]) / 2 > FLOOR[row["object"]], row["object"]


FLOOR = {CAR: 0.77, SECOND_CAR: 0.79, CATERPILLAR: 0.80, BALL: 0.75, TOP: 0.77}
"""J&F that every object must reach in a quick run: about five points below what was measured."""


def test_demo_says_where_things_are(quick: tuple[Path, Result], truth: NDArray[np.uint8]) -> None:
    """What it names exists: masks, overlay, annotations, scores, and the clip with its truth."""
    out, result = quick
    for path in (
        out / "masks" / "demo",
        out / "overlay.mp4",
        out / "annotations.json",
        out / "run.json",
        out / "scores.json",
        out / "input" / "clip.mp4",
    ):
        assert str(path) in result.output
        assert path.exists()
    assert len(list((out / "masks" / "demo").glob("*.png"))) == QUICK_FRAMES
    assert np.array_equal(np.asarray(Image.open(out / "masks" / "demo" / "00000.png")), truth[0])


def test_the_commands_it_names_work(quick: tuple[Path, Result]) -> None:
    """``vos evaluate`` as printed gives the same scores."""
    out, result = quick
    command = next(line for line in result.output.splitlines() if "vos evaluate" in line)
    arguments = command.split("vos ", 1)[1].split()
    again = CliRunner().invoke(cli, [*arguments, "--json", "-"], catch_exceptions=False)
    assert json.loads(again.output)["global"] == json.loads((out / "scores.json").read_text())["global"]


def test_demo_does_not_replace_a_result_unasked(quick: tuple[Path, Result]) -> None:
    """A second run into the same folder is refused; --overwrite replaces a run and its truth."""
    out, _ = quick
    refused = CliRunner().invoke(cli, ["demo", "--quick", "-o", str(out)])
    assert refused.exit_code == 2
    assert "--overwrite" in refused.output
