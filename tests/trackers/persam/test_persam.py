"""PerSAM on images: errors, switches, and the method over a scripted backbone and a tiny SAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vos.backbones.base import Candidates, FrameFeatures
from vos.backbones.registry import build_backbone
from vos.backbones.sam.backbone import SamBackbone
from vos.errors import PromptError, SettingsError
from vos.prompts import Prompt
from vos.settings import override
from vos.testing import ScriptedBackbone, Shape, line, scene
from vos.trackers.persam.feature_geometry import AlignedGeometry, ContrastGeometry, ReferenceGeometry
from vos.trackers.persam.images import PersamSettings, find_target, learn_target


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (45, 80, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    mask = np.zeros((45, 80), dtype=bool)
    mask[8:40, 10:50] = True
    return mask


@pytest.mark.parametrize("tune", [False, True])
def test_finds_the_object_of_a_scene(tune: bool) -> None:
    """Learned from one frame, the object is found where it went."""
    clip = scene("moving", num_frames=6, size=(96, 128), seed=1)
    backbone = ScriptedBackbone(clip)
    settings = PersamSettings(tune=tune, tune_steps=200, learning_rate=1e-2)
    object_id = int(clip.labels[0].max())
    target = learn_target(
        backbone, backbone.encode(clip.frames[0].image), clip.labels[0] == object_id, settings
    )
    found = find_target(backbone, backbone.encode(clip.frames[5].image), target, settings)
    np.testing.assert_array_equal(found.mask, clip.labels[5] == object_id)
    assert len(found.passes) == 3
    assert found.score == pytest.approx(0.9)
    assert found.prompt.labels is not None
    assert found.prompt.labels.tolist() == ([1] if tune else [1, 0])


@pytest.mark.parametrize("view", ["aligned", "reference"])
@pytest.mark.parametrize("tune", [False, True])
def test_every_pass_keeps_what_it_should(
    sam: SamBackbone, image: np.ndarray, mask: np.ndarray, view: str, tune: bool
) -> None:
    """From the most similar pixel: one mask, or three mixed by the fitted weights; then the best of three."""
    way = AlignedGeometry() if view == "aligned" else ReferenceGeometry(sam, 255)
    settings = PersamSettings(tune=tune, tune_steps=20)
    features = sam.encode(image)
    target = learn_target(sam, features, mask, settings, way)
    assert (target.fit is not None) is tune
    found = find_target(sam, features, target, settings, way)
    x, y = found.prompt.points[0].astype(int)
    assert found.prior.shape == mask.shape
    assert found.prior[y, x] == found.prior.max()
    first, *refined = found.passes
    weights = target.fit.weights if tune else torch.ones(1)
    mixed = (weights[:, None, None] * first.candidates.low_res[0]).sum(dim=0)
    torch.testing.assert_close(first.low_res[0], mixed)
    assert len(refined) == 2
    for kept in refined:
        assert kept.candidates.scores.shape == (1, 3)
        assert float(kept.scores) == float(kept.candidates.scores.max())
    assert np.array_equal(found.mask, kept.logits[0].numpy() > 0)


class BlindAt:
    """``sam``, which sees nothing in the call of that number, from 0, and remembers all prompts."""

    def __init__(self, sam: SamBackbone, call: int) -> None:
        self.sam = sam
        self.call = call
        self.prompts: list[Prompt] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sam, name)

    def decode(self, features: FrameFeatures, prompts: Sequence[Prompt], **options: Any) -> Candidates:
        found = self.sam.decode(features, prompts, **options)
        low = 1e3 * (len(self.prompts) == self.call)
        self.prompts += prompts
        return Candidates(found.logits - low, found.low_res - low, found.scores)


def test_an_empty_first_mask_is_fed_back(sam: SamBackbone, image: np.ndarray, mask: np.ndarray) -> None:
    """PerSAM's second pass needs no box, so the logits of the first are its prompt, whatever they show."""
    blind = BlindAt(sam, 0)
    features = sam.encode(image)
    found = find_target(blind, features, learn_target(sam, features, mask))
    assert not found.passes[0].masks.any()
    np.testing.assert_array_equal(blind.prompts[1].low_res, found.passes[0].low_res[0])


@pytest.mark.parametrize("tune", [False, True])
def test_an_empty_last_mask_is_the_published_result(
    sam: SamBackbone, image: np.ndarray, mask: np.ndarray, tune: bool
) -> None:
    """The published program writes it; the aligned view keeps the mask before."""
    settings, features = PersamSettings(tune=tune, tune_steps=5), sam.encode(image)
    for view in (ReferenceGeometry(sam, 255), AlignedGeometry()):
        target = learn_target(sam, features, mask, settings, view)
        found = find_target(BlindAt(sam, 2), features, target, settings, view)
        assert found.passes[1].masks.any()
        assert bool(found.mask.any()) is isinstance(view, AlignedGeometry)


