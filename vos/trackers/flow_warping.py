"""Masks warped from one image to the next by dense optical flow, with a confidence of the flow.

Flow from coarse to fine loses objects that are small and move by more than their size. Where an object's
flow is bad, a second place is tried: where its pixels fit best as a whole, found by template matching. Flow
starts again from there, and the better of the two is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Image
from ..ops.flow import dense_flow, round_trip_error

OUTSIDE = 0.3
"""Factor on consistency where something entered across the image border."""
SAME_COLOUR = 12.0
"""Lab distance at which two pixels count as the same one by 0.6."""
TEMPLATE = 20.0
"""Objects are matched at about this size in pixels: the place is all that is wanted."""
LEAST_DISPLACEMENT = 0.2
"""A displacement must differ by at least this, in object sizes, from the one by flow."""
LEAST_FIT = 0.6
"""The template's squared difference there must be below this share of that at the position by flow."""

RIGID = 0.6
"""Least quality of an object that is moved as it is: colours alone agree by chance."""


@dataclass(frozen=True)
class WarpingSettings:
    """How masks are warped."""

    RENAMED: ClassVar = {"good": "min_quality"}

    round_trip: float = 1.5
    """Forward-backward error of flow in pixels at which consistency has fallen to 0.6."""
    min_quality: float = 0.7
    """Quality of an object's flow below which template matching is tried."""
    gain: float = 1.1
    """Template matching replaces flow where it improves quality by this factor."""


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Where each pixel (column x, row y) of an image was in the one before."""

    x: Floats
    """(h, w) float32 column in the previous image."""
    y: Floats
    """(h, w) float32 row in the previous image."""
    consistency: Floats
    """(h, w) float32 in 0..1: forward-backward consistency."""

    def flow(self) -> Floats:
        """(h, w, 2) float32 (dx, dy) from each pixel to where it was."""
        rows, columns = np.mgrid[0 : self.x.shape[0], 0 : self.x.shape[1]].astype(np.float32)
        return np.stack([self.x - columns, self.y - rows], axis=-1)

    def warp(self, values: NDArray[Any], border: int = cv2.BORDER_CONSTANT) -> Floats:
        """(h, w) or (h, w, C) values of the previous image, moved to this one."""
        moved: Floats = cv2.remap(values, self.x, self.y, cv2.INTER_LINEAR, borderMode=border)
        return moved

    def after(self, earlier: Correspondence) -> Correspondence:
        """From this image to the one before the previous, which ``earlier`` leads to from the previous."""
        height, width = self.x.shape
        x = self.warp(earlier.x, cv2.BORDER_REPLICATE)
        y = self.warp(earlier.y, cv2.BORDER_REPLICATE)
        outside = (self.x < 0) | (self.y < 0) | (self.x > width - 1) | (self.y > height - 1)
        x[outside], y[outside] = self.x[outside], self.y[outside]
        return Correspondence(x, y, self.consistency * self.warp(earlier.consistency))


@dataclass(frozen=True, eq=False)
class WarpedMasks:
    """Masks of the previous image, warped to this one."""

    masks: Floats
    """(K, h, w) float32 in 0..1: the objects' masks, moved."""
    consistencies: tuple[Floats, ...]
    """K times (h, w) float32 in 0..1, of the correspondence that moved each mask."""
    qualities: tuple[float, ...]
    """K numbers in 0..1: the share of each object that was warped consistently and with the same colours."""
    correspondence: Correspondence
    """Of the image as a whole."""


def warp_masks(
    previous: Image, current: Image, labs: tuple[Floats, Floats], masks: Floats, settings: WarpingSettings
) -> WarpedMasks:
    """Move masks of the previous image to the current one.

    Args:
        previous, current: (h, w, 3) uint8 RGB.
        labs: both images in Lab, (h, w, 3) float32.
        masks: (K, h, w) float32 in 0..1, of the previous image.
    """
    grey = cv2.cvtColor(previous, cv2.COLOR_RGB2GRAY), cv2.cvtColor(current, cv2.COLOR_RGB2GRAY)
    common = correspond(*grey, settings.round_trip)
    reliable = common.consistency * colour_similarity(common, labs)
    moved, consistencies, qualities = [], [], []
    for mask in masks:
        here, consistency = common.warp(mask), common.consistency
        value = _warp_quality(here, reliable, mask)
        if value < settings.min_quality:
            displacement = find_displacement(previous, current, mask, _median_motion(common, here))
            if displacement is not None:
                for other, least in zip(
                    _from_displacement(grey, labs, displacement, settings), (0.0, RIGID), strict=True
                ):
                    there = other.warp(mask)
                    better = quality(other, there, labs, mask)
                    if better > max(least, settings.gain * value + 0.02):
                        here, consistency, value = there, other.consistency, better
        moved.append(here)
        consistencies.append(consistency)
        qualities.append(value)
    return WarpedMasks(np.stack(moved), tuple(consistencies), tuple(qualities), common)


def fuse(newest: WarpedMasks, other: WarpedMasks) -> WarpedMasks:
    """Masks warped from two earlier images, fused: each mask is their mean, weighted by consistency and
    quality.

    All else is that of the ``newest`` of the two.
    """
    masks, consistencies = [], []
    for k in range(len(newest.masks)):
        own = newest.consistencies[k] * np.float32(newest.qualities[k]) + np.float32(1e-3)
        more = other.consistencies[k] * np.float32(other.qualities[k])
        masks.append((own * newest.masks[k] + more * other.masks[k]) / (own + more))
        consistencies.append(np.maximum(newest.consistencies[k], other.consistencies[k]))
    return WarpedMasks(np.stack(masks), tuple(consistencies), newest.qualities, newest.correspondence)


