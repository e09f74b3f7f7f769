"""Single images in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from detectors.tiny_vlm import tiny_llava

import vos
from vos.backbones.registry import build_backbone
from vos.detectors.base import Detection
from vos.detectors.vl_sam.discovery import DiscoverSettings, discover
from vos.errors import InputError, SettingsError
from vos.testing import ScriptedBackbone, scene

CLIP = scene("crossing", num_frames=2, size=(64, 96), seed=1)


class Detector:
    """Finds what it is told to, by boxes."""

    def detect(self, image, names):
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


def test_detect_takes_one_name() -> None:
    """A name alone is one class, not its letters."""
    _, names = vos.detect(CLIP.frames[0].image, "red", detector=Detector(), backbone=ScriptedBackbone(CLIP))
    assert names == {1: "red"}


def test_detect_leaves_out_low_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for detectors that leave that to whoever reads their scores."""
    monkeypatch.setattr("vos.runs.images.build_detector", lambda name, **options: Detector())
    for least, count in ((0.7, 2), (0.9, 0)):
        result, _ = vos.detect(
            CLIP.frames[0].image, ["red", "blue"], backbone=ScriptedBackbone(CLIP), min_score=least
        )
        assert len(result.ids) == count


def test_detect_of_nothing() -> None:
    """No instance is an empty result, not an error."""

    class Blind:
        def detect(self, image, names):
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


FLOATS = CLIP.frames[0].image / 255
BUILT = ScriptedBackbone(CLIP, stride=4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vos.segment_image(FLOATS, CLIP.targets(0)), r"float64; \(255"),
        (lambda: vos.detect(FLOATS, "red", detector=Detector(), backbone=BUILT), r"float64; \(255"),
        (lambda: vos.detect(CLIP.frames[0].image, [], detector=Detector()), "no class is named"),
        (lambda: vos.detect(CLIP.frames[0].image, ["a", "a"], detector=Detector()), "named twice"),
        (lambda: vos.persam(FLOATS, CLIP.labels[0] == 1, backbone=BUILT), r"float64; \(255"),
        (lambda: vos.persam(CLIP.frames[0].image, CLIP.labels[0], backbone=BUILT), "mask must be .* bool"),
        (
            lambda: vos.persam(CLIP.frames[0].image, CLIP.labels[0] == 1, backbone=BUILT)(FLOATS),
            r"float64; \(255",
        ),
        (
            lambda: vos.segment_image(CLIP.frames[0].image, CLIP.targets(0), backbone=BUILT, device="cuda"),
            "device: for a backbone that is given by its name",
        ),
        (
            lambda: vos.detect(CLIP.frames[0].image, "red", detector=Detector(), weights="x"),
            "weights: for a detector that is given by its name",
        ),
    ],
)
def test_natural_mistakes(call: Callable[[], object], message: str) -> None:
    """An image of floats, a label map for a mask, options of what is built already."""
    with pytest.raises(InputError, match=message):
        call()


def test_discover_names_what_it_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids from 1, the best first, each with its name and score; where masks overlap the better one wins."""
    model = tiny_llava()
    words = model.processor.tokenizer("a red car , two dogs .", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(model, "answer", lambda image, question, seed: words)
    image = scene("crowd", num_frames=1, size=(64, 90)).frames[0].image
    backbone = build_backbone("classical")
    settings = {"discover": {"tiles": True}}
    result, names = vos.discover(image, detector=model, backbone=backbone, **settings)
    expected = discover(image, model, backbone, DiscoverSettings(tiles=True))
    assert list(names.values()) == [entry.name for entry in expected]
    assert list(result.confidence.values()) == [entry.score for entry in expected]
    covered = np.zeros((64, 90), bool)
    for object_id, entry in enumerate(expected, start=1):
        assert np.array_equal(result.labels == object_id, entry.mask & ~covered)
        covered |= entry.mask
    with pytest.raises(SettingsError, match="questions"):
        vos.discover(image, detector=model, discover={"question": 3})
