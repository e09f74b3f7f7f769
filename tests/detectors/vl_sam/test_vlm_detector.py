"""A generative model as a detector: what it says is there, where it looks is where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vos.detectors.attention.detector import AttentionDetectorSettings
from vos.detectors.base import Detector
from vos.detectors.registry import build_detector
from vos.detectors.vl_sam.detector import VlmDetector, mention_of
from vos.detectors.vl_sam.noun_phrases import parse_objects
from vos.detectors.vl_sam.vlm import VisionLanguageModel
from vos.errors import SettingsError
from vos.ops.boxes import tight_box
from vos.testing import scene

from ..tiny_vlm import tiny_llava


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> VisionLanguageModel:
    """A tiny random LLaVA that answers "a red car, two dogs." to whatever it is asked."""
    model = tiny_llava()
    words = model.processor.tokenizer("a red car , two dogs .", add_special_tokens=False)["input_ids"]
    model.questions = []  # type: ignore[attr-defined]

    def answer(image: np.ndarray, question: str, *, seed: int = 0) -> list[int]:
        model.questions.append(question)  # type: ignore[attr-defined]
        return words

    monkeypatch.setattr(model, "answer", answer)
    return model


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A picture."""
    return scene("crowd", num_frames=1, size=(60, 84)).frames[0].image


def test_what_the_answer_names_is_found(model: VisionLanguageModel, image: np.ndarray) -> None:
    """Names said are there, with map, points and box that agree; the tree was asked for and not said."""
    detector = VlmDetector(model, settings=AttentionDetectorSettings(min_share=0.5))
    assert isinstance(detector, Detector)
    found = detector.detect(image, ["dogs", "tree", "red car"])
    assert {entry.name for entry in found} == {"dogs", "red car"}
    assert "dogs, tree, red car" in model.questions[0]  # type: ignore[attr-defined]
    for entry in found:
        assert entry.values is not None
        assert entry.values.shape == (60, 84)
        assert entry.box == tight_box(entry.values > 0)
        assert entry.pair is not None
        x, y = entry.pair.positive
        assert entry.values[y, x] == entry.values.max() >= 0.5
        assert 0 < entry.score <= 1
    assert [entry.score for entry in found] == sorted((entry.score for entry in found), reverse=True)


def test_instances_are_regions(model: VisionLanguageModel, image: np.ndarray) -> None:
    """A lower threshold gives regions that a higher one leaves out or cuts; the same name each time."""
    high = VlmDetector(model, threshold=0.9, settings=AttentionDetectorSettings(min_share=0.01)).detect(
        image, ["dog"]
    )
    low = VlmDetector(model, threshold=0.3, settings=AttentionDetectorSettings(min_share=0.01)).detect(
        image, ["dog"]
    )
    assert high
    assert low
    assert sum((e.values > 0).sum() for e in low) > sum((e.values > 0).sum() for e in high)  # type: ignore[operator]


def test_nothing_said(model: VisionLanguageModel, image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without names finds nothing."""
    monkeypatch.setattr(model, "answer", lambda image, question, seed: [])
    assert VlmDetector(model).detect(image, ["dog"]) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("Dogs", "dog"), ("car", "red car"), ("red car", "red car"), ("blue car", None), ("bird", None)],
)
def test_which_mention_is_meant(name: str, said: str | None) -> None:
    """The same words in the singular; a single word is also met as the last of several."""
    mention = mention_of(name, parse_objects("a red car and two dogs"))
    assert (mention.name if mention else None) == said


def test_tuned_weights_are_for_others(tmp_path: Path) -> None:
    """Refused before anything is loaded."""
    with pytest.raises(SettingsError, match="--detector blip"):
        build_detector("vlm", tuned=tmp_path / "tuned.safetensors")
