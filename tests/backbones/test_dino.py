"""DINOv2 and DINOv3 as features: tiny random models, saved as the published ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_dino import save_dino

from vos.backbones.base import Guidance
from vos.backbones.dino import LONGER_SIDE, grid_size
from vos.backbones.featured import FeaturedBackbone
from vos.backbones.features import FEATURES, OWN, with_features
from vos.backbones.registry import build_backbone
from vos.errors import ModelError, SettingsError
from vos.prompts import Prompt
from vos.testing import Scene, scene
from vos.trackers.registry import build_tracker

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS = ("dinov2-s", "dinov3-s")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each."""
    return {kind: save_dino(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS}


@pytest.fixture(scope="module")
def clip() -> Scene:
    """An object that moves."""
    return scene("moving", num_frames=4, size=(61, 85), seed=2)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_the_models(kind: str, folders: dict[str, Path], clip: Scene) -> None:
    """Of the patches, not of class token or registers, on a grid that covers the image."""
    backbone: Any = with_features(build_backbone("classical"), kind, folders[kind])
    image = clip.frames[0].image
    features = backbone.encode(image)
    grid = grid_size((61, 85))
    assert grid == (round(61 / 85 * LONGER_SIDE), LONGER_SIDE)
    assert features.grid.shape == (24, *grid)
    assert features.image_size == (61, 85)
    assert features.learned
    assert torch.allclose(features.grid.norm(dim=0), torch.ones(grid), atol=1e-5)
    source = backbone.source
    with torch.inference_mode():
        tokens = source.model(source.pixels(image, grid)).last_hidden_state[0]
    last = tokens[-grid[0] * grid[1] :].T.unflatten(1, grid)
    assert torch.allclose(features.columns, last, atol=1e-4)
    if kind == "dinov2-s":  # as the processor's file says
        white = source.pixels(np.full((61, 85, 3), 255, np.uint8), grid)
        assert torch.allclose(white[0, :, 0, 0], torch.tensor([3.0, 5 / 3, 1.6]), atol=1e-5)


def test_the_backbone_decodes_with_its_own(folders: dict[str, Path], clip: Scene) -> None:
    """The same masks as without; guidance reaches it on its own grid, without the other's embedding."""
    own = build_backbone("classical")
    backbone = with_features(own, "dinov2-s", folders["dinov2-s"])
    image = clip.frames[0].image
    prompt = Prompt(points=np.array([[40.0, 30.0]], np.float32), labels=np.array([1]))
    features, plain = backbone.encode(image), own.encode(image)
    assert torch.equal(backbone.decode(features, [prompt]).logits, own.decode(plain, [prompt]).logits)

    class Watched:
        accepts_guidance, device = True, "cpu"
        given: Any = None

        def encode(self, image: np.ndarray) -> Any:
            return plain

        def decode(self, features: Any, prompts: Any, **options: Any) -> Any:
            self.given = features, options["guidance"]

    watched = Watched()
    told = Guidance(similarity=torch.rand(features.grid.shape[1:]), embedding=torch.zeros(24))
    FeaturedBackbone(watched, backbone.source).decode(features, [prompt], guidance=[told])  # type: ignore[arg-type, attr-defined]
    assert watched.given[0] is features.context.own
    assert watched.given[1][0].similarity.shape == plain.grid.shape[1:]
    assert watched.given[1][0].embedding is None


@pytest.mark.parametrize("kind", KINDS)
def test_persam_over_other_features(kind: str, folders: dict[str, Path], clip: Scene) -> None:
    """The tracker takes them from its settings, so a recipe can; what it remembers has their width."""
    settings = {"features": kind, "features_weights": str(folders[kind])}
    tracker: Any = build_tracker("persam", settings=settings)
    tracker.start(clip.frames[0], clip.targets(0))
    assert tracker._state.objects[0].embedding.shape == (24,)
    assert tracker.step(clip.frames[1]).labels.shape == (61, 85)
    with pytest.raises(SettingsError, match="not in the published program"):
        build_tracker("persam", settings=settings | {"variant": "as-published"})


def test_own_features(folders: dict[str, Path]) -> None:
    """No name, or the name of the backbone's own, changes nothing; a folder for them is refused."""
    own = build_backbone("classical")
    assert with_features(own, None) is own
    assert with_features(own, OWN) is own
    with pytest.raises(ModelError, match="name them, such as --features dinov2-s"):
        with_features(own, None, folders["dinov2-s"])


def test_weights_that_cannot_be_used(folders: dict[str, Path], tmp_path: Path) -> None:
    """Of another kind or size, without a configuration, or not here: one line that says what to do."""
    own = build_backbone("classical")
    base = save_dino("dinov2-b", tmp_path / "base", width=768)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    cases = [
        ("dinov2", tmp_path, r"unknown features 'dinov2'; did you mean"),
        ("dinov2-s", folders["dinov3-s"], r"holds a model of type 'dinov3_vit', not 'dinov2'.*hf download"),
        ("dinov2-s", base, r"holds dinov2-b, not dinov2-s; use --features dinov2-b"),
        ("dinov2-s", tmp_path, r"has no config\.json.*hf download"),
        ("dinov2-s", broken, r"has no usable config\.json: .*[^.]\. Licence"),
        ("dinov2-s", tmp_path / "none", r"there is no folder.*Apache-2.0.*--features-weights DIR"),
        ("dinov3-s", tmp_path / "none", r"DINOv3 License.*request access"),
    ]
    for name, folder, message in cases:
        with pytest.raises(ModelError, match=message) as error:
            with_features(own, name, folder)
        assert "\n" not in str(error.value)
    assert all(entry.hint for entry in FEATURES.values())
