"""The built-in engine with the compact network for a judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vos.backbones.nano.backbone import NanoBackbone
from vos.backbones.nano.cues import APPEARANCE, CUES, MASK, WARPED
from vos.backbones.nano.network import NanoConfig, NanoNetwork
from vos.backbones.registry import build_backbone
from vos.errors import SettingsError
from vos.ops.crop import Crop
from vos.prompts import mask_targets
from vos.results import FrameResult
from vos.runs.state import dump_state, load_state
from vos.testing import Scene, scene, tiny_nano_checkpoint
from vos.trackers.base import Tracker
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.frame_context import FrameContext, PreviousFrame
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker
from vos.trackers.nano.cues import ENGINE_CUES, made_up_cues
from vos.trackers.nano.network_input import padded
from vos.trackers.nano.tracker import NanoSettings, NanoTracker, collapsed, shared_out
from vos.trackers.nano.tuning import Reference, TuneSettings, tune
from vos.trackers.registry import build_tracker

pytestmark = pytest.mark.usefixtures("one_thread")

ENGINE = ClassicalSettings(appearance=AppearanceSettings(views=2, samples=500, iterations=60, batch=256))
TUNING = TuneSettings(steps=3, examples=3, batch=2, side=64)
ROUGH = (0.9, 1.1)
TINY = NanoConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0), 12)
WITH_MEMORY = replace(TINY, memory=8, keys=8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_nano_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors", seed=3)


def _clip(name: str = "touching") -> Scene:
    return scene(name, num_frames=4, size=(61, 83))


def _backbone(opinion: float = 0.0, config: NanoConfig = TINY) -> NanoBackbone:
    torch.manual_seed(0)
    network = NanoNetwork(config)
    torch.nn.init.constant_(network.decoder.masks.bias, opinion)
    return NanoBackbone(network)


def _watch(backbone: NanoBackbone, see: Callable[..., object]) -> None:
    """Calls ``see`` with what the tracker gives the decoder, each time."""
    decoder = backbone.network.decoder
    residual = decoder.residual

    def watched(*given: Any) -> torch.Tensor:
        see(*given)
        return residual(*given)

    decoder.residual = watched  # type: ignore[method-assign]


def _follow(tracker: Tracker, clip: Scene) -> list[FrameResult]:
    tracker.start(clip.frames[0], clip.targets(0))
    return [tracker.step(frame) for frame in clip.frames[1:]]


def test_a_network_that_knows_nothing_leaves_the_engine_alone() -> None:
    """A fresh network changes no label: training starts from the engine's score."""
    clip = _clip()
    own = _follow(ClassicalTracker(ENGINE), clip)
    refined = _follow(NanoTracker(_backbone(), NanoSettings(classical=ENGINE)), clip)
    for one, other in zip(own, refined, strict=True):
        assert np.mean(one.labels == other.labels) > 0.9995
    assert set(refined[-1].ids) == set(clip.ids)


def test_the_network_is_heard_as_far_as_its_strength() -> None:
    """A network that sees nothing but background is obeyed, and at strength 0 it is not."""
    clip = _clip("moving")
    temporal_discount = NanoTracker(_backbone(-40.0), NanoSettings(classical=ENGINE))
    assert not any(result.labels.any() for result in _follow(temporal_discount, clip))
    unheard = NanoTracker(_backbone(-40.0), NanoSettings(classical=ENGINE, strength=0))
    assert all(result.labels.any() for result in _follow(unheard, clip))


