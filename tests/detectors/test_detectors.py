"""Grounding DINO and OWLv2 as detectors: tiny random models, loaded from disk as published ones are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vos.detectors.base import Detector
from vos.detectors.open_vocabulary import GroundingDinoDetector, Owlv2Detector
from vos.detectors.registry import DETECTORS, build_detector
from vos.errors import ModelError, PromptError, SettingsError
from vos.ops.boxes import box_iou

from .tiny_detectors import SAVED

SIZE = (70, 100)
NAMES = ["red car", "dog"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each."""
    return {name: save(tmp_path_factory.mktemp(name)) for name, save in SAVED.items()}


@pytest.fixture(scope="module")
def detectors(folders: dict[str, Path]) -> dict[str, Any]:
    """Both, content with any score."""
    return {name: build_detector(name, weights=folder, min_score=0) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Noise."""
    return np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", SAVED)
def test_finds(detectors: dict[str, Any], name: str, image: np.ndarray) -> None:
    """Boxes in the image, scores 0 to 1 best first, names as asked, no map; the same every time."""
    detector = detectors[name]
    assert isinstance(detector, Detector)
    found = detector.detect(image, NAMES)
    assert found
    assert [entry.score for entry in found] == sorted((entry.score for entry in found), reverse=True)
    for entry in found:
        x0, y0, x1, y1 = entry.box
        assert 0 <= x0 < x1 < SIZE[1]
        assert 0 <= y0 < y1 < SIZE[0]
        assert 0 <= entry.score <= 1
        assert entry.name in NAMES
        assert (entry.values, entry.pair) == (None, None)
    again = detector.detect(image, NAMES)
    assert [(entry.name, entry.box) for entry in again] == [(entry.name, entry.box) for entry in found]


@pytest.mark.parametrize("name", SAVED)
def test_the_same_as_the_library_makes_of_it(detectors: dict[str, Any], name: str, image: np.ndarray) -> None:
    """Every find has a score and a box that transformers' own post-processing gives."""
    detector = detectors[name]
    dino = name == "grounding-dino"
    text: Any = "red car. dog." if dino else [["a photo of a red car", "a photo of a dog"]]
    inputs = detector.processor(images=image, text=text, return_tensors="pt")
    with torch.no_grad():
        outputs = detector.model(**inputs)
    if dino:  # only the names' own tokens count
        outputs.logits[..., [0, 3, 5, 6]] = -100
    (theirs,) = detector.processor.post_process_grounded_object_detection(
        outputs, threshold=0, target_sizes=[SIZE]
    )
    limits = np.array([SIZE[1] - 1, SIZE[0] - 1] * 2)
    boxes = np.clip(theirs["boxes"].numpy() - [0, 0, 1, 1], 0, limits)
    scores = theirs["scores"].numpy()
    for entry in detector.detect(image, NAMES):
        same = np.abs(scores - entry.score) < 1e-6
        assert (np.abs(boxes[same] - entry.box).max(axis=1) <= 0.51).any()


class Saying:
    """A stand-in for a model: says what it is told, wherever it runs."""

    def __init__(self, real: Any, logits: torch.Tensor, boxes: torch.Tensor) -> None:
        self.config, self.device = real.config, real.device
        self.outputs = SimpleNamespace(logits=logits[None], pred_boxes=boxes[None])

    def eval(self) -> Saying:
        return self

    def __call__(self, **inputs: Any) -> Any:
        return self.outputs


BOXES = torch.tensor([[0.5, 0.5, 0.2, 0.4], [0.25, 0.5, 0.1, 0.2], [0.5, 0.5, 0.21, 0.4]])


def test_a_score_is_that_of_the_names_own_tokens(detectors: dict[str, Any], image: np.ndarray) -> None:
    """[CLS] red car . dog . [SEP]: "car" speaks for "red car"; full stops speak for nobody."""
    logits = torch.full((3, 32), -9.0)
    logits[0, 2], logits[1, 4], logits[2, 5] = 2.0, 1.0, 9.0
    real = detectors["grounding-dino"]
    found = GroundingDinoDetector(Saying(real.model, logits, BOXES), real.processor, min_score=0.5).detect(
        image, NAMES
    )
    assert [(entry.name, entry.box) for entry in found] == [
        ("red car", (40, 21, 59, 48)),
        ("dog", (20, 28, 29, 41)),
    ]
    assert found[0].score == pytest.approx(1 / (1 + np.exp(-2)))


def test_owl_boxes_are_shares_of_the_padded_square(detectors: dict[str, Any], image: np.ndarray) -> None:
    """70 x 100 pixels are padded to 100 x 100; a box that is there twice is one find."""
    logits = torch.tensor([[3.0, -9.0], [-9.0, 1.0], [2.0, -9.0]])
    real = detectors["owlv2"]
    found = Owlv2Detector(Saying(real.model, logits, BOXES), real.processor, min_score=0.5).detect(
        image, NAMES
    )
    assert [(entry.name, entry.box) for entry in found] == [
        ("red car", (40, 30, 59, 69)),
        ("dog", (20, 40, 29, 59)),
    ]


def test_overlap_of_boxes() -> None:
    """Inclusive pixels: a box of one pixel has an area of 1."""
    assert box_iou((0, 0, 9, 9), (0, 0, 9, 9)) == 1
    assert box_iou((0, 0, 9, 9), (5, 0, 14, 9)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 9, 9), (10, 0, 19, 9)) == 0
    assert box_iou((3, 3, 3, 3), (3, 3, 3, 3)) == 1


