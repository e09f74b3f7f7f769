"""``vos track --model nano`` with a network that nobody trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import load_file, save_file
from vos_cli.main import cli

from vos.backbones.weights.location import sha256_of
from vos.results import FrameResult
from vos.testing import scene, tiny_nano_checkpoint, write_images, write_labels
from vos.trackers.nano.tracker import NanoTracker

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = """
tracker:
  classical: {appearance: {views: 2, samples: 400, iterations: 40, batch: 128}}
  tuning: {steps: 2, examples: 2, side: 64}
"""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``images/``, ``masks/``, ``nano.safetensors`` and a recipe that learns little."""
    folder = tmp_path_factory.mktemp("given")
    clip = scene("still", num_frames=4, size=(61, 84), seed=1)
    write_images(clip, folder / "images")
    write_labels(clip, folder / "masks")
    tiny_nano_checkpoint(folder / "nano.safetensors", seed=3)
    (folder / "quick.yaml").write_text(QUICK)
    return folder


def track(given: Path, out: Path, *more: str) -> Result:
    """The command on the images; more options follow."""
    start = ["track", str(given / "images"), "-m", str(given / "masks" / "00000.png"), "-o", str(out)]
    return CliRunner().invoke(cli, [*start, "--model", "nano", *more])


@pytest.mark.parametrize("how", [[], ["--tune"], ["--dtype", "bfloat16"]], ids=" ".join)
def test_it_tracks(given: Path, tmp_path: Path, how: list[str]) -> None:
    """A mask for every frame, the first one as given."""
    weights = ["--checkpoint", str(given / "nano.safetensors"), "--config", str(given / "quick.yaml")]
    result = track(given, tmp_path / "out", *weights, *how)
    assert result.exit_code == 0, result.output
    masks = sorted((tmp_path / "out").rglob("*.png"))
    assert len(masks) >= 4
    first = next(path for path in masks if path.stem == "00000")
    expected = np.asarray(Image.open(given / "masks" / "00000.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(first)), expected)


def test_it_tracks_with_the_weights_of_the_package(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to fetch: offline, and with an empty cache, the object is followed."""
    monkeypatch.setenv("VOS_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("VOS_OFFLINE", "1")
    result = track(given, tmp_path / "out", "--config", str(given / "quick.yaml"))
    assert result.exit_code == 0, result.output
    for path in sorted((given / "masks").glob("*.png")):
        found = np.asarray(Image.open(tmp_path / "out" / "masks" / path.name)) > 0
        truth = np.asarray(Image.open(path)) > 0
        assert (found & truth).sum() > 0.8 * (found | truth).sum()


def test_unusable_weights_are_refused(given: Path, tmp_path: Path) -> None:
    """NaN in the weights, and the recipe of another kind of model: exit code 4, and nothing left behind."""
    state = load_file(given / "nano.safetensors")
    next(iter(state.values())).fill_(torch.nan)
    save_file(state, tmp_path / "nan.safetensors")
    result = track(given, tmp_path / "out", "--checkpoint", str(tmp_path / "nan.safetensors"))
    assert result.exit_code == 4, result.output
    assert "nan.safetensors" in result.output
    result = track(
        given, tmp_path / "out", "--checkpoint", str(given / "nano.safetensors"), "--recipe", "parity"
    )
    assert result.exit_code == 2, result.output
    assert not (tmp_path / "out").exists()


def test_a_run_does_not_go_on_with_other_weights(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says which weights and settings; a stopped run refuses others under the same name."""
    weights, out = tmp_path / "mine.safetensors", tmp_path / "out"
    tiny_nano_checkpoint(weights, seed=3)
    how = ["--checkpoint", str(weights), "--config", str(given / "quick.yaml")]

    step, steps = NanoTracker.step, []

    def stopping(self: NanoTracker, *rest: Any, **options: Any) -> FrameResult:
        steps.append(rest)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return step(self, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(NanoTracker, "step", stopping)
        assert track(given, out, *how).exit_code == 130
    tiny_nano_checkpoint(weights, seed=4)
    result = track(given, out, *how, "--resume")
    assert result.exit_code != 0
    assert "weights.sha256" in result.output
    tiny_nano_checkpoint(weights, seed=3)
    assert track(given, out, *how, "--resume").exit_code == 0
    record = json.loads((out / "run.json").read_text())
    assert record["weights"]["sha256"] == sha256_of(weights)
    assert record["engine"]["appearance"] == 0.5
    assert record["engine"]["tuning"]["steps"] == 2