def test_which_of_two_objects_it_is_stays_with_the_engine() -> None:
    """What is an object's and what is background follows the network; among objects the engine decides, and
    the network where the engine thinks of none."""
    refined = np.array([[0.2, 0.9, 0.2], [0.1, 0.05, 0.1], [0.7, 0.05, 0.7]], np.float32)[..., None]
    belief = np.array([[0.1, 0.1, 1.0], [0.8, 0.6, 0.0], [0.1, 0.3, 0.0]], np.float32)[..., None]
    shared = shared_out(refined, belief)
    np.testing.assert_allclose(shared.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(shared[0], refined[0])
    assert shared[:, :, 0].argmax(axis=0).tolist() == [1, 0, 2]
    one = np.stack([refined[0], 1 - refined[0]])
    np.testing.assert_allclose(shared_out(one, np.stack([belief[0], 1 - belief[0]])), one, atol=1e-6)


@pytest.mark.parametrize("appearance", [0.0, 0.5])
def test_looks_are_told_as_far_as_they_are_trusted(appearance: float) -> None:
    """The network is shown so much of what colours say, and all of what else the engine knows."""
    clip, seen = _clip("moving"), []
    for told in (appearance, 1.0):
        backbone = _backbone()
        _watch(backbone, lambda pyramid, cues, memory_read: seen.append(cues.clone()))
        _follow(NanoTracker(backbone, NanoSettings(classical=ENGINE, appearance=told)), clip)
    some, full = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert full[0][:, APPEARANCE].abs().max() > 0.5
    for one, other in zip(some, full, strict=True):
        torch.testing.assert_close(one[:, APPEARANCE], appearance * other[:, APPEARANCE])
        torch.testing.assert_close(one[:, :APPEARANCE], other[:, :APPEARANCE])


def test_goes_on_from_a_snapshot(checkpoint: Path) -> None:
    """A state that went through bytes, in a new tracker, gives the same labels; tuned as well."""
    clip = _clip()
    for tuned in (False, True):
        settings = NanoSettings(classical=ENGINE, tune=tuned, tuning=TUNING, pixels=2000)

        def fresh(settings: NanoSettings = settings) -> Tracker:
            return NanoTracker(_tiny(checkpoint), settings)

        whole = _follow(fresh(), clip)
        first = fresh()
        first.start(clip.frames[0], clip.targets(0))
        first.step(clip.frames[1])
        second = fresh()
        second.load(load_state(dump_state(first.save())))
        rest = [second.step(frame) for frame in clip.frames[2:]]
        for one, other in zip(whole[1:], rest, strict=True):
            np.testing.assert_array_equal(one.labels, other.labels)


def test_a_memory_holds_the_given_frame_and_the_one_before() -> None:
    """The network reads both, anew in every step: a tracker that was loaded reads the same."""
    clip, seen = _clip(), []

    def fresh() -> NanoTracker:
        backbone = _backbone(config=WITH_MEMORY)
        torch.nn.init.normal_(backbone.network.decoder.masks.weight, std=0.2)
        _watch(backbone, lambda pyramid, cues, memory_read: seen.append(memory_read.clone()))
        return NanoTracker(backbone, NanoSettings(classical=ENGINE, pixels=2000))

    whole = _follow(fresh(), clip)
    first = fresh()
    first.start(clip.frames[0], clip.targets(0))
    first.step(clip.frames[1])
    second = fresh()
    second.load(load_state(dump_state(first.save())))
    np.testing.assert_array_equal(second.step(clip.frames[2]).labels, whole[1].labels)
    torch.testing.assert_close(seen[4], seen[1])
    assert seen[0].shape[:2] == (len(clip.ids), WITH_MEMORY.memory)
    # What was decided about the frame before is remembered: another decision, another reading.
    third = fresh()
    third.load(load_state(dump_state(first.save())))
    third.step(clip.frames[1], mask_targets(np.roll(clip.labels[1], 9, axis=1), clip.ids))
    assert (third.step(clip.frames[2]).labels.shape) == clip.labels[0].shape
    assert not torch.equal(seen[-1], seen[1])


def test_every_frame_is_encoded_once() -> None:
    """The pyramid of the frame before is kept; after loading it is computed once more, and is the same."""
    clip, encoded = _clip("moving"), []
    backbone = _backbone(config=WITH_MEMORY)
    torch.nn.init.normal_(backbone.network.decoder.masks.weight, std=0.2)
    backbone.network.encoder.register_forward_pre_hook(lambda _, given: encoded.append(len(given[0])))
    tracker = NanoTracker(backbone, NanoSettings(classical=ENGINE, pixels=2000))
    tracker.start(clip.frames[0], clip.targets(0))
    tracker.step(clip.frames[1])
    del encoded[:]
    saved = load_state(dump_state(tracker.save()))
    labels = tracker.step(clip.frames[2]).labels
    assert encoded == [1]
    tracker.step(clip.frames[3])
    assert encoded == [1, 1]
    tracker.load(saved)
    again = tracker.step(clip.frames[2]).labels
    assert encoded[2:4] == [1, 1]
    np.testing.assert_array_equal(again, labels)


def test_what_the_engine_has_lost_is_looked_for_by_memory_alone() -> None:
    """The network is shown none of the engine's cues about an object that collapsed, and has its way."""
    clip, seen = _clip("moving"), []
    backbone = _backbone(2.0, WITH_MEMORY)
    _watch(backbone, lambda pyramid, cues, memory_read: seen.append(cues.clone()))
    tracker = NanoTracker(backbone, NanoSettings(classical=ENGINE))
    tracker.start(clip.frames[0], clip.targets(0))
    tracker.step(clip.frames[1])
    assert seen[0][:, MASK].any()
    refiner = tracker.refiner
    contexts: list[FrameContext] = []
    judge_sight = type(refiner).__call__
    tracker._refiner = lambda context: contexts.append(context) or judge_sight(refiner, context)  # type: ignore[func-returns-value]
    tracker.step(clip.frames[2], commit=False)
    lost = replace(
        contexts[0],
        probabilities=np.stack(
            [np.ones_like(b) if k == 0 else np.zeros_like(b) for k, b in enumerate(contexts[0].probabilities)]
        ),
    )
    assert collapsed(lost, 0.25).all()
    assert not collapsed(contexts[0], 0.25).any()
    found = refiner(lost)
    assert not seen[-1][:, [MASK, WARPED, APPEARANCE]].any()
    # A network that gives 2 everywhere: nothing of the classical tracker is left in it.
    np.testing.assert_allclose(found[1], 1 / (1 + np.exp(-2.0)), atol=0.01)

    def a_few_cells(pyramid: Any, cues: torch.Tensor, memory_read: Any) -> torch.Tensor:
        few = torch.full_like(cues[:, 0], -8.0)
        few[..., :3, :3] = 2.0
        return few

    backbone.network.decoder.residual = a_few_cells  # type: ignore[method-assign]
    assert refiner(lost)[1].max() < 0.01, "they are taken for the object"


def _tiny(checkpoint: Path) -> NanoBackbone:
    backbone = build_backbone("nano", checkpoint=checkpoint)
    assert isinstance(backbone, NanoBackbone)
    return backbone


def test_a_correction_is_taken_and_remembered(checkpoint: Path) -> None:
    """A given mask at a later frame is shown as given, and a new object is followed from there on."""
    clip = _clip()
    tracker = NanoTracker(_tiny(checkpoint), NanoSettings(classical=ENGINE))
    tracker.start(clip.frames[0], mask_targets(clip.labels[0], (1,)))
    told = tracker.step(clip.frames[1], clip.targets(1))
    np.testing.assert_array_equal(told.labels, clip.labels[1])
    assert set(tracker.step(clip.frames[2]).ids) == set(clip.ids)


def test_tuning_fits_the_last_layers_alone() -> None:
    """Given frames change the decoder's last layers, nothing else; twice the same; the original is kept."""
    backbone = _backbone()
    before = {k: v.clone() for k, v in backbone.network.state_dict().items()}
    clip = _clip()
    references = (Reference(clip.frames[0].image, clip.labels[0]),)
    tuned, again = (tune(backbone, references, tuple(clip.ids), TUNING) for _ in range(2))
    after = tuned.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(("decoder.join.2", "decoder.fine", "decoder.masks")) for name in changed)
    assert all(torch.equal(value, again.network.state_dict()[name]) for name, value in after.items())
    assert all(torch.equal(value, backbone.network.state_dict()[name]) for name, value in before.items())


