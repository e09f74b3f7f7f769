"""The scripted models answer with the truth, keep their protocols, and record what they were asked."""

import numpy as np
import pytest
import torch

from vos.backbones.base import Backbone, Guidance
from vos.prompts import Prompt, mask_targets
from vos.testing import ScriptedBackbone, ScriptedTracker, Shape, line, scene
from vos.trackers.base import Tracker
from vos.trackers.propagate import propagate

SHAPES = [Shape(1, line((11.5, 15.5)), 8.0, "box"), Shape(4, line((35.5, 15.5)), 8.0, "box")]


@pytest.fixture
def clip():
    """Two boxes, each of 16 x 16 pixels on whole cells of 8: columns 4..19 and 28..43, rows 8..23."""
    return scene(SHAPES, num_frames=3, size=(37, 50), noise=2)


def points(*xy, labels=None):
    labels = [1] * len(xy) if labels is None else labels
    return Prompt(points=np.array(xy, np.float32), labels=np.array(labels))


def test_scripted_models_fit_the_protocols(clip):
    """They can stand wherever a model stands."""
    assert isinstance(ScriptedBackbone(clip), Backbone)
    assert isinstance(ScriptedTracker(clip), Tracker)


def test_features_are_unit_columns_that_cover_the_image(clip):
    """The grid has one cell per 8 pixels, the last ones smaller, and every column has length 1."""
    features = ScriptedBackbone(clip).encode(clip.frames[0].image)
    assert features.grid.shape == (3, 5, 7)
    assert features.image_size == (37, 50)
    assert torch.allclose(features.grid.norm(dim=0), torch.ones(5, 7))
    assert features.grid[:, 1, 3].tolist() == pytest.approx([np.sqrt(0.5), 0, np.sqrt(0.5)])


def test_objects_of_one_look_have_one_feature(clip):
    """With ``appearance`` two objects cannot be told apart by their features."""
    grid = ScriptedBackbone(clip, appearance={4: 1}).encode(clip.frames[0].image).grid
    assert grid.shape[0] == 2
    assert torch.allclose(grid[:, 1, 1], grid[:, 1, 4].new_tensor([0.0, 1.0]))
    assert torch.allclose(grid[:, 1, 3], torch.tensor([0.5, 0.5]) / np.sqrt(0.5))


@pytest.mark.parametrize(
    "prompt",
    [
        points((30, 10), (31, 12), (5, 9)),
        points((30, 10), (5, 9), (6, 9), labels=[1, 0, 0]),
        Prompt(box=np.array([26, 6, 45, 26], np.float32)),
        Prompt(mask=np.arange(37 * 50).reshape(37, 50) % 50 > 30),
        Prompt(low_res=np.where(np.arange(12) > 6, 1.0, -1.0).astype(np.float32)[None].repeat(9, axis=0)),
    ],
)
def test_every_kind_of_prompt_finds_its_object(clip, prompt):
    """Points by majority of the positive ones; box, mask and low-res logits by overlap."""
    backbone = ScriptedBackbone(clip)
    candidates = backbone.decode(backbone.encode(clip.frames[1].image), [prompt])
    logits, scores = candidates.best()
    assert np.array_equal(logits[0] > 0, clip.labels[1] == 4)
    assert scores[0] == pytest.approx(0.9)


def test_low_res_logits_can_be_fed_back(clip):
    """The decoder's own answer is a prompt for the same object."""
    backbone = ScriptedBackbone(clip)
    features = backbone.encode(clip.frames[0].image)
    first = backbone.decode(features, [points((10, 10))], multimask=False)
    assert first.low_res.shape == (1, 1, 10, 13)
    again = backbone.decode(features, [Prompt(low_res=first.low_res[0, 0].numpy())], multimask=False)
    assert torch.equal(first.logits, again.logits)


def test_candidates_are_part_whole_and_box(clip):
    """Three masks, the whole one scored best; one with ``multimask=False``; empty off every object."""
    backbone = ScriptedBackbone(clip)
    features = backbone.encode(clip.frames[0].image)
    three = backbone.decode(features, [points((10, 10)), points((49, 0))])
    assert (three.logits > 0).sum(dim=(2, 3)).tolist() == [[128, 256, 256], [0, 0, 0]]
    assert three.scores[1].tolist() == [0, 0, 0]
    assert backbone.decode(features, [points((10, 10))], multimask=False).logits.shape == (1, 1, 37, 50)
    assert backbone.decode(features, []).logits.shape == (0, 3, 37, 50)


def test_backbone_records_what_it_was_asked(clip):
    """Frames encoded, prompts, guidance and multimask are there for a test to look at."""
    backbone = ScriptedBackbone(clip)
    features = backbone.encode(clip.frames[2].image)
    prompt, guidance = points((10, 10)), Guidance(torch.zeros(5, 7), torch.zeros(3))
    backbone.decode(features, [prompt], guidance=[guidance], multimask=False)
    assert backbone.encoded == [2]
    assert backbone.calls[0].frame_index == 2
    assert backbone.calls[0].prompts[0] is prompt
    assert backbone.calls[0].guidance[0] is guidance
    assert backbone.calls[0].multimask is False


def test_backbone_refuses_an_image_it_does_not_know(clip):
    """A wrong image cannot pass as a frame of the scene."""
    with pytest.raises(ValueError, match="not a frame"):
        ScriptedBackbone(clip).encode(np.zeros((37, 50, 3), np.uint8))


def test_tracker_shows_only_what_it_was_given(clip):
    """Object 4 is not tracked until the user names it, and obeys the user where it is named."""
    corner = np.zeros((37, 50), np.uint8)
    corner[0, 0] = 4
    given = {0: mask_targets(clip.labels[0], (1,)), 1: mask_targets(corner, (4,), 1)}
    tracker = ScriptedTracker(clip)
    results = [s for _, s in propagate(clip.frames, tracker, lambda frame: given.get(frame.index, ()))]
    assert np.unique(results[0].labels).tolist() == [0, 1]
    assert (results[1].labels == 4).sum() == 1
    assert np.array_equal(results[2].labels, clip.labels[2])
    assert results[2].confidence == pytest.approx({1: 0.99**2, 4: 0.99**2})
    assert tracker.calls == [("start", 0, (1,)), ("step", 1, (4,)), ("step", 2, ())]


def test_tracker_state_carries_over(clip):
    """A second tracker goes on where the first one stopped; start forgets all."""
    first, second = ScriptedTracker(clip), ScriptedTracker(clip)
    first.start(clip.frames[0], clip.targets(0))
    first.step(clip.frames[1])
    second.load(first.save())
    assert second.step(clip.frames[2]).confidence == first.step(clip.frames[2]).confidence
    assert second.start(clip.frames[0], mask_targets(clip.labels[0] * 0, (2,), 0)).ids == (2,)
    assert second.step(clip.frames[1]).confidence == {2: 0.99}


def test_tracker_fails_when_told_to(clip):
    """A caller's answer to a failure or to Ctrl-C can be tested."""
    tracker = ScriptedTracker(clip, raise_at=1, error=KeyboardInterrupt())
    tracker.start(clip.frames[0], clip.targets(0))
    with pytest.raises(KeyboardInterrupt):
        tracker.step(clip.frames[1])