def test_more_than_the_model_reads(detectors: dict[str, Any], image: np.ndarray) -> None:
    """One sentence of too many names; one query that is too long."""
    many = [" ".join(["red"] * n) for n in range(1, 9)]
    with pytest.raises(PromptError, match="8 class names take 46 tokens, but the limit of the model is 32"):
        detectors["grounding-dino"].detect(image, many)
    with pytest.raises(PromptError, match="limit of the model is 32; use a shorter name"):
        detectors["owlv2"].detect(image, ["dog" * 12])


def test_words_nobody_knows(detectors: dict[str, Any], image: np.ndarray) -> None:
    """A word outside the vocabulary, and a name without a word."""
    with pytest.raises(PromptError, match="lacks 'zebra'"):
        detectors["grounding-dino"].detect(image, ["dog", "zebra"])
    with pytest.raises(PromptError, match=r"lacks '\.'"):
        detectors["grounding-dino"].detect(image, ["."])


@pytest.mark.parametrize("name", SAVED)
def test_weights_of_another_kind(folders: dict[str, Path], name: str, tmp_path: Path) -> None:
    """Another model's folder, an empty one, none, and tuned weights: what to fetch and how to name it."""
    other = next(folder for key, folder in folders.items() if key != name)
    for folder in (other, tmp_path, tmp_path / "none"):
        with pytest.raises(ModelError, match=r"hf download .* --detector-weights DIR"):
            build_detector(name, weights=folder)
    with pytest.raises(SettingsError, match="not tuned on examples"):
        build_detector(name, weights=folders[name], tuned=tmp_path / "tuned.safetensors")


def test_detectors_by_name() -> None:
    """An unknown name lists those there are."""
    assert {"blip", "vlm", "grounding-dino", "owlv2"} <= set(DETECTORS)
    with pytest.raises(ModelError, match="grounding-dino, owlv2"):
        build_detector("yolo")


def test_a_device_that_is_not_here(folders: dict[str, Path]) -> None:
    """It is named, with what can be used, before the weights are read."""
    for name, weights in folders.items():
        with pytest.raises(ModelError, match=r"cannot use device 'gpu': .*try cpu, cuda or mps"):
            build_detector(name, weights=weights, device="gpu")
