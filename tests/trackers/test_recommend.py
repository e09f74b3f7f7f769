"""Which model is recommended, by device and by the weights that are here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from vos_cli.main import cli

from vos.trackers.recommend import WITH_ACCELERATOR, recommend
from vos.trackers.registry import TRACKERS


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty weights cache."""
    monkeypatch.setenv("VOS_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_the_best_that_is_here(weights: Path) -> None:
    """On a card: nano without weights, what is here with some; the better one is named until it is here."""
    assert set(WITH_ACCELERATOR) <= set(TRACKERS)
    none = recommend("cuda")
    assert (none.model, none.better) == ("nano", "sam2.1-large")
    (weights / "edgetam.pt").touch()
    assert recommend("cuda").model == "edgetam"
    (weights / "sam2.1_hiera_small.pt").touch()
    some = recommend("mps")
    assert (some.model, some.fetch) == ("sam2.1-small", "vos models download sam2.1-large")
    (weights / "sam2.1_hiera_large.pt").touch()
    best = recommend("cuda")
    assert (best.model, best.better) == ("sam2.1-large", "")
    assert recommend("cpu").model == "nano"


def test_command(weights: Path) -> None:
    """One line that says what and why; a device that is not there is refused."""
    said = CliRunner().invoke(cli, ["models", "recommend", "--device", "cpu"])
    assert said.exit_code == 0, said.output
    assert said.output.startswith("--model nano: ")
    found = CliRunner().invoke(cli, ["models", "recommend", "--device", "cpu", "--json"])
    assert json.loads(found.output)["model"] == "nano"
    refused = CliRunner().invoke(cli, ["models", "recommend", "--device", "abacus"])
    assert refused.exit_code == 4
    assert "cannot use device 'abacus'" in refused.output
