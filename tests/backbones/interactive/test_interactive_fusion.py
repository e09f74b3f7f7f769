"""First masks joined from network, motion, colours and position."""

from __future__ import annotations

import numpy as np

from vos.backbones.classical.working_crop import RegionCrop, crop_regions
from vos.backbones.interactive.fusion import Fusion, FusionSettings
from vos.prompts import Prompt

HEIGHT, WIDTH = 90, 120
BLOCK = (slice(20, 70), slice(30, 90))
BOX = np.array([30, 20, 89, 69], np.float32)


def picture() -> tuple[RegionCrop, np.ndarray]:
    """A red block on grey, with a little noise; and its mask."""
    rng = np.random.default_rng(0)
    image = np.full((HEIGHT, WIDTH, 3), 120.0)
    image[BLOCK] = 190, 50, 40
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[BLOCK] = True
    return crop_regions(image, (0, 0, WIDTH, HEIGHT), HEIGHT * WIDTH), mask


def logits_of(likely: np.ndarray, strength: float = 2.0) -> np.ndarray:
    return np.where(likely, strength, -strength).astype(np.float32)


def fuse(
    crop: RegionCrop,
    prompt: Prompt,
    logits: np.ndarray,
    settings: FusionSettings,
    motion: np.ndarray | None = None,
) -> list[tuple[np.ndarray, float]]:
    odds = None if motion is None else logits_of(motion, 4.0)
    fusion = Fusion(crop, prompt, odds, settings)
    return fusion.masks(fusion.odds(logits))


def left_half(mask: np.ndarray) -> np.ndarray:
    half = mask.copy()
    half[:, WIDTH // 2 :] = False
    return half


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def click(*points: tuple[float, float, int]) -> Prompt:
    places = np.array(points, np.float32)
    return Prompt(points=places[:, :2], labels=places[:, 2].astype(np.int64))


def test_colours_complete_what_the_network_finds_half_of() -> None:
    """Two red bars in a box, of which the network knows one."""
    crop, mask = picture()
    bars = mask.copy()
    bars[:, 50:70] = False
    image = np.where(bars[..., None], np.uint8([190, 50, 40]), np.uint8([120, 120, 120]))
    crop = crop_regions(image, (0, 0, WIDTH, HEIGHT), HEIGHT * WIDTH)
    known = logits_of(left_half(bars))
    (found, quality), *_ = fuse(crop, Prompt(box=BOX), known, FusionSettings())
    assert iou(found, bars) > 0.9
    assert 0.5 < quality <= 1
    (by_network, _), *_ = fuse(crop, Prompt(box=BOX), known, FusionSettings(colour=0, enclosed=0))
    assert iou(by_network, left_half(bars)) > 0.9


def test_what_moves_with_the_object_belongs_to_it() -> None:
    crop, mask = picture()
    moving, settings = left_half(mask), FusionSettings(colour=0, near=0, point_bias=0)
    (still, _), *_ = fuse(crop, click((45, 45, 1)), logits_of(mask, 1.0), settings)
    (found, _), *_ = fuse(crop, click((45, 45, 1)), logits_of(mask, 1.0), settings, moving)
    assert iou(still, mask) > 0.9
    assert iou(found, moving) > 0.85


def test_a_smaller_and_a_larger_candidate() -> None:
    crop, mask = picture()
    found = fuse(crop, click((45, 45, 1)), logits_of(left_half(mask)), FusionSettings(colour=0.2))
    first, smaller, larger = (candidate for candidate, _ in found)
    assert not (smaller & ~first).any()
    assert not (first & ~larger).any()
    assert 0 < smaller.sum() < larger.sum()


def test_constraints_hold_against_all_logits_of() -> None:
    crop, mask = picture()
    everywhere = logits_of(np.ones_like(mask), 8.0)
    outside = np.ones_like(mask)
    outside[18:72, 28:92] = False
    boxed = [found for found, _ in fuse(crop, Prompt(box=BOX), everywhere, FusionSettings())]
    assert [(found[45, 45], found[outside].any()) for found in boxed] == [(True, False)] * 3
    clicks = click((45, 45, 1), (75, 60, 0))
    clicked = [found for found, _ in fuse(crop, clicks, everywhere, FusionSettings())]
    assert [(found[45, 45], found[60, 75]) for found in clicked] == [(True, False)] * 3
    nowhere = logits_of(np.zeros_like(mask), 8.0)
    for prompt in (Prompt(box=BOX), click((45, 45, 1))):
        found = [mask.any() for mask, _ in fuse(crop, prompt, nowhere, FusionSettings(point_bias=-9))]
        assert found == [True] * 3


def test_most_of_the_image_is_meant_last() -> None:
    crop, mask = picture()
    settings = FusionSettings(extent=6.0, colour=0.7, point_bias=4.0)
    grown = logits_of(mask, 3.0)
    (first, _), *others = fuse(crop, click((60, 45, 1)), grown, settings)
    assert first.mean() <= 0.4
    assert max(candidate.mean() for candidate, _ in others) > 0.4


def test_a_first_candidate_that_is_most_of_the_image_gives_way() -> None:
    """The network takes the ground along a little; what it is sure of is meant first."""
    crop, mask = picture()
    logits = np.where(mask, 3.0, -3.0).astype(np.float32)
    logits[:, 20:] = np.maximum(logits[:, 20:], 0.3)
    settings = FusionSettings(network=1, colour=0, near=0, point_bias=0, extent=2)
    (first, _), *others = fuse(crop, click((60, 45, 1)), logits, settings)
    assert iou(first, mask) > 0.9
    assert all(other.mean() > 0.4 for other, _ in others)
    boxed_settings = FusionSettings(network=1, colour=0, enclosed=0, box_bias=0)
    (boxed, _), *_ = fuse(crop, Prompt(box=np.array([20, 0, 119, 89], np.float32)), logits, boxed_settings)
    assert boxed.mean() > 0.4  # a box says that so much is meant
