"""Training of the compact network: short runs from scratch."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from training.nano import recordings as recordings_module
from training.nano import train as training
from training.nano.clips import ClipSettings, make_clip
from training.nano.losses import candidate_loss, match, quality_loss
from training.nano.mean import mean_of
from training.nano.photographs import Photographs
from training.nano.recordings import Recording, disturbed, record
from training.nano.samples import Recordings, SampleSettings
from training.nano.train import Recipe, Run, begin_with, resume, save, start, train
from vos.backbones.nano.backbone import NanoBackbone
from vos.backbones.nano.cues import APPEARANCE, BOX, MASK, OFF, ON, SIMILAR, WARPED
from vos.backbones.nano.network import NanoConfig, NanoNetwork, Pyramid, half_precision
from vos.backbones.registry import build_backbone
from vos.errors import InputError, ModelError
from vos.testing import tiny_nano_checkpoint
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.tracker import ClassicalSettings

TINY = NanoConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0), 12)


def _recipe(**changes: object) -> Recipe:
    sizes = {"network": TINY, "samples": SampleSettings(side=64), "steps": 6, "batch": 4, "warmup": 2}
    return Recipe(**{**sizes, **changes})  # type: ignore[arg-type]


def _trained(recipe: Recipe, folder: Path, until: int | None = None) -> Run:
    return train(start(recipe), Recordings(folder, recipe.samples, recipe.seed), until=until)


def test_the_same_seed_gives_the_same_weights(recordings_folder: Path) -> None:
    """All weights, bit by bit; another seed gives others; every part of the network learns."""
    a, b, other = (
        _trained(_recipe(seed=seed), recordings_folder).averaged.state_dict() for seed in (3, 3, 4)
    )
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["decoder.masks.weight"], other["decoder.masks.weight"])
    fresh = start(_recipe(seed=3)).network.state_dict()
    for part in ("encoder.stages.0", "encoder.mix", "decoder.read", "decoder.masks", "decoder.quality"):
        assert not any(torch.equal(a[n], fresh[n]) for n in a if n.startswith(part) and "weight" in n)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(recordings_folder: Path, tmp_path: Path) -> None:
    """Weights, averages and time are all there: stopped half-way and gone on is the same, bit by bit."""
    recipe = _recipe()
    whole = _trained(recipe, recordings_folder)
    save(_trained(recipe, recordings_folder, until=3), tmp_path)
    half = resume(recipe, tmp_path)
    assert half.step == 3
    rest = train(half, Recordings(recordings_folder, recipe.samples, recipe.seed))
    for one, other in ((whole.network, rest.network), (whole.averaged, rest.averaged)):
        assert all(torch.equal(v, other.state_dict()[k]) for k, v in one.state_dict().items())


def test_batches_are_the_same_whoever_makes_them(recordings_folder: Path) -> None:
    """Two processes that make batches give the weights that a thread gives."""
    recipe = _recipe(steps=3)
    whole = _trained(recipe, recordings_folder).network.state_dict()
    recordings = Recordings(recordings_folder, recipe.samples, recipe.seed)
    other = train(start(recipe), recordings, workers=2).network.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in whole.items())


def test_it_learns(recordings_folder: Path) -> None:
    """On three clips masks are soon better than the engine's that it was given."""
    seen: list[dict[str, float]] = []
    recipe = _recipe(steps=120, batch=8, rate=5e-3, samples=SampleSettings(side=64, prompted=0.0))
    train(
        start(recipe),
        Recordings(recordings_folder, recipe.samples),
        watch=lambda run, measured: seen.append(measured),
    )
    assert seen[0]["after"] == pytest.approx(seen[0]["before"], abs=1e-3)
    late = {name: np.mean([row[name] for row in seen[-20:]]) for name in seen[0]}
    assert late["after"] > late["before"] + 0.01
    assert late["matching"] < 0.8 * np.mean([row["matching"] for row in seen[:10]])


def test_a_sample_is_a_function_of_seed_and_step(recordings_folder: Path) -> None:
    """The same crop of the same recording; cues in bounds; prompts are prompts and trackers trackers."""
    recordings = Recordings(recordings_folder, SampleSettings(side=64, prompted=0.5), seed=2)
    one, two, other = recordings.batch(4, 24), recordings.batch(4, 24), recordings.batch(5, 24)
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.cues, two.cues)
    assert not torch.equal(one.cues, other.cues)
    assert one.images.shape == one.references.shape == (24, 3, 64, 64)
    assert one.images.abs().max() <= 1
    assert one.cues.abs().max() <= 1
    assert not one.cues[:, SIMILAR].any()
    prompted = one.cues[:, [ON, OFF, BOX]].abs().flatten(1).amax(dim=1) > 0
    assert prompted.any()
    assert not prompted.all()
    assert not one.cues[prompted & one.ambiguous][:, [MASK, WARPED, APPEARANCE]].any()
    assert not (one.ambiguous & ~prompted).any()