def correspond(previous: Image, current: Image, round_trip: float) -> Correspondence:
    """Correspondence of two (h, w) grey images; ``round_trip`` in pixels, see :class:`WarpingSettings`."""
    return from_flows(dense_flow(current, previous), dense_flow(previous, current), round_trip)


def from_flows(back: Floats, forth: Floats, round_trip: float) -> Correspondence:
    """Correspondence by (h, w, 2) flow from the current image to the previous one, and by flow forth."""
    height, width = back.shape[:2]
    x, y, error = round_trip_error(back, forth)
    consistency = np.exp(error * np.float32(-0.5 / round_trip**2))
    outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    consistency[outside] *= np.float32(OUTSIDE)
    return Correspondence(x, y, consistency)


def quality(found: Correspondence, moved: Floats, labs: tuple[Floats, Floats], mask: Floats) -> float:
    """Share of ``mask`` that was warped to ``moved`` consistently and with unchanged colours."""
    return _warp_quality(moved, found.consistency * colour_similarity(found, labs), mask)


def _warp_quality(moved: Floats, reliable: Floats, mask: Floats) -> float:
    """Share of ``mask`` that was warped to ``moved``, weighted by the reliability of each pixel."""
    area = float(mask.sum())
    if area <= 0:
        return 0.0
    return min(1.0, float(np.vdot(moved, reliable)) / max(1.0, area))


def find_displacement(
    previous: Image, current: Image, mask: Floats, motion: tuple[float, float]
) -> tuple[float, float] | None:
    """(dx, dy) in pixels to a place where the object fits far better than at ``motion``, or None.

    Args:
        previous, current: (h, w, 3) uint8.
        mask: (h, w) float32, of the previous image.
        motion: (dx, dy) in pixels that flow gives the object.
    """
    size = float(np.sqrt(mask.sum()))
    height, width = mask.shape
    factor = min(1.0, max(0.12, TEMPLATE / max(size, 1.0)))
    small = (max(8, int(width * factor)), max(8, int(height * factor)))
    inside = cv2.resize((mask > 0.5).astype(np.float32), small, interpolation=cv2.INTER_AREA) > 0.5
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if rows.size == 0:
        return None
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    template = cv2.resize(previous, small, interpolation=cv2.INTER_AREA)[y0:y1, x0:x1].astype(np.float32)
    weight = np.repeat(inside[y0:y1, x0:x1, None], 3, axis=2).astype(np.float32)
    pad = int(max(y1 - y0, x1 - x0) // 2)  # an object may leave by half of itself
    where = cv2.resize(current, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    where = cv2.copyMakeBorder(where, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    misfit = cv2.matchTemplate(where, template, cv2.TM_SQDIFF, mask=weight)
    row, column = np.unravel_index(int(misfit.argmin()), misfit.shape)
    at_x = int(np.clip(round(x0 + pad + motion[0] * factor), 0, misfit.shape[1] - 1))
    at_y = int(np.clip(round(y0 + pad + motion[1] * factor), 0, misfit.shape[0] - 1))
    here = float(misfit[max(0, at_y - 1) : at_y + 2, max(0, at_x - 1) : at_x + 2].min())
    dx, dy = float(column - x0 - pad) / factor, float(row - y0 - pad) / factor
    if (
        float(misfit[row, column]) > LEAST_FIT * here
        or np.hypot(dx - motion[0], dy - motion[1]) < LEAST_DISPLACEMENT * size
    ):
        return None
    return dx, dy


def _from_displacement(
    grey: tuple[Image, Image],
    labs: tuple[Floats, Floats],
    displacement: tuple[float, float],
    settings: WarpingSettings,
) -> list[Correspondence]:
    """Correspondences of a displaced object: displaced and then refined by flow, and displaced rigidly.

    Flow gives a small object the motion of what is around it, so for small ones the second is the better.
    """
    height, width = grey[0].shape
    place = np.array([[1, 0, displacement[0]], [0, 1, displacement[1]]])
    flowing = correspond(_translate(grey[0], place), grey[1], settings.round_trip)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns - np.float32(displacement[0]), rows - np.float32(displacement[1])
    rigid = Correspondence(x, y, np.ones_like(x))
    rigid = Correspondence(x, y, colour_similarity(rigid, labs))
    return [
        Correspondence(
            flowing.x - np.float32(displacement[0]),
            flowing.y - np.float32(displacement[1]),
            flowing.consistency,
        ),
        rigid,
    ]


def colour_similarity(found: Correspondence, labs: tuple[Floats, Floats]) -> Floats:
    """(h, w) float32 in 0..1: colour similarity of corresponding pixels."""
    difference = found.warp(labs[0], cv2.BORDER_REPLICATE) - labs[1]
    difference *= difference
    distance = difference[..., 0] + difference[..., 1] + difference[..., 2]
    result: Floats = np.exp(distance * np.float32(-0.5 / SAME_COLOUR**2))
    return result


def _median_motion(found: Correspondence, moved: Floats) -> tuple[float, float]:
    """(dx, dy) of the object from the previous image to this one; (0, 0) where nothing of it was found."""
    rows, columns = np.nonzero(moved > 0.5)
    if rows.size == 0:
        return 0.0, 0.0
    dx = np.median(columns - found.x[rows, columns])
    dy = np.median(rows - found.y[rows, columns])
    return float(dx), float(dy)


def _translate(values: Image, matrix: NDArray[np.float64]) -> Image:
    """An image moved by a translation; borders repeat."""
    moved: Image = cv2.warpAffine(values, matrix, values.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return moved
