"""Local colour models of an object and its surroundings.

Inside a small window the colours of object and surroundings are each about one Gaussian, even where they
overlap over the whole image: the idea of Video SnapCut (Bai et al., 2009), with a window around every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...arrays import Floats
from ...backbones.classical.descriptors import blur


@dataclass(frozen=True)
class LocalColourSettings:
    """Settings of the local colour term."""

    RENAMED: ClassVar = {"deviation": "min_deviation", "least": "full_share"}

    weight: float = 2.0
    """Weight of the log-likelihood ratio: 1 gains half of what 2 gains. 0 switches it off."""
    sigma: float = 8.0
    """Standard deviation of the window in pixels of the working crop."""
    min_deviation: float = 4.0
    """Least standard deviation of a colour channel in Lab units."""
    limit: float = 3.0
    """Clip of the log-likelihood ratio."""
    full_share: float = 0.1
    """Share of either side in a window from which on the ratio has its full weight."""


def local_colours(probabilities: Floats, lab: Floats, settings: LocalColourSettings) -> Floats:
    """Log-likelihood ratio of each object against its surroundings.

    Args:
        probabilities: (1 + K, h, w) float32 label probabilities so far: weights of the pixels in the models.
        lab: (h, w, 3) float32.

    Returns:
        (1 + K, h, w) float32, 0 for the background and where a window has pixels of one side only.
    """
    ratio = np.zeros_like(probabilities)
    boxes = [_around(mask, settings.sigma) for mask in probabilities[1:]]
    found = [box for box in boxes if box is not None]
    if found:
        squares = lab * lab
        means = blur(lab, settings.sigma), blur(squares, settings.sigma)
        for k, here in enumerate(boxes, start=1):
            if here is not None:
                moments = means[0][here], means[1][here]
                ratio[k][here] = _ratio(probabilities[k][here], lab[here], squares[here], moments, settings)
    return ratio


def _around(mask: Floats, sigma: float) -> tuple[slice, slice] | None:
    """The part of the image within reach of an object; None where it is nowhere."""
    rows, columns = np.flatnonzero((mask > 0.05).any(axis=1)), np.flatnonzero((mask > 0.05).any(axis=0))
    if rows.size == 0:
        return None
    reach = int(3 * sigma)
    return (
        slice(max(0, rows[0] - reach), rows[-1] + reach + 1),
        slice(max(0, columns[0] - reach), columns[-1] + reach + 1),
    )


def _ratio(
    mask: Floats, lab: Floats, squares: Floats, means: tuple[Floats, Floats], settings: LocalColourSettings
) -> Floats:
    """Log-likelihood ratio (h, w) of an object; ``means`` are ``lab`` and ``squares``, blurred."""
    share = blur(np.ascontiguousarray(mask), settings.sigma)
    weight = mask[..., None]
    own, own_squares = blur(lab * weight, settings.sigma), blur(squares * weight, settings.sigma)
    rest, rest_squares = means[0] - own, means[1] - own_squares
    inside = _log_likelihood(lab, own, own_squares, share, settings.min_deviation)
    outside = _log_likelihood(lab, rest, rest_squares, 1 - share, settings.min_deviation)
    mixed = np.clip(np.minimum(share, 1 - share) / settings.full_share, 0, 1)
    result: Floats = np.clip(inside - outside, -settings.limit, settings.limit) * mixed
    return result


def _log_likelihood(lab: Floats, first: Floats, second: Floats, share: Floats, deviation: float) -> Floats:
    """Of each pixel's colour in the Gaussian whose moments over ``share`` are ``first`` and ``second``."""
    share = np.maximum(share, np.float32(1e-3))[..., None]
    mean = first / share
    variance = np.maximum(second / share - mean * mean, 0) + np.float32(deviation**2)
    misfit = lab - mean
    misfit *= misfit
    misfit /= variance
    product = variance[..., 0] * variance[..., 1] * variance[..., 2]
    result: Floats = np.float32(-0.5) * (misfit[..., 0] + misfit[..., 1] + misfit[..., 2] + np.log(product))
    return result