def test_tuning_learns_to_mend() -> None:
    """After tuning the network mends rough masks of the object better than before."""
    backbone, clip = _backbone(), _clip("moving")
    references = (Reference(clip.frames[0].image, clip.labels[0]),)
    tuned = tune(
        backbone,
        references,
        tuple(clip.ids),
        TuneSettings(steps=200, examples=4, side=64, learning_rate=3e-2, perturbation=ROUGH),
    )
    assert _error(tuned, clip) < 0.8 * _error(backbone, clip)


def _error(backbone: NanoBackbone, clip: Scene) -> float:
    """Share of wrong pixels after mending six rough masks of the first frame."""
    rng = np.random.default_rng(7)
    picture, (height, width) = padded(clip.frames[0].image)
    truth = np.zeros(picture.shape[:2], bool)
    truth[:height, :width] = clip.labels[0] > 0
    cues = torch.zeros(6, len(CUES), *truth.shape)
    for row in cues:
        row[list(ENGINE_CUES)] = torch.from_numpy(made_up_cues(truth, picture, rng, ROUGH))
    with torch.inference_mode():
        pyramid = backbone.network.encoder(backbone.to_input(picture[None]))
        logits = backbone.network.decoder(pyramid, cues)[0]
    return float(((logits > 0).numpy() != truth).mean())


