"""The script that makes the package's own model."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from vos.detectors.attention.blip import BlipMatcher
from vos.detectors.attention.segment import SegmentSettings, segment_images
from vos.detectors.attention.text_prompts import build_prompts
from vos.detectors.synthetic.world import world_scene, world_vocabulary

SCRIPT = Path(__file__).resolve().parents[2] / "training" / "synthetic_blip.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """``training/synthetic_blip.py`` as a module."""
    spec = importlib.util.spec_from_file_location("synthetic_blip", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["synthetic_blip"] = module  # where its dataclasses look for their annotations
    spec.loader.exec_module(module)
    return module


def tiny(script: ModuleType, **changes: object) -> object:
    """A recipe of a second."""
    size = {"vision_width": 32, "text_width": 32, "canvas": 48, "sides": (40, 64), "images_per_step": 4}
    return script.Recipe(**{**size, "scenes": 6, "steps": 4, "warmup": 1, **changes})


def test_the_same_seed_gives_the_same_weights(script):
    """All weights, bit by bit; another seed gives others; every part of the model learns."""
    a, b, other = (script.train(tiny(script, seed=seed)).model.state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["itm_head.weight"], other["itm_head.weight"])
    torch.manual_seed(3)
    fresh = script.build_model(tiny(script)).state_dict()
    for part in ("vision_model.embeddings.patch", "text_encoder.embeddings.word", "itm_head"):
        assert not any(torch.equal(a[name], fresh[name]) for name in a if name.startswith(part))


def test_it_learns(script):
    """On a handful of scenes patches soon go to sentences that are true."""
    seen = []
    script.train(tiny(script, steps=60), lambda _, losses: seen.append(losses["explaining"]))
    assert sum(seen[-5:]) < 0.6 * sum(seen[:5])


def test_explaining_is_zero_only_where_true_sentences_hold_every_patch(script):
    """Two sentences, two patches; a patch in the padding may say what it likes."""
    truth, filled = torch.tensor([[True, False]]), torch.tensor([[True, False]])
    right = torch.tensor([[[50.0, 0.0], [0.0, 50.0]]])
    assert script.explaining_loss(right, truth, filled, 1, 1.0) == pytest.approx(0, abs=1e-6)
    assert script.explaining_loss(right, truth, ~filled, 1, 0.0) == pytest.approx(50)
    assert script.explaining_loss(-right, truth, filled, 1, 0.0) == pytest.approx(50)


def test_the_command_writes_a_model_and_a_log(script, tmp_path, monkeypatch):
    """What it writes loads as any BLIP does, in half precision, and the log has a row."""
    out, log = tmp_path / "model", tmp_path / "log.csv"
    arguments = ["--out", out, "--log", log, "--steps", 2, "--scenes", 4]
    monkeypatch.setattr(sys, "argv", ["synthetic_blip.py", *map(str, arguments)])
    script.main()
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2"]
    assert float(rows[0]["matching"]) > 0
    assert (out / "model.safetensors").stat().st_size < 1.2e6
    matcher = BlipMatcher.load(out, canvas=96)
    encoded = matcher.encode_prompts(build_prompts(world_vocabulary()))
    result = next(segment_images(matcher, encoded, [world_scene(1).image], SegmentSettings(crf="none")))
    assert result.labels.shape == (96, 96)
