"""The detector's seam, the synthetic world, and the table of models; a tiny random model does for these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vos.detectors.attention.blip import BlipMatcher
from vos.detectors.attention.detector import AttentionDetector, AttentionDetectorSettings, instance_parts
from vos.detectors.attention.registry import LANGUAGE_MODELS, build_language_model
from vos.detectors.attention.segment import SegmentSettings, segment_images
from vos.detectors.attention.text_prompts import Vocabulary, build_prompts
from vos.detectors.attention.tuning import load_tuned, save_tuned
from vos.detectors.base import Detector
from vos.detectors.synthetic.world import CLASS_NAMES, DUSK, world_lexicon, world_scene, world_vocabulary
from vos.errors import ModelError, PromptError, SettingsError
from vos.ops.boxes import tight_box

from ..random_blip import CANVAS, save_random_blip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint."""
    return save_random_blip(tmp_path_factory.mktemp("blip"))


@pytest.fixture(scope="module")
def matcher(folder: Path) -> BlipMatcher:
    """The tiny random model; with one background word, so that classes win somewhere."""
    lexicon = Vocabulary(("grass",), world_vocabulary().classes)
    return build_language_model("blip", checkpoint=folder, canvas=CANVAS, lexicon=lexicon)


def test_what_is_found_hangs_together(matcher):
    """With a gate that lets all through, box, point and map of each find agree; best first."""
    settings = AttentionDetectorSettings(min_gate=0)
    detector = AttentionDetector(matcher, segment=SegmentSettings(crf="none"), settings=settings)
    assert isinstance(detector, Detector)
    found = []
    for i in range(6):
        image = world_scene(4_000_000 + i, size=(60, 90)).image
        finds = detector.detect(image, ["red circle", "blue square", "yellow ring"])
        assert [entry.score for entry in finds] == sorted((entry.score for entry in finds), reverse=True)
        found += finds
    assert found
    for entry in found:
        assert entry.values.shape == (60, 90)
        assert entry.values.max() == pytest.approx(1)
        assert entry.box == tight_box(entry.values > 1e-6)
        x, y = entry.pair.positive
        assert entry.values[y, x] == entry.values.max()
        assert 0 < entry.score <= 1


def test_the_gate_keeps_out_what_is_not_there(matcher):
    """A gate nothing passes finds nothing."""
    detector = AttentionDetector(matcher, settings=AttentionDetectorSettings(min_gate=1.1))
    assert detector.detect(world_scene(1).image, ["red circle"]) == []


def test_weak_regions_of_a_name_are_left_out(matcher):
    """Next to the best region of its name: with a share of 1 only that one stays."""

    def find(image, share):
        settings = AttentionDetectorSettings(min_gate=0, min_share=0, min_area=0, min_relative=share)
        detector = AttentionDetector(matcher, segment=SegmentSettings(crf="none"), settings=settings)
        return detector.detect(image, ["red circle"])

    images = [world_scene(4_100_000 + i, size=(60, 90)).image for i in range(6)]
    image = next(image for image in images if len(find(image, 0)) > 1)
    everything, best = find(image, 0), find(image, 1)
    assert len(best) == 1
    assert best[0].score == everything[0].score
    share = everything[1].score / everything[0].score
    assert len(find(image, share - 1e-4)) >= 2


def test_instances_are_parts_large_enough():
    """Specks and parts much smaller than the largest are left out; the largest comes first."""
    mask = np.zeros((50, 50), bool)
    mask[0:10, 0:10] = mask[20:40, 20:40] = mask[45, 45] = True
    large, both = (
        AttentionDetectorSettings(min_area=0.01, min_share=0.5),
        AttentionDetectorSettings(min_area=0.01, min_share=0.1),
    )
    assert [int(part.sum()) for part in instance_parts(mask, large)] == [400]
    assert [int(part.sum()) for part in instance_parts(mask, both)] == [400, 100]
    assert instance_parts(np.zeros((5, 5), bool)) == []


def test_unknown_names_are_refused_with_the_vocabulary(matcher):
    """A closed world lists what it knows; an open one asks for plain words."""
    image = np.zeros((96, 96, 3), np.uint8)
    with pytest.raises(PromptError, match=r"lacks 'dog'.*plain words"):
        AttentionDetector(matcher).detect(image, ["dog"])
    closed = BlipMatcher(
        matcher.model, matcher.tokenizer, canvas=CANVAS, lexicon=world_lexicon(), closed=True
    )
    with pytest.raises(PromptError, match=r"lacks 'dog'.*purple cross"):
        AttentionDetector(closed).detect(image, ["dog"])


