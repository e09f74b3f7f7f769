"""Layers of light into a picture: noise is smoothed away, then the picture is developed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .film import Layers


def denoise(layers: Layers) -> NDArray[np.float32]:
    """(H, W, 3) linear light: the noisy layers are smoothed along surfaces, then put together."""
    soft = _smooth(_without_sparks(layers.soft), layers, passes=4, tolerance=0.6)
    mirrored = _smooth(_without_sparks(layers.mirrored), layers, passes=2, tolerance=0.4)
    sunlight = _smooth(layers.sunlight, layers, passes=2, tolerance=0.3)
    return _settle(layers.albedo * soft + sunlight + mirrored, layers.spread)


def _without_sparks(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Single pixels far brighter than those around them are chance: they come down to twice the median."""
    return np.minimum(light, 2 * cv2.medianBlur(light, 5) + 0.1)


def _settle(light: NDArray[np.float32], spread: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average neighbours that differ by no more than their remaining noise explains."""
    height, width = spread.shape
    # Noise of the noise: a variance from a dozen samples is itself uncertain.
    spread = cv2.GaussianBlur(spread, (0, 0), 1.0)
    padded = cv2.copyMakeBorder(light, 2, 2, 2, 2, cv2.BORDER_REFLECT_101)
    spreads = cv2.copyMakeBorder(spread, 2, 2, 2, 2, cv2.BORDER_REFLECT_101)
    total, weights = np.zeros_like(light), np.zeros((height, width), np.float32)
    for j in range(5):
        for i in range(5):
            rows, columns = slice(j, j + height), slice(i, i + width)
            apart = ((padded[rows, columns] - light) ** 2).mean(axis=2)
            weight = np.exp(-apart / (1.2 * (spread + spreads[rows, columns]) + 1e-6))
            total += weight[..., None] * padded[rows, columns]
            weights += weight
    return total / weights[..., None]


def _smooth(light: NDArray[np.float32], layers: Layers, passes: int, tolerance: float) -> NDArray[np.float32]:
    """Edge-avoiding a-trous wavelets (Dammertz et al. 2010), guided by normal, depth and albedo."""
    taps = (1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16)
    height, width = light.shape[:2]
    guide = np.concatenate(
        [
            layers.normal / 0.35,
            layers.albedo / 0.20,
            (layers.depth / layers.depth.mean() / 0.06)[..., None],
        ],
        axis=2,
    ).astype(np.float32)
    for turn in range(passes):
        gap = 2**turn
        margin = 2 * gap
        padded = cv2.copyMakeBorder(light, margin, margin, margin, margin, cv2.BORDER_REFLECT_101)
        guides = np.pad(guide, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
        brightness = np.sqrt(np.maximum(light.mean(axis=2), 0))
        bright = np.sqrt(np.maximum(padded.mean(axis=2), 0))
        total, weights = np.zeros_like(light), np.zeros((height, width), np.float32)
        for j, wy in enumerate(taps):
            for i, wx in enumerate(taps):
                rows, columns = slice(j * gap, j * gap + height), slice(i * gap, i * gap + width)
                apart = ((guides[rows, columns] - guide) ** 2).sum(axis=2)
                apart += ((bright[rows, columns] - brightness) / (tolerance / 2**turn)) ** 2
                weight = (wx * wy) * np.exp(-apart)
                total += weight[..., None] * padded[rows, columns]
                weights += weight
        light = total / weights[..., None]
    return light


def develop(light: NDArray[np.float32], frame: int) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB: exposure, a film-like curve, vignette, and fine grain."""
    height, width = light.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    from_centre = ((x / width - 0.5) ** 2 + ((y / height - 0.5) * height / width) ** 2) / 0.33
    exposed = light * (1.05 * (1 - 0.42 * from_centre))[..., None]
    glow = cv2.GaussianBlur(np.minimum(exposed, 4.0), (0, 0), width / 60)
    exposed = 0.95 * exposed + 0.05 * glow
    # Narkowicz's fit of the ACES curve.
    curve = np.clip(exposed * (2.51 * exposed + 0.03) / (exposed * (2.43 * exposed + 0.59) + 0.14), 0, 1)
    encoded = np.where(
        curve <= 0.0031308, 12.92 * curve, 1.055 * np.maximum(curve, 1e-9) ** (1 / 2.4) - 0.055
    )
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([frame, 2])))
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * 0.8
    return np.clip(np.rint(encoded * 255 + grain), 0, 255).astype(np.uint8)
