"""SAM 3's concept prompts as a detector: a tiny random model, loaded from disk as the published one is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from vos.detectors.base import Detector, Exemplar
from vos.detectors.registry import build_detector
from vos.detectors.sam3_concepts import Sam3ConceptDetector
from vos.errors import ModelError, PromptError, SettingsError

from .tiny_detectors import save_sam3

SIZE = (70, 100)
NAMES = ["red car", "dog"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint."""
    return save_sam3(tmp_path_factory.mktemp("sam3"))


@pytest.fixture(scope="module")
def detector(folder: Path) -> Any:
    """Content with any score."""
    return build_detector("sam3", weights=folder, min_score=0)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Noise."""
    return np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)


def test_the_same_as_the_library_makes_of_it(detector: Any, image: np.ndarray) -> None:
    """The best find of a name has the score and the mask of transformers' own post-processing."""
    assert isinstance(detector, Detector)
    found = detector.detect(image, NAMES)
    assert {entry.name for entry in found} == set(NAMES)
    for name in NAMES:
        inputs = detector.processor(images=image, text=name, return_tensors="pt")
        with torch.no_grad():
            outputs = detector.model(**inputs)
        (theirs,) = detector.processor.post_process_instance_segmentation(
            outputs, threshold=0, target_sizes=[SIZE]
        )
        best = int(theirs["scores"].argmax())
        entry = next(entry for entry in found if entry.name == name)
        assert entry.score == pytest.approx(float(theirs["scores"][best]), abs=1e-6)
        assert entry.logits.shape == SIZE
        # Theirs resizes probabilities, ours logits, as SAM does.
        assert ((entry.logits > 0) == theirs["masks"][best].numpy().astype(bool)).mean() > 0.97


def test_an_image_is_encoded_once_and_a_name_once(
    detector: Any, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of names, and of images."""
    calls = {"vision": 0, "text": 0}
    vision, text = detector.model.get_vision_features, detector.model.get_text_features

    def seen(*args: Any, **options: Any) -> Any:
        calls["vision"] += 1
        return vision(*args, **options)

    def read(*args: Any, **options: Any) -> Any:
        calls["text"] += 1
        return text(*args, **options)

    monkeypatch.setattr(detector.model, "get_vision_features", seen)
    monkeypatch.setattr(detector.model, "get_text_features", read)
    fresh = Sam3ConceptDetector(detector.model, detector.processor, min_score=0)
    for _ in range(2):
        fresh.detect(image, NAMES)
    assert calls == {"vision": 2, "text": 2}


class Saying:
    """A stand-in for the model: its queries have the scores and the masks that it is told."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, logits: list[float], presence: float, masks: torch.Tensor) -> None:
        self.outputs = SimpleNamespace(
            pred_logits=torch.tensor([logits]),
            presence_logits=torch.tensor([[presence]]),
            pred_masks=masks[None],
        )
        self.given: list[dict[str, Any]] = []

    def eval(self) -> Saying:
        return self

    def get_vision_features(self, pixels: torch.Tensor) -> None:
        return None

    def get_text_features(self, **inputs: Any) -> None:
        return None

    def __call__(self, **inputs: Any) -> Any:
        self.given.append(inputs)
        return self.outputs


def _masks() -> torch.Tensor:
    """Left half, nearly the same, right half, nothing; 8 x 10 cells."""
    masks = torch.full((4, 8, 10), -5.0)
    masks[0, :, :5] = 5
    masks[1, :7, :5] = 5
    masks[2, :, 6:] = 5
    return masks


def test_scores_and_repeated_masks(detector: Any, image: np.ndarray) -> None:
    """A score is that of the query times that of the name; the better of two like masks stays."""
    model = Saying([2.0, 3.0, 1.0, 9.0], 1.5, _masks())
    found = Sam3ConceptDetector(model, detector.processor).detect(image, ["dog"])
    scores = [1 / (1 + np.exp(-logit)) / (1 + np.exp(-1.5)) for logit in (3.0, 1.0)]
    assert [entry.score for entry in found] == pytest.approx(scores, abs=1e-6)
    assert [entry.box for entry in found] == [(0, 0, 49, 60), (60, 0, 99, 69)]
    assert not Sam3ConceptDetector(Saying([2.0] * 4, -3.0, _masks()), detector.processor).detect(
        image, ["dog"]
    )


def test_exemplars(detector: Any, image: np.ndarray) -> None:
    """Boxes go in as shares of the image, with those of their own name only, and change what is found."""
    shown = [Exemplar("dog", (10, 7, 59, 41)), Exemplar("dog", (0, 0, 9, 13), positive=False)]
    model = Saying([1.0] * 4, 1.0, _masks())
    Sam3ConceptDetector(model, detector.processor).detect(image, NAMES, shown)
    assert "input_boxes" not in model.given[0]
    boxes, labels = model.given[1]["input_boxes"], model.given[1]["input_boxes_labels"]
    assert torch.allclose(boxes, torch.tensor([[[0.35, 0.35, 0.5, 0.5], [0.05, 0.1, 0.1, 0.2]]]))
    assert labels.tolist() == [[1, 0]]
    plain, with_boxes = detector.detect(image, ["dog"]), detector.detect(image, ["dog"], shown)
    assert plain[0].score != with_boxes[0].score
    with pytest.raises(PromptError, match="exemplar is of 'dog', which is not among the classes"):
        detector.detect(image, ["red car"], shown)


def test_a_name_too_long(detector: Any, image: np.ndarray) -> None:
    """More tokens than the text encoder reads."""
    with pytest.raises(PromptError, match="but the limit of the model is 32; use a shorter name"):
        detector.detect(image, ["dog" * 12])


def test_a_checkpoint_with_the_tracker_in_it(folder: Path, image: np.ndarray, tmp_path: Path) -> None:
    """As published: detector and tracker in one file, each with a prefix."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(folder / "model.safetensors")
    both = {f"detector_model.{name}": tensor for name, tensor in state.items()}
    both |= {"tracker_model.no_memory_embedding": torch.zeros(1), "tracker_neck.conv.weight": torch.zeros(1)}
    save_file(both, tmp_path / "model.safetensors", metadata={"format": "pt"})
    alone, joined = (build_detector("sam3", weights=where, min_score=0) for where in (folder, tmp_path))
    assert [e.score for e in joined.detect(image, NAMES)] == [e.score for e in alone.detect(image, NAMES)]


def test_weights_that_are_not_here(tmp_path: Path, folder: Path) -> None:
    """The gate, the licence and what to fetch, in one line; no tuning."""
    with pytest.raises(ModelError, match=r"gated.* SAM License .*hf download facebook/sam3") as error:
        build_detector("sam3", weights=tmp_path / "none")
    assert "\n" not in str(error.value)
    with pytest.raises(SettingsError, match="not tuned on examples"):
        build_detector("sam3", weights=folder, tuned=tmp_path / "tuned.safetensors")
