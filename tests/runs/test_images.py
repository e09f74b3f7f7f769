"""Single images in memory."""

from __future__ import annotations

import numpy as np

import vos
from vos.detectors.base import Detection
from vos.testing import ScriptedBackbone, scene

CLIP = scene("crossing", num_frames=2, size=(64, 96), seed=1)


class Detector:
    """Finds what it is told to, by boxes."""

    def find(self, image, names):
        boxes = [CLIP.boxes[0][k] for k in (1, 2)]
        return [Detection(name, 0.8, box, None, None) for name, box in zip(names, boxes, strict=False)]


def test_detect_gives_masks_and_names() -> None:
    """Every instance has an id, a name, a mask and the detector's score."""
    result, names = vos.detect(
        CLIP.frames[0].image, ["red", "blue"], detector=Detector(), backbone=ScriptedBackbone(CLIP)
    )
    assert names == {1: "red", 2: "blue"}
    assert np.array_equal(result.labels, CLIP.labels[0])
    assert result.confidence == {1: 0.8, 2: 0.8}
    assert set(result.source.values()) == {vos.Source.DETECTED}


def test_detect_of_nothing() -> None:
    """No instance is an empty result, not an error."""

    class Blind:
        def find(self, image, names):
            return []

    result, names = vos.detect(
        CLIP.frames[0].image, ["red"], detector=Blind(), backbone=ScriptedBackbone(CLIP)
    )
    assert (result.ids, names) == ((), {})
    assert not result.labels.any()


def test_persam_finds_the_target_in_another_image() -> None:
    """Learned from one image and its mask, found in the next."""
    find = vos.persam(CLIP.frames[0].image, CLIP.labels[0] == 1, backbone=ScriptedBackbone(CLIP, stride=4))
    found = find(CLIP.frames[1].image)
    truth = CLIP.labels[1] == 1
    assert (found.mask(1) & truth).sum() > 0.9 * truth.sum()
    assert found.source == {1: vos.Source.DETECTED}
