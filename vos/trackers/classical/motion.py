"""Motion unary: pixels that move with an object belong to it, pixels that move with the background do not.

The flow of everything outside the objects is explained by one smooth field (quadratic in the position: a
camera that pans, zooms and turns before a scene with depth), the flow of each object by an affine one. The
log-ratio of the two likelihoods is independent of colour: it removes what only looks like the object but does
not move with it, and keeps parts that look like the background but move with the object.

Flow is blurred across contours, and what lies close to a moving object seems to move with it (shadows and
reflections do). So the term is weighted by how much the two motions differ, and by how well it separates the
object from its surroundings in this frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import cv2
import numpy as np

from ...arrays import Floats, Mask
from ...ops.boxes import tight_box

SAMPLE = 4
"""Motions are fitted to every fourth pixel in both directions."""
ROUNDS = 5
"""Rounds of reweighted least squares."""
LEAST_NOISE = 0.5
"""Least noise of flow, in pixels."""
OUTLIER = -6.0
"""Log-likelihood below which a pixel is an outlier of both motions, and the ratio is about 0."""
LEAST_PIXELS = 100
"""No motion is fitted to fewer pixels of an object, or to fewer than twice as many of the background."""


@dataclass(frozen=True)
class MotionSettings:
    """Settings of the motion unary; lengths are pixels of the working crop."""

    RENAMED: ClassVar = {
        "least": "min_difference",
        "full": "full_difference",
        "telling": "full_separation",
        "between": "pairwise_weight",
    }

    weight: float = 1.5
    """Weight of the log-ratio where motions separate fully. 0 switches motion off."""
    limit: float = 3.0
    """Clip of the log-ratio in nats."""
    min_difference: float = 1.0
    """Difference of two motions up to which the term has no weight."""
    full_difference: float = 4.0
    """Difference from which on it has its full weight."""
    full_separation: float = 1.2
    """Mean tanh of the log-ratio in the object minus that around it, from which on it has its full weight."""
    pairwise_weight: float = 3.0
    """Weight of the log-ratio of two objects beside each other; half of it is added to the one and taken from
    the other. 0 switches it off."""
    blur: float = 1.5
    """Blur of the log-ratio in pixels: flow is not exact along outlines."""
    halo: float = 8.0
    """Flow extends an object's motion this far over its contour."""
    halo_share: float = 0.2
    """Part of the score for the object that is kept there. 1 loses 10 points on a swan on water."""


