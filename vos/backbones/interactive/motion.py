"""Motion as a cue for first masks: what moves as the prompted object does, and not as the camera does.

The flow from the image to images near it in time, less the motion of most of the scene (a homography), is
compared at every pixel with that of the prompted object and with rest. An object that moves with the scene
gives no cue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...arrays import Floats, Image
from ...ops.flow import dense_flow, round_trip_error
from ...prompts import Prompt


@dataclass(frozen=True)
class MotionSettings:
    """How motion is measured and weighed."""

    pixels: int = 120_000
    """Size of the images that flow is computed of, about."""
    round_trip: float = 1.5
    """Error in pixels of flow there and back at which its consistency has fallen to 0.37."""
    inlier: float = 1.0
    """Distance in pixels from the motion of the scene up to which a point follows it."""
    least_consistent: float = 0.2
    """Share of the points with good flow below which a pair of images is left out, as at a cut."""
    least: float = 1.0
    """Motion in pixels of the object against the scene below which a pair of images is left out."""
    scale: tuple[float, float] = (0.25, 0.5)
    """Deviation that is expected of a pixel's motion: as a share of the object's, and in pixels besides."""
    slope: float = 1.5
    """Log-odds per deviation."""
    limit: float = 4.0
    """Log-odds at most, either way."""


@dataclass(frozen=True, eq=False)
class ResidualFlow:
    """Motion against the scene between two images."""

    flow: Floats
    """(h, w, 2) float32 (dx, dy), in pixels of the image that it was computed of."""
    consistency: Floats
    """(h, w) float32 in 0..1: how well flow there and back agree."""


def residual_flows(
    image: Image, nearby: Sequence[Image], settings: MotionSettings | None = None
) -> list[ResidualFlow]:
    """Motion against the scene from an image to each of those nearby, as far as it can be measured.

    Args:
        image: (H, W, 3) uint8 RGB.
        nearby: of the same size.
        settings: how motion is measured.
    """
    settings = settings or MotionSettings()
    height, width = image.shape[:2]
    factor = min(1.0, (settings.pixels / (height * width)) ** 0.5)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    grey, *others = (
        cv2.cvtColor(cv2.resize(each, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        for each in (image, *nearby)
    )
    found = (_residual(grey, other, settings) for other in others)
    return [residual for residual in found if residual is not None]


def _residual(grey: Image, other: Image, settings: MotionSettings) -> ResidualFlow | None:
    """Flow less the homography that most of it follows; None where there is none."""
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
    places = np.stack([columns, rows], axis=-1)
    *led_to, error = round_trip_error(dense_flow(grey, other), dense_flow(other, grey))
    led = np.stack(led_to, axis=-1)
    every = (slice(8, None, 8), slice(8, None, 8))
    good = error[every] < settings.round_trip**2
    if good.sum() < max(20, settings.least_consistent * good.size):
        return None
    scene, _ = cv2.findHomography(places[every][good], led[every][good], cv2.RANSAC, settings.inlier)
    if scene is None:
        return None
    moved = cv2.perspectiveTransform(places.reshape(-1, 1, 2), scene).reshape(places.shape)
    consistency = np.exp(-error / settings.round_trip**2)
    return ResidualFlow((led - moved).astype(np.float32), consistency.astype(np.float32))


def motion_log_odds(
    flows: Sequence[ResidualFlow],
    prompt: Prompt,
    size: tuple[int, int],
    settings: MotionSettings | None = None,
) -> Floats | None:
    """(H, W) log-odds that a pixel belongs to the object, by its motion; None where the object shows none.

    The object's motion is the median around the first point on it, or in the middle of its box.

    Args:
        flows: see :func:`residual_flows`.
        prompt: points or a box, in pixels of the image.
        size: (height, width) of the image.
        settings: how motion is weighed.
    """
    settings = settings or MotionSettings()
    odds = []
    for each in flows:
        moves = _motion_of(each.flow, prompt, size)
        if moves is None or (speed := float(np.linalg.norm(moves))) < settings.least:
            continue
        own, rest = _length(each.flow - moves), _length(each.flow)
        scale = settings.scale[0] * speed + settings.scale[1]
        odds.append(np.clip((rest - own) / scale, -3, 3) * each.consistency)
    if not odds:
        return None
    mean = np.clip(settings.slope * np.mean(odds, axis=0), -settings.limit, settings.limit)
    return np.asarray(cv2.resize(mean.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR))


def _length(flow: Floats) -> Floats:
    """(h, w) length of (h, w, 2) vectors."""
    return np.asarray(cv2.magnitude(flow[..., 0], flow[..., 1]), np.float32)


def _motion_of(flow: Floats, prompt: Prompt, size: tuple[int, int]) -> Floats | None:
    """(2,) median motion of the prompted object; None without a box and a point on the object."""
    height, width = flow.shape[:2]
    factor = np.array([width / size[1], height / size[0]], np.float32)
    if prompt.box is not None:
        corners = np.asarray(prompt.box, np.float32).reshape(2, 2) * factor
        margin = (corners[1] - corners[0]) / 4
        low, high = corners[0] + margin, corners[1] - margin
    elif prompt.points is not None and prompt.labels is not None and (prompt.labels == 1).any():
        point = prompt.points[int(np.argmax(prompt.labels == 1))] * factor
        low, high = point - 3, point + 3
    else:
        return None
    last = np.array([width - 1, height - 1])
    (x0, y0), (x1, y1) = (np.clip(corner, 0, last).astype(int).tolist() for corner in (low, high))
    patch = flow[y0 : y1 + 1, x0 : x1 + 1].reshape(-1, 2)
    return np.asarray(np.median(patch, axis=0), np.float32)
