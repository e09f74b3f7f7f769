"""The model that comes with the package, on scenes of its world that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vos.detectors.attention.blip import BlipMatcher, EncodedPrompts
from vos.detectors.attention.detector import AttentionDetector
from vos.detectors.attention.protocol import score
from vos.detectors.attention.registry import build_language_model
from vos.detectors.attention.segment import SegmentSettings, rank_layers, segment_images
from vos.detectors.attention.text_prompts import build_prompts, load_vocabulary
from vos.detectors.attention.tuning import TuningSettings, keeping_weights, make_support, tune
from vos.detectors.synthetic.world import (
    CLASS_NAMES,
    DUSK,
    GROUNDS,
    SHAPES,
    WorldScene,
    world_scene,
    world_vocabulary,
)
from vos.errors import ModelError, PromptError
from vos.ops.boxes import box_iou

HELD_OUT = 3_000_000


class Example:
    """A scene as the scoring wants it."""

    def __init__(self, world: WorldScene) -> None:
        self.world = world

    def read_image(self) -> np.ndarray:
        return self.world.image

    def read_labels(self) -> np.ndarray:
        return self.world.classes()


def mean_iou(matcher: BlipMatcher, encoded: EncodedPrompts, worlds: list[WorldScene], *layers: int) -> float:
    """Over 21 classes, at the resolution of the scenes, without CRF."""
    settings = SegmentSettings(layers=layers or None, crf="none", batch_size=8)
    return score(matcher, encoded, [Example(world) for world in worlds], settings).original.mean_iou


@pytest.fixture(scope="module")
def matcher() -> BlipMatcher:
    """As installed."""
    return build_language_model("synthetic")


@pytest.fixture(scope="module")
def encoded(matcher: BlipMatcher) -> EncodedPrompts:
    """All classes of the world."""
    return matcher.encode_prompts(build_prompts(world_vocabulary()))


def test_names_become_masks(matcher, encoded):
    """Every class is seen in new scenes; the default layers beat the last by far; InfoScore finds them."""
    shown = [tuple(CLASS_NAMES[(i + 5 * k) % 20] for k in range(4)) for i in range(15)]
    worlds = [world_scene(HELD_OUT + i, names=names) for i, names in enumerate(shown)]
    chosen, last = mean_iou(matcher, encoded, worlds), mean_iou(matcher, encoded, worlds, 3)
    assert chosen > 0.5
    assert chosen > 5 * last
    ranking = rank_layers(matcher, encoded, [world.image for world in worlds], batch_size=8).ranking
    assert set(ranking[:2]) == set(matcher.default_layers)


def test_a_named_shape_is_found_where_it_is(matcher):
    """Box and map lie on the shape; a shape that is not in the scene is not found."""
    detector = AttentionDetector(matcher)
    found, overlaps = 0, []
    for i in range(8):
        world = world_scene(HELD_OUT + 100 + i, size=(96, 128), names=("red circle", "blue square"))
        finds = detector.detect(world.image, ["red circle", "blue square", "yellow triangle"])
        assert "yellow triangle" not in [entry.name for entry in finds[:2]]
        for instance, name in enumerate(world.names, start=1):
            best = next((entry for entry in finds if entry.name == name), None)
            if best is not None:
                mask, truth = best.values > 0, world.scene.labels[0] == instance
                overlaps.append((mask & truth).sum() / (mask | truth).sum())
                found += 1
    assert found >= 14
    assert np.mean(overlaps) > 0.65


def test_the_same_answer_every_time(matcher, encoded):
    """A second copy of the model gives the same maps bit by bit."""
    image = world_scene(HELD_OUT + 200).image
    other = build_language_model("synthetic")
    a, b = (next(segment_images(m, encoded, [image])) for m in (matcher, other))
    assert (a.labels == b.labels).all()
    assert torch.equal(a.unary, b.unary)


@pytest.mark.parametrize("name", ["dog", "circle red", "red", "green circle"])
def test_what_it_cannot_know_is_refused(matcher, name):
    """An unknown word, and known words that make no name, are refused with the whole vocabulary."""
    with pytest.raises(PromptError, match=rf"'{name}'.*knows: red circle, .*purple cross$"):
        AttentionDetector(matcher).detect(world_scene(1).image, ["red circle", name])


def test_names_are_read_as_people_write_them(matcher):
    """Capitals and the second word for a shape mean the same shape; a ground is a name too."""
    world = world_scene(HELD_OUT + 500, size=(96, 128), names=("red circle", "blue square"))
    detector = AttentionDetector(matcher)
    plain = detector.detect(world.image, ["red circle", "blue square", world.ground])
    spoken = detector.detect(world.image, ["Red Circle", "BLUE box", world.ground.upper()])
    for name, other in (("red circle", "Red Circle"), ("blue square", "BLUE box")):
        box, same = (
            next(entry.box for entry in finds if entry.name == called)
            for finds, called in ((plain, name), (spoken, other))
        )
        assert box_iou(box, same) > 0.8, name
    ground = next(entry for entry in spoken if entry.name == world.ground.upper())
    assert (world.scene.labels[0][ground.values > 0] == 0).mean() > 0.8


def test_one_shot_tuning_carries_it_to_dusk(matcher, encoded):
    """In a light it never saw it sees half as well; one scene per class, tuned on, brings that back."""
    worlds = [world_scene(HELD_OUT + 300 + i, light=DUSK) for i in range(12)]
    supports = []
    for i, name in enumerate(CLASS_NAMES):
        world = world_scene(HELD_OUT + 400 + i, names=(name,), light=DUSK)
        supports.append(make_support(matcher, world.image, world.classes()))
    before = mean_iou(matcher, encoded, worlds)
    with keeping_weights(matcher, matcher.default_layers):
        losses = tune(
            matcher, encoded, supports, matcher.default_layers, TuningSettings(passes=3, learning_rate=4e-3)
        )
        after = mean_iou(matcher, encoded, worlds)
    assert losses[-1] < losses[0]
    assert after > before + 0.1
    assert mean_iou(matcher, encoded, worlds) == before


def test_it_takes_no_checkpoint():
    """There is but one; the message says which detector takes a folder."""
    with pytest.raises(ModelError, match="'blip'"):
        build_language_model("synthetic", checkpoint="folder")


def test_its_vocabulary_has_a_name():
    """Recipes call it "synthetic"; the words in that file are those of the shapes that are drawn."""
    vocabulary = load_vocabulary("synthetic")
    assert vocabulary.background == tuple(GROUNDS)
    assert tuple(entry.name for entry in vocabulary.classes) == CLASS_NAMES
    for entry in vocabulary.classes:
        colour, shape = entry.name.split()
        assert entry.synonyms == (f"{colour} {SHAPES[shape][0]}",)


def test_what_is_shipped_is_small():
    """Half-precision weights, configuration, words: less than four megabytes in all."""
    import vos

    folder = Path(vos.__file__).parent / "assets" / "synthetic_blip"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4e6