def test_truth_goes_with_the_image(recordings_folder: Path) -> None:
    """The engine's mask and the truth overlap after cutting, turning and mirroring as before."""
    recordings = Recordings(
        recordings_folder, SampleSettings(side=64, prompted=0, dropped=0, softened=0, region_errors=0.3)
    )
    batch = recordings.batch(0, 32)
    predicted, truth = batch.cues[:, MASK] > 0, batch.truth > 0.5
    common = (predicted & truth).flatten(1).sum(dim=1)
    overlap = common / (predicted | truth).flatten(1).sum(dim=1).clamp_min(1)
    assert overlap.median() > 0.6


def test_photographs_are_used_as_they_are(recordings_folder: Path, photographs_folder: Path) -> None:
    """A still has cues of its own making that are mostly right, and mistakes in some."""
    settings = SampleSettings(side=64, prompted=0, dropped=0, appearance_dropped=0, softened=0, still=1.0)
    recordings = Recordings(recordings_folder, settings, 0, Photographs(photographs_folder))
    batch = recordings.batch(0, 24)
    predicted, truth = batch.cues[:, MASK] > 0, batch.truth > 0.5
    assert truth.flatten(1).any(dim=1).all()
    overlap = (predicted & truth).flatten(1).sum(dim=1) / (predicted | truth).flatten(1).sum(dim=1)
    assert overlap.median() > 0.6
    assert overlap.min() < 0.95
    assert batch.cues[:, [WARPED, APPEARANCE]].abs().flatten(1).amax(dim=1).min() > 0.2


def test_a_run_may_begin_with_weights(tmp_path: Path) -> None:
    """A run begins with the weights of a file, and refuses those of a network of another size."""
    recipe = _recipe()
    path = tiny_nano_checkpoint(tmp_path / "tiny.safetensors", seed=4)
    run = start(recipe)
    begin_with(run, path)
    expected = load_file(path)["decoder.masks.weight"].float()
    assert torch.equal(run.network.state_dict()["decoder.masks.weight"], expected)
    assert torch.equal(run.averaged.state_dict()["decoder.masks.weight"], expected)
    with pytest.raises(ModelError, match="holds a network of"):
        begin_with(start(_recipe(network=NanoConfig())), path)


def test_only_the_best_candidate_of_an_ambiguous_prompt_must_be_right() -> None:
    """One right candidate of three costs little where the prompt is ambiguous, and much where it is not."""
    truth = torch.zeros(1, 8, 8)
    truth[:, 2:6, 2:6] = 1
    right = 20 * truth[:, None] - 10
    logits = torch.cat([right, -right, -right], dim=1)
    ambiguous, clear = (candidate_loss(logits, truth, torch.tensor([a])) for a in (True, False))
    assert ambiguous < 0.2 * clear
    assert candidate_loss(right.expand(1, 3, 8, 8), truth, torch.tensor([False])) < 0.01
    perfect = torch.tensor([[20.0, -20.0, -20.0]])
    assert quality_loss(perfect, logits, truth) < 1e-6
    assert quality_loss(-perfect, logits, truth) > 0.9


def test_matching_is_rewarded() -> None:
    """Features that tell the object from the rest cost less than features that do not, and give a cue."""
    mask = torch.zeros(1, 32, 32)
    mask[:, 8:24, 8:24] = 1
    cells = torch.nn.functional.adaptive_avg_pool2d(mask[:, None], 4)
    features = torch.cat([cells, 1 - cells], dim=1)
    alike = torch.ones_like(features)
    generator = torch.Generator().manual_seed(0)
    good, cue = match(Pyramid((), features), Pyramid((), features), mask, mask, generator)
    bad, nothing = match(Pyramid((), alike), Pyramid((), alike), mask, mask, generator)
    assert good < 0.1 * bad
    assert cue[0][mask[0] > 0.5].mean() > 0.3 > cue[0][mask[0] < 0.5].mean() + 0.3
    assert not nothing.any()
    none, unknown = match(
        Pyramid((), features), Pyramid((), features), torch.zeros_like(mask), mask, generator
    )
    assert float(none) == 0
    assert not unknown.any()


