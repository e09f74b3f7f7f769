"""What motion says: pixels that move with an object belong to it, pixels that move with the rest do not.

The flow of everything outside the objects is explained by one smooth field (quadratic in the position: a
camera that pans, zooms and turns before a scene with depth), the flow of each object by an affine one. Which
of the two explains a pixel's flow better is evidence that knows nothing of colour: it takes off what merely
looks like the object but stands still, and keeps parts that look like the background but move along.

Flow is blurred across outlines, and what lies close to a moving object seems to move with it (shadows and
reflections do). So the evidence counts only as far as the two motions differ, and as far as it told object
and surroundings apart in this very frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...ops.boxes import tight_box

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SAMPLE = 4
"""Motions are fitted to every fourth pixel in both directions."""
ROUNDS = 5
"""Rounds of reweighted least squares."""
LEAST_NOISE = 0.5
"""Flow is never trusted to less than this, in pixels."""
OUTLIER = -6.0
"""Log-likelihood below which neither motion explains a pixel, and neither is blamed."""
LEAST_PIXELS = 100
"""Fewer pixels of an object, or twice as many of the background, do not tell a motion."""


@dataclass(frozen=True)
class MotionSettings:
    """Settings of the motion unary; lengths are pixels of the working crop."""

    weight: float = 1.5
    """Weight of the log-ratio where it is fully trusted. 0 turns motion off."""
    limit: float = 3.0
    """Clip of the log-ratio in nats."""
    least: float = 1.0
    """Motions that differ by less than this say nothing."""
    full: float = 4.0
    """Motions that differ by this say all they can."""
    telling: float = 1.2
    """Mean tanh of the log-ratio in the object less that around it, from which on it is fully trusted."""
    between: float = 3.0
    """Weight of the log-ratio of two objects beside each other; half of it is added to the one and taken from
    the other. 0 switches it off."""
    blur: float = 1.5
    halo: float = 8.0
    """Flow carries an object's motion this far over its outline."""
    halo_share: float = 0.2
    """Part of evidence for the object that is left there. 1 loses 10 points on a swan on water."""


def object_motions(flow: Floats, masks: Floats) -> list[tuple[Floats, float] | None]:
    """The affine flow field of each object and its noise in pixels; None where it is too small to tell."""
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
        (K, h, w) float32 in nats; 0 where motion says nothing.
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
    moving: dict[int, Moving] = {}
    for k, (score, mask) in enumerate(zip(scores, inside, strict=True)):
        own = motions[k]
        if own is None:
            continue
        likelihood = log_likelihood(flow, *own)
        moving[k] = Moving(mask, own[0], likelihood)
        apart = float(np.median(np.linalg.norm(own[0][mask] - background[0][mask], axis=1)))
        strength = np.clip((apart - settings.least) / (settings.full - settings.least), 0, 1)
        if strength > 0:
            ratio = np.clip(likelihood - explained, -settings.limit, settings.limit)
            score += settings.weight * float(strength) * _motion_evidence(ratio, mask, anything, settings)
    if settings.between:
        for first, second in combinations(moving, 2):
            _tell_apart(scores, (first, second), (moving[first], moving[second]), settings)
    return scores


@dataclass(frozen=True, eq=False)
class Moving:
    """An object whose motion is known."""

    mask: Mask
    """(h, w) bool, where it is expected."""
    motion: Floats
    """(h, w, 2) float32, its flow field."""
    likelihood: Floats
    """(h, w) float32 log-likelihood of the flow there is under that motion."""


def _tell_apart(
    scores: Floats, ids: tuple[int, int], pair: tuple[Moving, Moving], settings: MotionSettings
) -> None:
    """Add to ``scores`` what the motions of two objects beside each other say of the pixels of either.

    A part of one that moves with the other, and not with its own, is the other's: labels that have leaked
    over a contour are taken back.
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
    strength = np.clip((apart - settings.least) / (settings.full - settings.least), 0, 1)
    ratio = pair[0].likelihood[here] - pair[1].likelihood[here]
    told = np.tanh(ratio)
    trust = np.clip((told[masks[0]].mean() - told[masks[1]].mean()) / settings.telling, 0, 1)
    if strength * trust == 0:
        return
    soft = cv2.GaussianBlur(np.clip(ratio, -settings.limit, settings.limit), (0, 0), settings.blur)
    # Flow is blurred over the contour between the two.
    soft[(near[0] & near[1])[here]] *= np.float32(settings.halo_share)
    soft *= either * np.float32(settings.between * strength * trust / 2)
    scores[ids[0]][here] += soft
    scores[ids[1]][here] -= soft


def fit_motion(flow: Floats, where: Mask, *, quadratic: bool) -> tuple[Floats, float] | None:
    """The affine or quadratic flow field that explains the flow in ``where`` best, and its noise in pixels.

    Reweighted least squares with the weights of Geman and McClure (1987): what moves otherwise does not
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


def _motion_evidence(ratio: Floats, mask: Mask, anything: Mask, settings: MotionSettings) -> Floats:
    """The log-ratio as far as it can be trusted in this frame."""
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    around = 0.35 * float(np.sqrt(np.count_nonzero(mask))) + 8
    core = depth > 3
    ring = (outside > 4) & (outside < around) & ~anything
    if np.count_nonzero(core) < 20 or np.count_nonzero(ring) < 20:
        return np.zeros_like(ratio)
    told = np.tanh(ratio)
    trust = np.clip((told[core].mean() - told[ring].mean()) / settings.telling, 0, 1)
    soft = cv2.GaussianBlur(ratio, (0, 0), settings.blur)
    soft[(outside > 0) & (outside < settings.halo) & (soft > 0)] *= np.float32(settings.halo_share)
    result: Floats = np.float32(trust) * soft
    return result


def _basis(y: Floats, x: Floats, quadratic: bool) -> Floats:
    """(N, 3 or 6) float32: 1, x, y and their products at N places; x and y in -0.5..0.5."""
    terms = [np.ones_like(x), x, y]
    if quadratic:
        terms += [x * x, x * y, y * y]
    return np.stack(terms, axis=-1)