def test_sentences_that_are_too_long_are_refused(matcher):
    """More tokens than the model has positions for."""
    name = "red " * 12 + "circle"
    with pytest.raises(PromptError, match="limit of the model is 12"):
        matcher.encode_prompts(build_prompts(world_vocabulary(), template="Image of " + name + " {}."))


def test_the_world_is_the_same_for_the_same_seed():
    """Frames, classes and instances; another seed is another scene; a video moves."""
    a, b, c = world_scene(7), world_scene(7), world_scene(8)
    assert (a.image == b.image).all()
    assert (a.classes() == b.classes()).all()
    assert not np.array_equal(a.image, c.image)
    video = world_scene(7, num_frames=4, size=(60, 80), names=("red ring", "blue cross"))
    assert len(video.scene) == 4
    assert video.scene.frames[0].image.shape == (60, 80, 3)
    assert not np.array_equal(video.scene.frames[0].image, video.scene.frames[3].image)
    assert set(np.unique(video.classes(2))) <= {
        0,
        CLASS_NAMES.index("red ring") + 1,
        CLASS_NAMES.index("blue cross") + 1,
    }


def test_a_shape_comes_into_the_world_when_it_is_told_to():
    """It is out of sight before its frame, seen from it on; the others are there at once."""
    for seed in range(5):
        video = world_scene(
            seed, num_frames=10, size=(72, 96), names=("red ring", "blue square"), enter=(0, 4)
        )
        seen = [bool((labels == 2).any()) for labels in video.scene.labels]
        assert seen == [False] * 4 + [True] * 6
        assert (video.scene.labels == 1).any(axis=(1, 2)).all()
        area = (video.scene.labels == 2).sum(axis=(1, 2))
        assert area[9] > area[4]
    with pytest.raises(ValueError, match="2 shapes and 1"):
        world_scene(1, names=("red ring", "blue square"), enter=(0,))


def test_light_changes_colours_alone():
    """The same scene at dusk: the same classes, each channel by its factor."""
    day, dusk = world_scene(3), world_scene(3, light=DUSK)
    assert (day.classes() == dusk.classes()).all()
    np.testing.assert_allclose(dusk.image, day.image * np.array(DUSK), atol=0.51)


def test_world_vocabulary():
    """Twenty classes; for names of a user all that is not asked for is background."""
    assert len(world_vocabulary().classes) == 20
    assert world_vocabulary().background == ("grass", "sand", "stone", "water")
    assert set(CLASS_NAMES) < set(world_lexicon().background)


def test_batches_of_any_sizes_give_the_same_labels(matcher):
    """Pictures of different sizes, three a pass or one a pass."""
    images = [world_scene(50 + i, size=size).image for i, size in enumerate([(96, 96), (70, 110), (99, 61)])]
    encoded = matcher.encode_prompts(build_prompts(world_vocabulary()))
    alone, together = (
        list(segment_images(matcher, encoded, images, SegmentSettings(crf="none", batch_size=n)))
        for n in (1, 3)
    )
    for a, b, image in zip(alone, together, images, strict=True):
        assert a.labels.shape == image.shape[:2]
        assert np.mean(a.labels == b.labels) > 0.999
        torch.testing.assert_close(a.unary, b.unary, atol=1e-4, rtol=0)


def test_models_by_name():
    """An unknown name lists the known ones; weights that are not there say how to get them."""
    assert {"blip", "synthetic", "vlm"} <= set(LANGUAGE_MODELS)
    with pytest.raises(ModelError, match="blip, synthetic, vlm"):
        build_language_model("clip")
    with pytest.raises(ModelError, match="hf download"):
        build_language_model("blip", checkpoint="/nowhere")


def test_a_model_of_another_kind_is_refused(matcher):
    """Something without a text encoder that looks at the image, and a canvas the patches do not fill."""
    with pytest.raises(ModelError, match="retrieval"):
        BlipMatcher(torch.nn.Linear(1, 1))
    with pytest.raises(SettingsError, match="multiple of the 8 px"):
        matcher.set_canvas(100)


def test_tuned_weights_fit_their_model_only(matcher, folder, golden_matcher, tmp_path):
    """What is saved comes back; another model, and a file of another kind, are refused."""
    path = tmp_path / "tuned.safetensors"
    save_tuned(path, matcher, (1, 3), ["red circle"])
    other = build_language_model("blip", checkpoint=folder, canvas=CANVAS)
    assert load_tuned(path, other) == (1, 3)
    assert other.default_layers == (1, 3)
    with pytest.raises(ModelError, match="another model"):
        load_tuned(path, golden_matcher)
    path.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="vos tune"):
        load_tuned(path, other)