def test_nothing_to_tune_on() -> None:
    """Objects that are not to be seen in the given frames leave the network as it is."""
    backbone = _backbone()
    reference = Reference(np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40), np.uint8))
    assert tune(backbone, (reference,), (1,), TUNING) is backbone


def test_built_by_name(checkpoint: Path) -> None:
    """Settings and --tune arrive; what it cannot do is refused."""
    tracker = build_tracker("nano", checkpoint=str(checkpoint), settings={"strength": 0.5}, tune=True)
    assert isinstance(tracker, NanoTracker)
    assert tracker.refiner.settings.strength == 0.5
    assert tracker.info.settings is tracker.refiner.settings
    assert tracker.refiner.settings.tune
    with pytest.raises(SettingsError, match="strength must be in"):
        build_tracker("nano", checkpoint=str(checkpoint), settings={"strength": 2.0})
    with pytest.raises(SettingsError, match="variant"):
        build_tracker("nano", checkpoint=str(checkpoint), settings={"variant": "as-published"})
    with pytest.raises(SettingsError, match="pixels must be at least 1"):
        build_tracker("nano", checkpoint=str(checkpoint), settings={"pixels": -5})
    for wrong in ({"steps": 0}, {"side": 40}, {"rate": 0.0}, {"rate": np.nan}, {"roughness": (0.9, 0.1)}):
        with pytest.raises(SettingsError):
            build_tracker("nano", checkpoint=str(checkpoint), settings={"tuning": wrong})


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_an_object_has_collapsed_by_its_area_in_the_frame(scale: float) -> None:
    """Areas of the crop are compared with those of the frame at the crop's scale."""
    side = round(40 * scale)
    probabilities = np.zeros((3, side, side), np.float32)
    probabilities[0] = 0.1
    probabilities[1, : round(10 * scale), : round(20 * scale)] = 0.9  # half of what it was
    probabilities[2, -round(20 * scale) :, -round(20 * scale) :] = 0.9  # all of it
    before = np.zeros((40, 40), np.uint8)
    before[:20, :20], before[20:, 20:] = 1, 2
    context: Any = SimpleNamespace(
        probabilities=probabilities,
        ids=(1, 2),
        crop=Crop(0, 0, 40, 40, side, side),
        previous=PreviousFrame(np.zeros((40, 40, 3), np.uint8), before, Crop(0, 0, 40, 40, side, side)),
    )
    assert collapsed(context, 0.6).tolist() == [True, False]
    assert collapsed(context, 0.4).tolist() == [False, False]
    context.previous = None
    assert collapsed(context, 0.6).tolist() == [False, False]
