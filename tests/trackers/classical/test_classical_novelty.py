"""Novelty: what is like the background around an object is known, what is not is new."""

from __future__ import annotations

import numpy as np
import pytest

from vos.backbones.classical.descriptors import SIZE, describe
from vos.trackers.classical.appearance import Appearance, Examples
from vos.trackers.classical.novelty import NoveltySettings, discounted, novelty

HEIGHT, WIDTH = 60, 90


def scene(colour: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Grainy grass, with a patch of another colour on the right."""
    rng = np.random.default_rng(seed)
    image = np.broadcast_to(np.array([60, 120, 50]), (HEIGHT, WIDTH, 3)) + rng.normal(
        0, 6, (HEIGHT, WIDTH, 3)
    )
    image[15:45, 55:75] = np.array(colour) + rng.normal(0, 6, (30, 20, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def grass(seed: int) -> Examples:
    """Background of one frame, on the left."""
    positions = (np.arange(HEIGHT)[:, None] * WIDTH + np.arange(30)).ravel()
    inputs = describe(scene((60, 120, 50), seed)).at(positions).astype(np.float16)
    return Examples(inputs, np.zeros(len(inputs), np.uint8))


def found(
    colour: tuple[int, int, int], frames: int = 4, moving: float = 1.0, **settings: float
) -> np.ndarray:
    """Novelty in a frame beside an object in the middle."""
    masks = np.zeros((1, HEIGHT, WIDTH), np.float32)
    masks[0, 15:45, 35:60] = 1
    zeros, ones = np.zeros(SIZE, np.float32), np.ones(SIZE, np.float32)
    model = Appearance(
        (1,), zeros, ones, (), Examples(np.zeros((0, SIZE), np.float16), np.zeros(0, np.uint8))
    )
    recent = [grass(seed) for seed in range(1, 1 + frames)]
    along = np.full_like(masks, moving)
    return novelty(describe(scene(colour)), masks, along, model, recent, NoveltySettings(**settings))


def test_a_colour_that_no_background_has_is_novel() -> None:
    result = found((190, 40, 40), margin=0.0)
    assert result[20:40, 57:64].mean() > 0.9
    assert result[20:40, 28:31].mean() < 0.2


def test_the_same_background_is_not() -> None:
    assert found((60, 120, 50)).mean() < 0.1


@pytest.mark.parametrize(("moving", "least", "greatest"), [(2.0, 0.9, 1.0), (0.5, 0.45, 0.5), (-1.0, 0, 0)])
def test_only_what_moves_with_an_object_is(moving: float, least: float, greatest: float) -> None:
    result = found((190, 40, 40), moving=moving, margin=0.0)[20:40, 57:64]
    assert least <= result.mean() <= result.max() <= greatest


def test_nothing_is_novel_far_away() -> None:
    result = found((190, 40, 40), reach=0.1, margin=0.0)
    assert result[20:40, 65:75].max() == 0
    assert result[20:40, 57:61].mean() > 0.9


def test_nothing_is_novel_on_either_side_of_the_outline() -> None:
    result = found((190, 40, 40), margin=5.0, reach=0.5)
    assert result[20:40, 56:64].max() == 0
    assert result[20:40, 66:71].mean() > 0.9


@pytest.mark.parametrize(("frames", "discount"), [(0, 0.8), (1, 0.8), (4, 0.0)])
def test_nothing_is_without_background_of_two_frames(frames: int, discount: float) -> None:
    assert not found((190, 40, 40), frames, discount=discount).any()


def test_nothing_is_beside_several_objects() -> None:
    masks = np.zeros((2, HEIGHT, WIDTH), np.float32)
    masks[0, 15:45, 35:60] = masks[1, :5, :5] = 1
    model = Appearance(
        (1, 2), np.zeros(SIZE, np.float32), np.ones(SIZE, np.float32), (),
        Examples(np.zeros((0, SIZE), np.float16), np.zeros(0, np.uint8)),
    )  # fmt: skip
    recent = [grass(seed) for seed in range(1, 5)]
    described, moving = describe(scene((190, 40, 40))), np.ones_like(masks)
    several = NoveltySettings(margin=0.0, most_objects=2)
    assert not novelty(described, masks, moving, model, recent, NoveltySettings(margin=0.0)).any()
    assert novelty(described, masks, moving, model, recent, several).any()


def test_it_is_deterministic() -> None:
    np.testing.assert_array_equal(found((190, 40, 40)), found((190, 40, 40)))


def test_a_novel_pixel_keeps_a_fifth_of_what_speaks_against_the_objects() -> None:
    scores = np.array([[[2.0, 2.0, -1.0]], [[-3.0, -3.0, 1.0]], [[-8.0, -8.0, -2.0]]], np.float32)
    result = discounted(scores, np.array([[1.0, 0.0, 1.0]], np.float32), NoveltySettings(discount=0.8))
    np.testing.assert_allclose(result[0, 0], [-2, 2, -1])
    np.testing.assert_array_equal(result[1:], scores[1:])
