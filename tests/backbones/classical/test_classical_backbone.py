"""The graph-cut backbone on a plain object."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.backbones.base import Backbone, FrameFeatures
from vos.backbones.classical.backbone import mask_logits
from vos.backbones.registry import build_backbone
from vos.prompts import Prompt

HEIGHT, WIDTH = 61, 83
OBJECT = np.zeros((HEIGHT, WIDTH), bool)
OBJECT[20:40, 30:60] = True
PROMPTS = {
    "box": Prompt(box=np.array([28, 18, 62, 42], np.float32)),
    "click": Prompt(points=np.array([[45, 30]], np.float32), labels=np.array([1])),
    "rough mask": Prompt(mask=np.roll(OBJECT, (2, 3), axis=(0, 1))),
    "low-res logits": Prompt(low_res=np.where(np.roll(OBJECT, -2, axis=1), 4, -4).astype(np.float32)),
}


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return build_backbone("classical")


@pytest.fixture(scope="module")
def features(backbone: Backbone) -> FrameFeatures:
    image = np.random.default_rng(0).integers(90, 110, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    image[OBJECT] = (200, 60, 40)
    return backbone.encode(image)


def iou(logits: torch.Tensor) -> float:
    found = logits.numpy() > 0
    return float((found & OBJECT).sum() / (found | OBJECT).sum())


def test_features_are_unit_columns(features: FrameFeatures) -> None:
    """Cosine similarity is a dot product; the image's size is kept."""
    assert features.image_size == (HEIGHT, WIDTH)
    norms = features.grid.norm(dim=0)
    assert torch.all((norms - 1).abs() < 1e-3)


@pytest.mark.parametrize("kind", PROMPTS)
def test_a_plain_object_is_found_from_any_prompt(
    backbone: Backbone, features: FrameFeatures, kind: str
) -> None:
    """A click, a box, a rough mask and the logits of an earlier pass all give the object."""
    candidates = backbone.decode(features, [PROMPTS[kind]])
    assert candidates.logits.shape == (1, 3, HEIGHT, WIDTH)
    assert iou(candidates.logits[0, candidates.scores[0].argmax()]) > 0.9


def test_a_batch_equals_one_prompt_at_a_time(backbone: Backbone, features: FrameFeatures) -> None:
    """Decoding several objects at once changes nothing about each."""
    together = backbone.decode(features, list(PROMPTS.values()))
    for n, prompt in enumerate(PROMPTS.values()):
        alone = backbone.decode(features, [prompt])
        assert torch.equal(together.logits[n], alone.logits[0])
        assert torch.equal(together.scores[n], alone.scores[0])


def test_one_mask_is_the_likeliest_of_three(backbone: Backbone, features: FrameFeatures) -> None:
    """``multimask=False`` gives that one; an empty list of prompts gives an empty batch."""
    three = backbone.decode(features, [PROMPTS["click"]])
    one = backbone.decode(features, [PROMPTS["click"]], multimask=False)
    best = three.scores[0].argmax()
    assert torch.equal(one.scores[0], three.scores[0, best : best + 1])
    assert torch.equal(one.logits[0], three.logits[0, best : best + 1])
    assert backbone.decode(features, []).logits.shape == (0, 3, HEIGHT, WIDTH)


def test_the_prompt_is_obeyed_to_the_pixel(backbone: Backbone, features: FrameFeatures) -> None:
    """A mask of every region, and one of none: the box, and points on either side, have their say."""
    crop = features.context.whole
    points = np.array([[45, 30], [40, 30], [2, 2], [200, 200]], np.float32)
    prompt = Prompt(box=PROMPTS["box"].box, points=points, labels=np.array([1, 0, 1, 0]))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[18:43, 28:63] = True
    for everywhere in (True, False):
        found = mask_logits(crop, prompt, np.full(crop.size, everywhere)) > 0
        expected = inside & everywhere
        expected[30, 45], expected[30, 40], expected[2, 2], expected[-1, -1] = True, False, True, False
        np.testing.assert_array_equal(found, expected)


def test_a_negative_click_is_kept_out(backbone: Backbone, features: FrameFeatures) -> None:
    """What the user says is not the object is not in the chosen mask, and what is, is."""
    prompt = Prompt(points=np.array([[45, 30], [10, 10]], np.float32), labels=np.array([1, 0]))
    candidates = backbone.decode(features, [prompt])
    best = candidates.logits[0, candidates.scores[0].argmax()]
    assert best[30, 45] > 0
    assert best[10, 10] < 0


def test_a_rough_mask_is_retraced(backbone: Backbone, features: FrameFeatures) -> None:
    """Holes are filled, lumps come off, and the contour moves to where looks change."""
    rough = np.roll(OBJECT, 2, axis=1)
    rough[28:32, 40:44] = False
    rough[16:20, 40:46] = True
    before = (rough & OBJECT).sum() / (rough | OBJECT).sum()
    best = backbone.decode(features, [Prompt(mask=rough)]).best()[0][0]
    assert before < 0.85
    assert iou(torch.from_numpy(best)) > 0.95


@pytest.mark.parametrize("kind", PROMPTS)
def test_candidates_go_from_small_to_large(backbone: Backbone, features: FrameFeatures, kind: str) -> None:
    """The three candidates of a prompt are in order of size."""
    sizes = (backbone.decode(features, [PROMPTS[kind]]).logits[0] > 0).sum(dim=(1, 2)).tolist()
    assert sizes == sorted(sizes)


def test_nothing_is_outside_the_box(backbone: Backbone, features: FrameFeatures) -> None:
    """Every candidate obeys a box that cuts through the object, with a rough mask or without."""
    box = np.array([25, 15, 45, 45], np.float32)
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[15:46, 25:46] = False
    found = backbone.decode(features, [Prompt(box=box), Prompt(box=box, mask=OBJECT)])
    masks = found.logits.numpy() > 0
    assert not masks[:, :, outside].any()
    assert ((masks & OBJECT)[:, :, ~outside].sum(axis=2) > 0.5 * (OBJECT & ~outside).sum()).any(axis=1).all()
