"""VL-SAM from end to end: with a model that knows the answers, and with a tiny random one."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vos.backbones.classical.backbone import GraphCutBackbone
from vos.detectors.vl_sam.discovery import DiscoverSettings, discover, questions_about
from vos.detectors.vl_sam.instances import RefineSettings
from vos.detectors.vl_sam.noun_phrases import parse_objects
from vos.detectors.vl_sam.tiles import views
from vos.detectors.vl_sam.vlm import QUESTION, AnswerAttention
from vos.frame import Frame
from vos.ops.boxes import tight_box
from vos.scenes.shapes import line
from vos.testing import Scene, ScriptedBackbone, Shape, scene

from ..tiny_vlm import tiny_llava

NAMES = {1: "dog", 2: "cat", 3: "dog"}


@pytest.fixture(scope="module")
def picture() -> Scene:
    """Two dogs and a small cat that only its tile can tell from nothing."""
    shapes = (
        Shape(1, line((26, 24)), 14, "disc"),
        Shape(2, line((72, 66)), 6, "box", colour=(60, 80, 200)),
        Shape(3, line((76, 22)), 12, "blob", colour=(60, 200, 90)),
    )
    return scene(shapes, num_frames=1, size=(81, 105), seed=5)


class Knowing:
    """A model that names what it sees of a scene, and looks there; on its 8 x 8 patches.

    It is blind to what covers less than a share ``least`` of the view.
    """

    def __init__(self, scene: Scene, *, least: float = 0.0, suggests: Sequence[str] = ()) -> None:
        self.questions: list[str] = []
        self.least = least
        self.suggests = list(suggests)
        height, width = scene.labels.shape[1:]
        image, labels = scene.frames[0].image, scene.labels[0]
        self.truth = {
            np.ascontiguousarray(tile.cut(image)).tobytes(): tile.cut(labels) for tile in views(height, width)
        }

    def suggest_questions(self, image: NDArray[np.uint8], count: int, *, seed: int) -> list[str]:
        return self.suggests[:count]

    def objects(self, image: NDArray[np.uint8], question: str, *, seed: int, regularisation: str) -> Any:
        self.questions.append(question)
        labels = self.truth[image.tobytes()]
        said: dict[str, NDArray[np.float32]] = {}
        for object_id, name in NAMES.items():
            mask = labels == object_id
            if mask.any() and mask.mean() >= self.least:
                rows = np.array_split(mask, 8, axis=0)
                cells = [[part.mean() for part in np.array_split(row, 8, axis=1)] for row in rows]
                said[name] = said.get(name, np.zeros((8, 8), np.float32)) + np.float32(cells)
        if not said:
            return None, []
        pieces = tuple(part for name in said for part in (name, ", "))
        maps = [values.ravel() for values in said.values() for _ in range(2)]
        likely = np.full(len(pieces), 0.5, np.float32)
        attention = AnswerAttention(
            "".join(pieces), pieces, likely, torch.from_numpy(np.stack(maps)).float(), (8, 8)
        )
        return attention, parse_objects(attention.text)


def backbone_of(scene: Scene) -> ScriptedBackbone:
    """Knows the image and its tiles."""
    height, width = scene.labels.shape[1:]
    image, labels = scene.frames[0].image, scene.labels[0]
    tiles = views(height, width)
    frames = [Frame(i, np.ascontiguousarray(tile.cut(image)), str(i)) for i, tile in enumerate(tiles)]
    parts: Any = SimpleNamespace(frames=frames, labels=[tile.cut(labels) for tile in tiles], ids=scene.ids)
    return ScriptedBackbone(parts)


def test_every_object_of_a_name(picture: Scene) -> None:
    """One map of "dog" gives both dogs, by refinement B; scores are mask quality times word probability."""
    found = discover(picture.frames[0].image, Knowing(picture), backbone_of(picture))
    assert sorted(entry.name for entry in found) == ["cat", "dog", "dog"]
    truth = [picture.labels[0] == object_id for object_id in NAMES]
    for entry in found:
        assert any(np.array_equal(entry.mask, mask) for mask in truth)
        assert entry.box == tight_box(entry.mask)
        assert entry.score == pytest.approx(0.9 * 0.5)


def test_one_round_gives_one_object_a_name(picture: Scene) -> None:
    """Without refinement B the largest part of the map is all."""
    settings = DiscoverSettings(refine=RefineSettings(rounds=1))
    found = discover(picture.frames[0].image, Knowing(picture), backbone_of(picture), settings)
    assert sorted(entry.name for entry in found) == ["cat", "dog"]


def test_tiles_find_what_is_small(picture: Scene) -> None:
    """The cat is too small for the whole view, not for its tile; its mask lands where it is in the image."""
    model = Knowing(picture, least=0.03)
    image, backbone = picture.frames[0].image, backbone_of(picture)
    assert {entry.name for entry in discover(image, model, backbone)} == {"dog"}
    found = discover(image, model, backbone, DiscoverSettings(tiles=True))
    cat = [entry for entry in found if entry.name == "cat"]
    assert len(cat) == 1
    assert np.array_equal(cat[0].mask, picture.labels[0] == 2)
    assert sum(np.array_equal(entry.mask, picture.labels[0] == 1) for entry in found) == 1


def test_questions(picture: Scene) -> None:
    """All suggested questions are asked; the plain one too where there are too few; finds are merged."""
    model = Knowing(picture, suggests=["what moves?", "what stands?"])
    steps: list[tuple[int, int]] = []
    found = discover(
        picture.frames[0].image,
        model,
        backbone_of(picture),
        DiscoverSettings(questions=3),
        progress=lambda done, of: steps.append((done, of)),
    )
    assert model.questions == [QUESTION, "what moves?", "what stands?"]
    assert len(found) == 3
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert questions_about(picture.frames[0].image, model, DiscoverSettings(questions=2)) == model.suggests


def test_suppression_by_name_or_not(picture: Scene) -> None:
    """One mask under two names: one object, unless masks of the same name only rival."""

    class TwoWords(Knowing):
        def objects(self, image: NDArray[np.uint8], question: str, **options: Any) -> Any:
            attention, _ = super().objects(image, question, **options)
            pieces = ("dog", ", ", "animal", ".")
            row = attention.rows[0]
            again = AnswerAttention(
                "".join(pieces), pieces, np.full(4, 0.5, np.float32), torch.stack([row] * 4), (8, 8)
            )
            return again, parse_objects(again.text)

    image, backbone = picture.frames[0].image, backbone_of(picture)
    agnostic = discover(image, TwoWords(picture), backbone)
    by_name = discover(image, TwoWords(picture), backbone, DiscoverSettings(class_aware=True))
    masks = {entry.mask.tobytes() for entry in agnostic}
    assert len(masks) == len(agnostic) > 0
    for name in ("dog", "animal"):
        assert {entry.mask.tobytes() for entry in by_name if entry.name == name} == masks
    assert len(by_name) == 2 * len(masks)


def test_nothing_said_is_nothing_found(picture: Scene) -> None:
    """A model that names nothing: an empty list, and the backbone is not bothered."""
    backbone = backbone_of(picture)
    assert discover(picture.frames[0].image, Knowing(picture, least=1.0), backbone) == []
    assert backbone.encoded == []


def test_settings_are_checked() -> None:
    """Values out of range."""
    with pytest.raises(ValueError, match="questions"):
        DiscoverSettings(questions=0)
    with pytest.raises(ValueError, match="same_object"):
        DiscoverSettings(same_object=0)


def test_a_real_model_of_random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny LLaVA made to answer "a red car, two dogs": attention flow, points, masks, all real."""
    model = tiny_llava()
    words = model.processor.tokenizer("a red car , two dogs .", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(model, "answer", lambda image, question, seed: words)
    image = scene("crowd", num_frames=1, size=(64, 90)).frames[0].image
    found = discover(image, model, GraphCutBackbone(), DiscoverSettings(tiles=True))
    assert {entry.name for entry in found} <= {"red car", "dog"}
    assert found
    scores = [entry.score for entry in found]
    assert scores == sorted(scores, reverse=True)
    assert all(entry.mask.shape == (64, 90) and entry.mask.any() and 0 <= entry.score <= 1 for entry in found)