def object_motions(flow: Floats, masks: Floats) -> list[tuple[Floats, float] | None]:
    """The affine flow field of each object and its noise in pixels; None where it is too small."""
    motions = []
    for mask in masks:
        core = cv2.erode((mask > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        enough = np.count_nonzero(core) >= LEAST_PIXELS
        motions.append(fit_motion(flow, core, quadratic=False) if enough else None)
    return motions


def motion_scores(
    flow: Floats,
    masks: Floats,
    motions: Sequence[tuple[Floats, float] | None],
    settings: MotionSettings,
) -> Floats:
    """Scores to be added to those of the objects.

    Args:
        flow: (h, w, 2) float32 (dx, dy) of every pixel, to where it was in the frame before.
        masks: (K, h, w) float32 in 0..1, where the objects are expected.
        motions: of the objects, see :func:`object_motions`.

    Returns:
        (K, h, w) float32 in nats; 0 where motions do not separate.
    """
    scores = np.zeros_like(masks)
    inside = masks > 0.5
    anything: Mask = np.any(inside, axis=0)
    size = max(1, int(np.count_nonzero(anything))) ** 0.5
    reach = max(3, int(0.1 * size)) | 1
    rest = cv2.dilate(anything.astype(np.uint8), np.ones((reach, reach), np.uint8)) == 0
    if settings.weight == 0 or np.count_nonzero(rest) < 2 * LEAST_PIXELS:
        return scores
    background = fit_motion(flow, rest, quadratic=True)
    if background is None:
        return scores
    explained = log_likelihood(flow, *background)
    motions_of: dict[int, ObjectMotion] = {}
    for k, (score, mask) in enumerate(zip(scores, inside, strict=True)):
        own = motions[k]
        if own is None:
            continue
        likelihood = log_likelihood(flow, *own)
        motions_of[k] = ObjectMotion(mask, own[0], likelihood)
        apart = float(np.median(np.linalg.norm(own[0][mask] - background[0][mask], axis=1)))
        strength = np.clip(
            (apart - settings.min_difference) / (settings.full_difference - settings.min_difference), 0, 1
        )
        if strength > 0:
            ratio = np.clip(likelihood - explained, -settings.limit, settings.limit)
            score += settings.weight * float(strength) * _weighted_ratio(ratio, mask, anything, settings)
    if settings.pairwise_weight:
        for first, second in combinations(motions_of, 2):
            _add_pairwise(scores, (first, second), (motions_of[first], motions_of[second]), settings)
    return scores


@dataclass(frozen=True, eq=False)
class ObjectMotion:
    """An object and its motion."""

    mask: Mask
    """(h, w) bool, where it is expected."""
    motion: Floats
    """(h, w, 2) float32, its flow field."""
    likelihood: Floats
    """(h, w) float32 log-likelihood of the measured flow under that motion."""


def _add_pairwise(
    scores: Floats, ids: tuple[int, int], pair: tuple[ObjectMotion, ObjectMotion], settings: MotionSettings
) -> None:
    """Add to ``scores`` the log-ratio of the motions of two adjacent objects.

    A part of one that moves with the other belongs to the other: this corrects labels that have leaked over a
    contour.
    """
    reach = int(settings.halo)
    near = [
        cv2.dilate(one.mask.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0 for one in pair
    ]
    box = tight_box(near[0] & near[1])
    if box is None:
        return
    either = pair[0].mask | pair[1].mask
    x0, y0, x1, y1 = tight_box(either) or box
    here = slice(y0, y1 + 1), slice(x0, x1 + 1)
    masks, either = [one.mask[here] for one in pair], either[here]
    motions = [one.motion[here] for one in pair]
    apart = float(np.median(np.linalg.norm(motions[0] - motions[1], axis=2)[either]))
    strength = np.clip(
        (apart - settings.min_difference) / (settings.full_difference - settings.min_difference), 0, 1
    )
    ratio = pair[0].likelihood[here] - pair[1].likelihood[here]
    separation = np.tanh(ratio)
    reliability = np.clip(
        (separation[masks[0]].mean() - separation[masks[1]].mean()) / settings.full_separation, 0, 1
    )
    if strength * reliability == 0:
        return
    soft = cv2.GaussianBlur(np.clip(ratio, -settings.limit, settings.limit), (0, 0), settings.blur)
    # Flow is blurred over the contour between the two.
    soft[(near[0] & near[1])[here]] *= np.float32(settings.halo_share)
    soft *= either * np.float32(settings.pairwise_weight * strength * reliability / 2)
    scores[ids[0]][here] += soft
    scores[ids[1]][here] -= soft


def fit_motion(flow: Floats, where: Mask, *, quadratic: bool) -> tuple[Floats, float] | None:
    """The affine or quadratic flow field that fits the flow in ``where`` best, and its noise in pixels.

    Reweighted least squares with the weights of Geman and McClure (1987): outliers do not
    count. None where too few pixels are sampled.
    """
    y_axis, x_axis = (np.arange(side, dtype=np.float32) / side - np.float32(0.5) for side in where.shape)
    rows, columns = np.nonzero(where[::SAMPLE, ::SAMPLE])
    x = _basis(y_axis[SAMPLE * rows], x_axis[SAMPLE * columns], quadratic).astype(np.float64)
    y = flow[::SAMPLE, ::SAMPLE][rows, columns].astype(np.float64)
    if len(x) < 2 * x.shape[1]:
        return None
    weights = np.ones(len(x))
    noise = LEAST_NOISE
    ridge = 1e-3 * np.eye(x.shape[1])
    coefficients = np.zeros((x.shape[1], 2))
    for _ in range(ROUNDS):
        weighted = x * weights[:, None]
        coefficients[:] = np.linalg.solve(weighted.T @ x + ridge, weighted.T @ y)
        error = np.hypot(*(y - x @ coefficients).T)
        noise = max(0.2, 1.5 * float(np.median(error)))
        weights = np.asarray((1 + (error / noise) ** 2) ** -2.0, dtype=np.float64)
    field = np.empty((*where.shape, 2), np.float32)
    for part, c in zip((field[..., 0], field[..., 1]), coefficients.astype(np.float32).T, strict=True):
        across, down = c[0] + c[1] * x_axis, c[2] * y_axis
        if quadratic:
            across, down = across + c[3] * x_axis**2, down + c[5] * y_axis**2
            np.multiply.outer(c[4] * y_axis, x_axis, out=part)
            part += across
        else:
            part[:] = across
        part += down[:, None]
    return field, max(noise, LEAST_NOISE)


def log_likelihood(flow: Floats, motion: Floats, noise: float) -> Floats:
    """(h, w) float32 log-likelihood of flow under a motion, heavy-tailed (Student's t with one degree of
    freedom in the plane), up to a constant."""
    error = flow - motion
    error *= error
    spread = np.float32(1) + (error[..., 0] + error[..., 1]) * np.float32(1 / noise**2)
    spread *= np.sqrt(spread)
    result: Floats = np.log(np.float32(1 / noise**2) / spread + np.float32(np.exp(OUTLIER)))
    return result


def _weighted_ratio(ratio: Floats, mask: Mask, anything: Mask, settings: MotionSettings) -> Floats:
    """The log-ratio, weighted by how well it separates the object from its surroundings in this frame."""
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    around = 0.35 * float(np.sqrt(np.count_nonzero(mask))) + 8
    core = depth > 3
    ring = (outside > 4) & (outside < around) & ~anything
    if np.count_nonzero(core) < 20 or np.count_nonzero(ring) < 20:
        return np.zeros_like(ratio)
    separation = np.tanh(ratio)
    reliability = np.clip(
        (separation[core].mean() - separation[ring].mean()) / settings.full_separation, 0, 1
    )
    soft = cv2.GaussianBlur(ratio, (0, 0), settings.blur)
    soft[(outside > 0) & (outside < settings.halo) & (soft > 0)] *= np.float32(settings.halo_share)
    result: Floats = np.float32(reliability) * soft
    return result


def _basis(y: Floats, x: Floats, quadratic: bool) -> Floats:
    """(N, 3 or 6) float32: 1, x, y and their products at N places; x and y in -0.5..0.5."""
    terms = [np.ones_like(x), x, y]
    if quadratic:
        terms += [x * x, x * y, y * y]
    return np.stack(terms, axis=-1)