@pytest.mark.parametrize(
    "change",
    [{"negative_point": False}, {"guided_attention": False}, {"semantic_prompt": False}, {"refinement": 0}],
    ids=lambda change: next(iter(change)),
)
def test_every_switch_changes_the_result(
    sam: SamBackbone, image: np.ndarray, mask: np.ndarray, change
) -> None:
    """Each part of the ablation can be turned off, and does something."""
    features = sam.encode(image)
    settings = override(PersamSettings(), change)
    target = learn_target(sam, features, mask)
    full, less = find_target(sam, features, target), find_target(sam, features, target, settings)
    assert not torch.equal(full.passes[-1].logits, less.passes[-1].logits)
    assert len(less.passes) == 1 + settings.refinement


def test_bad_references_are_refused(sam: SamBackbone, image: np.ndarray, mask: np.ndarray) -> None:
    """Empty mask, mask of another size, target that covers no cell: each says what is wrong."""
    features = sam.encode(image)
    with pytest.raises(PromptError, match="the reference mask is empty"):
        learn_target(sam, features, np.zeros_like(mask))
    with pytest.raises(PromptError, match=r"the reference mask is 45x80 pixels, its image 80x45"):
        learn_target(sam, features, mask.T)
    dot = np.zeros_like(mask)
    dot[3, 3] = True
    with pytest.raises(PromptError, match=r"the target \(1 of 3600 pixels\) covers no cell"):
        learn_target(sam, features, dot, view=ReferenceGeometry(sam, 128))
    assert learn_target(sam, features, dot).embedding.support == 1  # the sane view takes the nearest cell


def test_a_reference_mask_counts_by_the_red_of_each_pixel(sam: SamBackbone, image: np.ndarray) -> None:
    """A faint part selects no cell and a bright one does; other masks than the reference's are all bright."""
    red = np.zeros((45, 80), dtype=np.uint8)
    red[:, 10:40], red[:, 40:70] = 100, 255
    features = sam.encode(image)
    bright = ReferenceGeometry(sam, 255).cells(features, red == 255)
    view = ReferenceGeometry(sam, red)
    assert bright.any()
    assert torch.equal(view.cells(features, red > 0), bright)
    assert torch.equal(view.cells(features, red == 255), bright)
    assert int(view.cells(features, red == 100).sum()) > 0


def test_contrast_takes_the_background_out() -> None:
    """A target that resembles its surroundings is told from them, and a whole image has no surroundings."""
    shape = Shape(1, line((40, 40)), 20, "disc", colour=(100, 104, 84), texture_seed=4)
    clip = scene([shape], num_frames=1, size=(90, 140), seed=2, noise=4)
    backbone, mask = build_backbone("classical"), clip.labels[0] == 1
    features = backbone.encode(clip.frames[0].image)
    view = ContrastGeometry.of_reference(features, mask)
    target = learn_target(backbone, features, mask, view=view)
    plain = AlignedGeometry().similarity(features, target.embedding.direction)
    contrast = view.similarity(features, target.embedding.direction)
    background = AlignedGeometry().similarity(features, view.background)
    torch.testing.assert_close(contrast, plain - background)
    cells = AlignedGeometry().cells(features, mask)
    shares = [
        float((map_of[cells].mean() - map_of[~cells].mean()) / map_of.std()) for map_of in (plain, contrast)
    ]
    assert shares[1] > shares[0]
    whole = ContrastGeometry.of_reference(features, np.ones_like(mask))
    torch.testing.assert_close(whole.similarity(features, target.embedding.direction), plain)


def test_settings_check_themselves() -> None:
    """Values out of range are refused as settings."""
    for change in ({"refinement": 3}, {"tune_steps": 0}, {"learning_rate": 0.0}):
        with pytest.raises(SettingsError, match="must be"):
            override(PersamSettings(), change)


def test_runs_are_repeatable(sam: SamBackbone, image: np.ndarray, mask: np.ndarray, tmp_path: Path) -> None:
    """The same inputs give the same bits, fit included."""
    settings = replace(PersamSettings(), tune=True, tune_steps=30)
    features = sam.encode(image)
    first, second = (
        find_target(sam, features, learn_target(sam, features, mask, settings), settings) for _ in range(2)
    )
    assert torch.equal(first.passes[-1].logits, second.passes[-1].logits)
