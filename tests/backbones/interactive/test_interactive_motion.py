"""Motion as a cue for first masks: an object that looks like its surroundings and moves."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from vos.backbones.feature_cache import FeatureCache
from vos.backbones.interactive.backbone import build_interactive
from vos.backbones.interactive.motion import motion_log_odds, residual_flows
from vos.evaluation import region_similarity
from vos.frame import Frame
from vos.prompting.decoding import preview_prompt
from vos.prompts import Prompt

HEIGHT, WIDTH = 160, 240
CLICK = Prompt(points=np.array([[100.0, 70.0]], np.float32), labels=np.array([1]))


def texture(seed: int) -> np.ndarray:
    """(H + 80, W + 80, 3) of smooth noise, the same everywhere."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT + 80, WIDTH + 80)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    grey = np.clip(127 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def clip(steps: Sequence[int], speed: int = 3) -> tuple[list[np.ndarray], np.ndarray]:
    """Images in which the camera moves right by 2 pixels per frame and a plate down by ``speed``; its mask
    in the first. The plate is of the same texture."""
    images = []
    for step in steps:
        image = texture(0)[40 : 40 + HEIGHT, 2 * step : 2 * step + WIDTH].copy()
        y, x = 50 + speed * step, 80 - 2 * step
        image[y : y + 40, x : x + 120] = texture(1)[:40, :120]
        images.append(image)
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[50:90, 80:200] = True
    return images, mask


def test_an_object_that_moves_differs_from_its_surroundings() -> None:
    """Log-odds are positive on it and negative elsewhere; the motion of the camera does not count."""
    (image, *nearby), mask = clip((0, 1, 2))
    flows = residual_flows(image, nearby)
    assert len(flows) == 2
    assert np.median(np.linalg.norm(flows[1].flow[~mask], axis=-1)) < 0.3
    for prompt in (CLICK, Prompt(box=np.array([80, 50, 199, 89], np.float32))):
        odds = motion_log_odds(flows, prompt, (HEIGHT, WIDTH))
        assert odds is not None
        inner = cv2.erode(mask.astype(np.uint8), np.ones((9, 9))).astype(bool)
        outer = ~cv2.dilate(mask.astype(np.uint8), np.ones((15, 15))).astype(bool)
        assert (odds[inner] > 0.5).mean() > 0.95
        assert (odds[outer][:-40] < -0.5).mean() > 0.9


def test_no_cue_without_motion() -> None:
    """An object that moves with the scene, a cut, and a prompt that names no object."""
    (image, *nearby), _ = clip((0, 1, 2))
    flows = residual_flows(image, nearby)
    elsewhere = Prompt(points=np.array([[20.0, 20.0]], np.float32), labels=np.array([1]))
    assert motion_log_odds(flows, elsewhere, (HEIGHT, WIDTH)) is None
    noise = np.random.default_rng(3).integers(0, 256, image.shape, dtype=np.uint8)
    assert residual_flows(image, [noise]) == []
    off = Prompt(points=np.array([[100.0, 70.0]], np.float32), labels=np.array([0]))
    assert motion_log_odds(flows, off, (HEIGHT, WIDTH)) is None


@pytest.mark.parametrize("cached", [False, True])
def test_a_click_finds_what_only_its_motion_shows(cached: bool) -> None:
    """With the video the mask is the plate; without, its texture does not tell it from the rest."""
    (image, *nearby), mask = clip((0, 1, 2, 4))
    backbone = build_interactive()
    model = FeatureCache(backbone) if cached else backbone
    still = preview_prompt(Frame(0, image.copy()), CLICK, model)
    moving = preview_prompt(Frame(0, image, nearby=lambda: nearby), CLICK, model)
    assert region_similarity(moving.mask, mask) > 0.8 > region_similarity(still.mask, mask) + 0.2
