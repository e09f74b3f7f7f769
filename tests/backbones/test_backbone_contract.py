"""What every promptable model promises, whichever it is: a model added to the table is tested here too.

Models with weights are built from a small checkpoint that nobody trained: promises hold for any weights.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from model_families import of_each_family
from numpy.typing import NDArray

from vos.backbones.base import Backbone, Candidates, Guidance
from vos.backbones.registry import BACKBONES, build_backbone
from vos.prompts import Prompt

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = [(61, 84), (84, 61), (33, 33), (7, 5)]
"""(H, W) of images; odd, tall, and tiny ones."""
KINDS = ["points", "box", "mask", "low_res", "points and box", "mask and box", "all"]


@pytest.fixture(scope="module", params=of_each_family(BACKBONES))
def backbone(request: pytest.FixtureRequest, tiny_weights: Callable[[str], dict[str, Path]]) -> Backbone:
    """Every model of the table, built once."""
    return build_backbone(request.param, **tiny_weights(request.param))


def picture(size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W, 3) noise with a red rectangle in its middle."""
    image = np.random.default_rng(1).integers(90, 120, (*size, 3)).astype(np.uint8)
    image[rectangle(size)] = (200, 60, 40)
    return image


def rectangle(size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) bool: the middle third, by both axes."""
    mask = np.zeros(size, bool)
    mask[size[0] // 3 : -(size[0] // 3), size[1] // 3 : -(size[1] // 3)] = True
    return mask


def prompt(kind: str, size: tuple[int, int], low_res: NDArray[np.float32]) -> Prompt:
    """A prompt of the parts that ``kind`` names, all about the rectangle."""
    height, width = size
    everything = kind == "all"
    points = np.array([[width // 2, height // 2], [0, 0]], np.float32)
    with_points = everything or "points" in kind
    return Prompt(
        points=points if with_points else None,
        labels=np.array([1, 0]) if with_points else None,
        box=np.array([width // 3, height // 3, width - width // 3 - 1, height - height // 3 - 1], np.float32)
        if everything or "box" in kind
        else None,
        mask=rectangle(size) if everything or "mask" in kind else None,
        low_res=low_res if everything or kind == "low_res" else None,
    )


def ask(backbone: Backbone, size: tuple[int, int], kinds: list[str]) -> Candidates:
    """What the model makes of the prompts, in one batch."""
    features = backbone.encode(picture(size))
    click = Prompt(points=np.array([[size[1] // 2, size[0] // 2]], np.float32), labels=np.array([1]))
    low_res = backbone.decode(features, [click]).low_res[0, 0].cpu().numpy()
    return backbone.decode(features, [prompt(kind, size, low_res) for kind in kinds])


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[1]}x{s[0]}")
def test_features_cover_the_image_with_unit_columns(backbone: Backbone, size: tuple[int, int]) -> None:
    """The grid is (C, h, w) for an image of any size, and cosine similarity is a dot product."""
    features = backbone.encode(picture(size))
    assert features.image_size == size
    assert features.grid.ndim == 3
    assert torch.allclose(features.grid.float().norm(dim=0), torch.ones(features.grid.shape[1:]), atol=1e-3)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[1]}x{s[0]}")
def test_every_kind_of_prompt_gives_three_masks_of_the_image(
    backbone: Backbone, size: tuple[int, int]
) -> None:
    """Points, box, mask and low-res logits, alone or together, in one call: finite logits and scores."""
    found = ask(backbone, size, KINDS)
    assert found.logits.shape == (len(KINDS), 3, *size)
    assert found.scores.shape == (len(KINDS), 3)
    assert found.low_res.shape[:2] == (len(KINDS), 3)
    assert found.low_res.ndim == 4
    for values in (found.logits, found.scores, found.low_res):
        assert values.dtype == torch.float32
        assert torch.isfinite(values).all()


def test_the_same_question_has_the_same_answer(backbone: Backbone) -> None:
    """Nothing is drawn at random, and nothing is kept from call to call."""
    first = ask(backbone, SIZES[0], KINDS)
    ask(backbone, SIZES[1], KINDS)
    again = ask(backbone, SIZES[0], KINDS)
    assert torch.equal(first.logits, again.logits)
    assert torch.equal(first.low_res, again.low_res)
    assert torch.equal(first.scores, again.scores)


def test_no_prompts_give_no_masks(backbone: Backbone) -> None:
    """An empty list is answered by an empty batch of the usual shape."""
    features = backbone.encode(picture(SIZES[0]))
    found = backbone.decode(features, [])
    assert found.logits.shape == (0, 3, *SIZES[0])
    assert found.scores.shape == (0, 3)
    assert found.best()[0].shape == (0, *SIZES[0])
    assert backbone.decode(features, [], multimask=False).logits.shape == (0, 1, *SIZES[0])


def test_one_mask_where_one_is_asked_for(backbone: Backbone) -> None:
    """``multimask=False`` gives K = 1 for every prompt, the same for the same prompt."""
    features = backbone.encode(picture(SIZES[0]))
    box = prompt("box", SIZES[0], np.zeros((1, 1), np.float32))
    found = backbone.decode(features, [box, box], multimask=False)
    assert found.logits.shape == (2, 1, *SIZES[0])
    assert found.scores.shape == (2, 1)
    assert torch.allclose(found.logits[0], found.logits[1], atol=1e-3)
    assert torch.allclose(found.scores[0], found.scores[1], atol=1e-3)


def test_decoding_together_is_decoding_alone(backbone: Backbone) -> None:
    """An object's mask does not depend on which others are asked for in the same call."""
    together = ask(backbone, SIZES[0], KINDS)
    for row, kind in enumerate(KINDS):
        alone = ask(backbone, SIZES[0], [kind])
        assert torch.allclose(together.logits[row], alone.logits[0], atol=1e-3)
        assert torch.allclose(together.scores[row], alone.scores[0], atol=1e-3)


def test_guidance_is_taken_or_ignored_as_declared(backbone: Backbone) -> None:
    """``accepts_guidance`` is the truth, and guidance with nothing in it changes nothing."""
    vague = np.random.default_rng(2).integers(0, 256, (*SIZES[0], 3)).astype(np.uint8)
    features = backbone.encode(vague)
    click = prompt("points", SIZES[0], np.zeros((1, 1), np.float32))
    similarity = torch.linspace(-1, 1, features.grid.shape[2]).expand(features.grid.shape[1:]).contiguous()
    guide = Guidance(similarity=similarity, embedding=features.columns.float().mean(dim=(1, 2)))
    without = backbone.decode(features, [click])
    empty = backbone.decode(features, [click], guidance=[Guidance()])
    guided = backbone.decode(features, [click], guidance=[guide])
    assert torch.equal(without.logits, empty.logits)
    same = torch.equal(without.logits, guided.logits) and torch.equal(without.scores, guided.scores)
    assert same != backbone.accepts_guidance


def test_best_is_the_highest_score(backbone: Backbone) -> None:
    """``best`` gives, of every row, the candidate that scores highest, as NumPy."""
    found = ask(backbone, SIZES[0], ["points", "box"])
    logits, scores = found.best()
    for row in range(2):
        pick = int(found.scores[row].argmax())
        assert np.allclose(logits[row], found.logits[row, pick].numpy(), atol=1e-5)
        assert scores[row] == found.scores[row, pick]
