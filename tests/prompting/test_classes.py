"""From names to masks in one frame."""

from __future__ import annotations

import numpy as np
import pytest
from scripted_detector import ScriptedDetector

from vos.detectors.base import Detection
from vos.detectors.points import point_pair
from vos.ops.boxes import tight_box
from vos.prompting.class_names import ClassSettings, class_instances, label_instances, prompts_of
from vos.testing import Scene, ScriptedBackbone, scene

NAMES = {1: "dog", 2: "cat", 3: "dog"}


@pytest.fixture(scope="module")
def clip() -> Scene:
    """Seven objects, of which three have names."""
    return scene("crowd", num_frames=1, size=(90, 130), seed=2)


@pytest.mark.parametrize("points", [False, True])
def test_masks_of_all_instances(clip: Scene, points: bool) -> None:
    """Class by class as named, best first within a class, with the masks the backbone knows."""
    detector = ScriptedDetector(clip, NAMES, score={1: 0.6, 2: 0.95, 3: 0.8}, points=points)
    found = class_instances(clip.frames[0], ["dog", "cat"], detector, ScriptedBackbone(clip))
    assert [(entry.name, entry.score) for entry in found] == [("dog", 0.8), ("dog", 0.6), ("cat", 0.95)]
    for entry, object_id in zip(found, (3, 1, 2), strict=True):
        assert np.array_equal(entry.mask, clip.labels[0] == object_id)
    labels = label_instances(found, [1, 2, 3])
    assert set(np.unique(labels)) == {0, 1, 2, 3}


def test_the_cascade(clip: Scene) -> None:
    """Three passes: the prompt, then the mask with it, then the mask and its box; all objects in one call."""
    backbone = ScriptedBackbone(clip)
    class_instances(clip.frames[0], ["dog", "cat"], ScriptedDetector(clip, NAMES, points=True), backbone)
    first, second, third = backbone.calls
    assert [len(call.prompts) for call in backbone.calls] == [6, 6, 6]  # with and without the box
    assert [prompt.box is not None for prompt in first.prompts] == [False, True] * 3
    assert all(prompt.points is not None and prompt.low_res is None for prompt in first.prompts)
    assert all(prompt.low_res is not None for call in (second, third) for prompt in call.prompts)
    assert [prompt.box is not None for prompt in second.prompts] == [False, True] * 3
    assert all(prompt.box is not None for prompt in third.prompts)


@pytest.mark.parametrize("right", ["pair", "box"])
def test_the_prompt_with_the_better_mask_counts(clip: Scene, right: str) -> None:
    """Of the two prompts of a find: the mask the backbone thinks more of."""
    truth = clip.labels[0] == 1

    class Doubting(ScriptedBackbone):
        """Half of the object, with half the score, for one of the two prompts."""

        def decode(self, features, prompts, **options):
            candidates = super().decode(features, prompts, **options)
            wrong = 1 if right == "pair" else 0
            candidates.logits[wrong::2, :, tight_box(truth)[1] + 3 :] = -10
            candidates.scores[wrong::2] /= 2
            return candidates

    detector = ScriptedDetector(clip, {1: "dog"}, points=True)
    (found,) = class_instances(clip.frames[0], ["dog"], detector, Doubting(clip))
    assert np.array_equal(found.mask, truth)


def test_a_mask_that_ran_away_gives_way_to_one_that_did_not(clip: Scene) -> None:
    """However sure the backbone is of it; but it speaks against a find that is not the best of its name."""

    class Sure(ScriptedBackbone):
        def decode(self, features, prompts, **options):
            candidates = super().decode(features, prompts, **options)
            candidates.logits[::2] = 10  # of the points without the box: everything
            candidates.scores[::2] = 2
            return candidates

    detector = ScriptedDetector(clip, NAMES, score={1: 0.7, 3: 0.9}, points=True)
    found = class_instances(clip.frames[0], ["dog", "cat"], detector, Sure(clip))
    assert [entry.name for entry in found] == ["dog", "cat"]
    for entry, object_id in zip(found, (3, 2), strict=True):
        assert np.array_equal(entry.mask, clip.labels[0] == object_id)


def test_one_object_has_one_name(clip: Scene) -> None:
    """Two finds with one mask: the better one stays, whatever it is called."""
    box = clip.boxes[0][1]

    class Twice:
        def detect(self, image, names):
            return [Detection("dog", 0.7, box, None, None), Detection("animal", 0.9, box, None, None)]

    found = class_instances(clip.frames[0], ["dog", "animal"], Twice(), ScriptedBackbone(clip))
    assert [entry.name for entry in found] == ["animal"]


def test_limits(clip: Scene) -> None:
    """The best instance only; a score that is not reached; a find without a mask."""
    detector = ScriptedDetector(clip, NAMES, score={1: 0.6, 3: 0.8})
    backbone = ScriptedBackbone(clip)
    best = class_instances(clip.frames[0], ["dog"], detector, backbone, ClassSettings(instances=1))
    assert [entry.score for entry in best] == [0.8]
    strict = class_instances(clip.frames[0], ["dog"], detector, backbone, ClassSettings(min_score=0.7))
    assert [entry.score for entry in strict] == [0.8]
    assert class_instances(clip.frames[0], ["bird"], detector, backbone) == []

    class Nowhere:
        def detect(self, image, names):
            empty = np.argwhere(clip.labels[0] == 0)[0]
            y, x = (int(v) for v in empty)
            return [Detection("dog", 0.9, (x, y, x, y), None, None)]

    assert class_instances(clip.frames[0], ["dog"], Nowhere(), backbone) == []


def test_a_mask_that_ran_away_is_dropped(clip: Scene) -> None:
    """Attention on a corner of a large object and on all of a small one: the large mask is not about it."""
    image = clip.frames[0].image
    small, large = sorted((1, 2), key=lambda k: (clip.labels[0] == k).sum())

    class Strays(ScriptedDetector):
        def detect(self, image, names):
            found = super().detect(image, names)
            corner = np.zeros(clip.labels[0].shape, np.float32)
            y, x = np.argwhere(clip.labels[0] == large)[0]
            corner[y, x] = 1
            pair = point_pair(corner)
            return [*found, Detection("dog", 0.8, pair.box, corner, pair)]

    backbone = ScriptedBackbone(clip)
    detector = Strays(clip, {small: "dog"}, points=True)
    (found,) = class_instances(clip.frames[0], ["dog"], detector, backbone)
    assert np.array_equal(found.mask, clip.labels[0] == small)
    # Alone, the same find is the best of its name.
    detector = Strays(clip, {}, points=True)
    assert len(class_instances(clip.frames[0], ["dog"], detector, backbone)) == 1
    assert len(detector.detect(image, ["dog"])) == 1


def test_what_the_backbone_is_told(clip: Scene) -> None:
    """A detector's find is its box; attention gives a point on the object and one off it, and a box too."""
    image = clip.frames[0].image
    (box,) = prompts_of(ScriptedDetector(clip, NAMES).detect(image, ["cat"])[0])
    pair, both = prompts_of(ScriptedDetector(clip, NAMES, points=True).detect(image, ["cat"])[0])
    assert box.points is None
    assert pair.box is None
    assert pair.labels is not None
    assert pair.labels.tolist() == [1, 0]
    for prompt in (box, both):
        assert prompt.box is not None
        assert tuple(prompt.box) == clip.boxes[0][2]