def test_disturbing_keeps_probabilities() -> None:
    """Disturbed probabilities sum to one and differ near an outline; without one they stay as they are."""
    probabilities = np.zeros((3, 40, 40), np.float32)
    probabilities[1, 10:30, 10:30] = 1
    probabilities[0] = 1 - probabilities[1]
    changed = [disturbed(probabilities, np.random.default_rng(seed)) for seed in range(8)]
    assert any((c != probabilities).any() for c in changed)
    for c in changed:
        np.testing.assert_allclose(c.sum(axis=0), 1, atol=1e-5)
    empty = np.zeros((2, 40, 40), np.float32)
    empty[0] = 1
    assert disturbed(empty, np.random.default_rng(0)) is empty


def test_a_network_may_refine_while_it_is_recorded() -> None:
    """The engine continues from the refined masks; what is recorded is its own result."""
    torch.manual_seed(0)
    network = NanoNetwork(TINY)
    own = _recorded(NanoBackbone(network))
    torch.nn.init.constant_(network.decoder.masks.bias, -40.0)
    gone = _recorded(NanoBackbone(network))
    plain = _recorded(None)
    assert (plain.frames[0].cues[0, 0] > 0).any()
    np.testing.assert_array_equal(gone.frames[0].cues, plain.frames[0].cues)
    assert (plain.frames[1].cues[0, 1] > 0).any()
    assert not (gone.frames[1].cues[:, 1] > 0).any()
    for one, other in zip(own.frames, plain.frames, strict=True):
        assert np.mean((one.cues[:, 0] > 0) == (other.cues[:, 0] > 0)) > 0.99


def _recorded(backbone: NanoBackbone | None) -> Recording:
    """The same clip, undisturbed but for the network."""
    engine = ClassicalSettings(
        pixels=6000, appearance=AppearanceSettings(views=2, samples=400, iterations=30, batch=128)
    )
    rng = np.random.default_rng(1)
    return record(make_clip(None, rng, ClipSettings(height=(64, 80), frames=3)), rng, engine, backbone)


def test_the_commands_make_recordings_a_log_and_a_model(
    photographs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recordings are kept when asked for again; the log has rows; the weights load as --checkpoint does."""
    clips, out = tmp_path / "clips", tmp_path / "run"
    arguments = ["--data", photographs_folder, "--out", clips, "--clips", 1]
    monkeypatch.setattr(sys, "argv", ["recordings", *map(str, arguments)])
    recordings_module.main()
    (file,) = clips.iterdir()
    written = file.stat().st_mtime_ns
    recordings_module.main()
    assert file.stat().st_mtime_ns == written
    arguments = [
        "--recordings",
        clips,
        "--out",
        out,
        "--steps",
        2,
        "--batch",
        2,
        "--side",
        64,
        "--log-every",
        1,
    ]
    monkeypatch.setattr(sys, "argv", ["train", *map(str, arguments)])
    training.main()
    with (out / "log.csv").open(newline="") as rows:
        assert [row["step"] for row in csv.DictReader(rows)] == ["1", "2"]
    (weights,) = out.glob("*.safetensors")
    build_backbone("nano", checkpoint=weights)
    assert weights.stat().st_size < 10_000_000
    with pytest.raises(SystemExit, match="--resume"):
        training.main()


def test_what_cannot_be_done_is_said(recordings_folder: Path, tmp_path: Path) -> None:
    """No recordings, nothing to resume, another recipe, sizes that do not fit."""
    with pytest.raises(InputError, match=r"training\.nano\.recordings"):
        Recordings(tmp_path, SampleSettings())
    with pytest.raises(InputError, match="resume"):
        resume(_recipe(), tmp_path)
    save(_trained(_recipe(steps=1), recordings_folder), tmp_path)
    with pytest.raises(InputError, match="followed the recipe"):
        resume(_recipe(steps=2), tmp_path)
    with pytest.raises(ValueError, match="multiple of 32"):
        SampleSettings(side=100)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        _recipe(steps=0)


def test_the_mean_of_checkpoints(tmp_path: Path) -> None:
    """Every weight is the mean of the files' weights; networks of other sizes are refused."""
    files = [tiny_nano_checkpoint(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2)]
    one, two = (load_file(path) for path in files)
    mean = mean_of(files).state_dict()
    for name, value in one.items():
        torch.testing.assert_close(mean[name], (value.float() + two[name].float()) / 2)
    save_file(half_precision(NanoNetwork(NanoConfig((8, 8, 16, 16, 16)))), tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="checkpoints of one run"):
        mean_of([files[0], tmp_path / "other.safetensors"])
