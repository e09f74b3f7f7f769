"""Which model is recommended, by device, speed and the weights that are here."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from vos_cli.main import cli

from vos.backbones.weights.catalog import OWN_WEIGHTS, WEIGHTS
from vos.backbones.weights.location import find
from vos.trackers import recommend as module
from vos.trackers.recommend import recommend, seconds
from vos.trackers.registry import TRACKERS


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty weights cache, an empty cache of the Hub, and a machine of known speed."""
    monkeypatch.setenv("VOS_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(module, "gflops", lambda device, half=False: 100.0 if device == "cpu" else 50_000.0)
    monkeypatch.setattr(module, "_is_usable", lambda entry: True)
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def put(weights: Path, name: str) -> None:
    """A file as long as the published one, in the cache."""
    file = weights / WEIGHTS[name].file
    file.touch()
    os.truncate(file, WEIGHTS[name].size)


def put_in_hub(weights: Path, repository: str) -> Path:
    """A repository as the Hub's library caches it."""
    place = weights.parent / "hub" / f"models--{repository.replace('/', '--')}"
    folder = place / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    for name in ("config.json", "model.safetensors"):
        (folder / name).touch()
    return folder


def test_the_best_that_is_here(weights: Path) -> None:
    """On a card: nano without weights, what is here with some; the better one is named until it is here."""
    none = recommend("cuda")
    assert (none.model, none.better) == ("nano", "sam2.1-large")
    (weights / OWN_WEIGHTS["edgetam"].file).touch()
    assert recommend("cuda").model == "edgetam"
    put(weights, "sam2.1-small")
    some = recommend("mps")
    assert (some.model, some.fetch, round(some.megabytes)) == (
        "sam2.1-small",
        "vos models download sam2.1-large",
        898,
    )
    assert "`vos models download sam2.1-large`, 898 MB" in some.line
    put(weights, "sam2.1-large")
    best = recommend("cuda")
    assert (best.model, best.better, best.key_every) == ("sam2.1-large", "", 1)


def test_a_partial_file_does_not_count(weights: Path) -> None:
    """A download that was broken off is shorter than what was published."""
    (weights / WEIGHTS["sam2.1-tiny"].file).write_bytes(b"half")
    assert find("sam2.1-tiny") is None
    assert recommend("cuda").model == "nano"


def test_the_cache_of_the_hub(weights: Path) -> None:
    """Weights that the Hub's own library fetched are used where they lie."""
    folder = put_in_hub(weights, WEIGHTS["sam2.1-base-plus"].hub)
    assert find("sam2.1-base-plus") == folder
    assert recommend("cuda").model == "sam2.1-base-plus"
    assert OWN_WEIGHTS["sam3"].hub == "facebook/sam3"


def test_on_a_processor(weights: Path) -> None:
    """A strong model on as many key frames as the budget allows; another where it allows too few."""
    put(weights, "sam2.1-tiny")
    every = [recommend("cpu", budget=budget).key_every for budget in (10, 5, 3.5, 2, 1.1)]
    assert every == [1, 2, 3, 5, 10]
    few = recommend("cpu", budget=2)
    assert few.model == "sam2.1-tiny"
    assert few.seconds == pytest.approx(seconds(TRACKERS["sam2.1-tiny"], 1, 100, 5))
    assert "every 5th frame" in few.line
    slow = recommend("cpu", budget=0.2)
    assert slow.model == "nano"
    assert "sam2.1-tiny is here but would take" in slow.why
    assert recommend("cpu", budget=2, objects=10).model == "nano"
    assert recommend("cpu", budget=5, key_every=7).key_every == 7


def test_a_package_that_is_missing(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose package is not installed is not taken."""
    (weights / OWN_WEIGHTS["edgetam"].file).touch()
    monkeypatch.setattr(module, "_is_usable", lambda entry: not entry.package)
    assert recommend("cuda").model == "nano"


def test_command(weights: Path) -> None:
    """One line that says what and why; a device that is not there is refused."""
    said = CliRunner().invoke(cli, ["models", "recommend", "--device", "cpu"])
    assert said.exit_code == 0, said.output
    assert said.output.startswith("--model nano: ")
    assert "s per frame" in said.output
    found = CliRunner().invoke(cli, ["models", "recommend", "--device", "cpu", "--json"])
    assert json.loads(found.output)["model"] == "nano"


def test_a_device_that_is_not_there() -> None:
    """Said in one line."""
    refused = CliRunner().invoke(cli, ["models", "recommend", "--device", "abacus"])
    assert refused.exit_code == 4
    assert "cannot use device 'abacus'" in refused.output


@pytest.mark.parametrize(("native", "faster"), [("bfloat16", module.NATIVE_16), ("float32", 1.0)])
def test_16_bits_on_a_processor(native: str, faster: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that may compute in 16 bits is expected to be faster where the processor does so natively."""
    from vos.backbones.sam import backbone

    monkeypatch.setattr(backbone, "auto_dtype", lambda device: native)
    ticks = itertools.count()
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(ticks)))
    plain, half = (module.gflops.__wrapped__("cpu", may) for may in (False, True))
    assert half == pytest.approx(faster * plain)
