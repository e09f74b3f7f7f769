"""A shape prior for each object: a soft mask in object coordinates, moved by one similarity transform.

Labels that are warped pixel by pixel lose a part when its colours change or when it is occluded, and
gain a part of a neighbour when flow is wrong along the contour. The shape does not: it is a soft mask in
object coordinates, which are mapped from frame to frame by the similarity transform (translation, rotation
and scale) that fits the object's flow best. Where other objects occlude it, it is not updated; where they
occluded it from the start it is unknown. So an object reappears with the part that was occluded.

How well shapes predict masks is measured while tracking: they predict a toy car well, and a dancer badly. The
prior is weighted by the agreement so far, and a shape that predicts badly is updated quickly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats, Mask
from ...ops.boxes import tight_box
from ...ops.crop import Crop

Matrix = NDArray[np.float64]

UNKNOWN = 0.5
"""Value of the shape where it was occluded."""
LARGEST = 160
"""Most rows or columns of a patch."""
ROOM = 0.25
"""Margin of the patch around the object, as a fraction of its longest side."""
RESET = 0.3
"""Agreement below which a shape is replaced by the mask."""


@dataclass(frozen=True)
class ShapeSettings:
    """Weight and update of the shape prior."""

    RENAMED: ClassVar = {
        "fewest": "min_objects",
        "fading": "decay",
        "poor": "min_agreement",
        "good": "full_agreement",
        "expected": "support_agreement",
        "memory": "momentum",
        "slow": "slow_rate",
        "fast": "fast_rate",
        "hidden": "min_visible",
        "sudden": "occlusion_drop",
        "pull": "recentring",
    }

    weight: float = 7.0
    """Score in nats inside the predicted shape, and against the object outside. 0 switches it off."""
    min_objects: int = 2
    """Shapes are used where there are at least this many objects: they decide between objects."""
    background: float = 0.7
    """Part of the score inside that the background gets as well: something that is not tracked may
    occlude the object."""
    decay: float = 0.95
    """Factor on the score per frame in which the object is lost."""
    blur: float = 1.5
    """Blur in pixels: the shape does not decide the exact contour."""
    min_agreement: float = 0.6
    """Agreement of predictions and masks (IoU) up to which the prior has no weight."""
    full_agreement: float = 0.9
    """Agreement from which on it has its full weight."""
    support_agreement: float = 0.5
    """Agreement from which on the object may appear anywhere in its shape, even where it was occluded."""
    momentum: float = 0.8
    """Momentum of the running agreement."""
    slow_rate: float = 0.05
    """Update rate of a shape that predicts well."""
    fast_rate: float = 0.5
    """Update rate of one that does not."""
    min_visible: float = 0.5
    """Visible share of the shape below which it is not updated; from there to 1 the rate grows."""
    occlusion_drop: float = 0.15
    """A drop of the agreement by this in one frame counts as an occlusion: shape and velocity are kept."""
    recentring: float = 0.3
    """Part of the offset between shape and mask by which the shape is moved after each frame."""


@dataclass(frozen=True, eq=False)
class Shape:
    """The shape of one object."""

    patch: Floats
    """(p, q) float32 in 0..1, in coordinates of the object."""
    matrix: Matrix
    """(2, 3) float64, from (x, y) in pixels of the frame to those of the patch."""
    agreement: float = 0.8
    """How well predictions have agreed with masks so far, in 0..1."""
    visible: float = 1.0
    """Visibility of the object in the newest frame, see :meth:`visible_share`."""

    def warped(self, motion: Matrix, crop: Crop) -> Shape:
        """The shape one frame later.

        Args:
            motion: (2, 3), from pixels of the crop to where they were in the frame before.
            crop: of this frame.
        """
        to_frame = frame_from_crop(crop)
        return replace(self, matrix=after(self.matrix, after(to_frame, after(motion, inverse(to_frame)))))

    def render(self, crop: Crop) -> Floats:
        """(h, w) float32 in 0..1: the shape in the crop."""
        matrix, flags = after(self.matrix, frame_from_crop(crop)), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        result: Floats = cv2.warpAffine(self.patch, matrix, (crop.width, crop.height), flags=flags)
        return result

    def reliability(self, settings: ShapeSettings) -> float:
        """Weight of the prior, in 0..1."""
        return min(
            1.0,
            max(
                0.0,
                (self.agreement - settings.min_agreement)
                / (settings.full_agreement - settings.min_agreement),
            ),
        )

    def updated(
        self, rendered: Floats, probability: Floats, others: Mask, crop: Crop, settings: ShapeSettings
    ) -> Shape:
        """The shape after the mask of a frame is known.

        Args:
            rendered: (h, w) float32, the predicted shape.
            probability: (h, w) float32, of the object.
            others: (h, w) bool, where other objects were found.
        """
        found = (probability > 0.5) & ~others
        visible = self.visible_share(rendered, others, settings)
        predicted = (rendered > UNKNOWN) & ~others
        union = np.count_nonzero(predicted | found)
        if union == 0 or visible == 0:
            return replace(self, visible=visible)
        overlap = np.count_nonzero(predicted & found) / union
        change = (1 - settings.momentum) * visible
        agreement = (1 - change) * self.agreement + change * overlap
        if overlap < self.agreement - settings.occlusion_drop:
            visible = 0.0  # something that is not tracked occludes a part of it
        result = replace(self, agreement=float(agreement), visible=visible)
        if not found.any() or visible == 0:
            return result
        if agreement < RESET:
            return shape_of(probability, others, crop) or result
        if predicted.any():
            (x, y), (u, v) = middle(found), middle(predicted)
            shift = settings.recentring * visible
            result = result.warped(np.array([[1, 0, -shift * (x - u)], [0, 1, -shift * (y - v)]]), crop)
        rate = visible * (
            settings.slow_rate
            + (settings.fast_rate - settings.slow_rate) * (1 - result.reliability(settings))
        )
        matrix = after(result.matrix, frame_from_crop(crop))
        size = self.patch.shape[::-1]
        now = cv2.warpAffine(probability, matrix, size)
        seen = cv2.warpAffine((~others).astype(np.float32), matrix, size)
        patch = self.patch + np.float32(rate) * seen * (now - self.patch)
        return replace(result, patch=patch)

    def visible_share(self, rendered: Floats, others: Mask, settings: ShapeSettings) -> float:
        """How much of the object the others leave visible, in 0..1; 0 where it is too little to update its
        shape and motion."""
        whole = int(np.count_nonzero(rendered > UNKNOWN))
        share = int(np.count_nonzero((rendered > UNKNOWN) & ~others)) / max(1, whole)
        return float(min(1.0, max(0.0, (share - settings.min_visible) / (1 - settings.min_visible))))

    def centre(self) -> tuple[float, float]:
        """(x, y) in pixels of the frame, of all of the object."""
        inside = self.patch > UNKNOWN
        x, y = middle(inside) if inside.any() else (self.patch.shape[1] / 2, self.patch.shape[0] / 2)
        back = inverse(self.matrix)
        return float(back[0] @ (x, y, 1)), float(back[1] @ (x, y, 1))


def shape_of(mask: Floats, others: Mask, crop: Crop) -> Shape | None:
    """The shape of an object from its mask (h, w) in a crop; None if that is empty."""
    box = tight_box(mask > 0.5)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    room = ROOM * max(x1 - x0, y1 - y0) + 4
    width, height = x1 - x0 + 1 + 2 * room, y1 - y0 + 1 + 2 * room
    scale = min(1.0, LARGEST / max(width, height))
    size = round(width * scale), round(height * scale)
    matrix = np.array([[scale, 0, scale * (room - x0)], [0, scale, scale * (room - y0)]])
    known = np.where(others & (mask < 0.5), np.float32(UNKNOWN), mask)
    patch = cv2.warpAffine(known, matrix, size)
    return Shape(patch, after(matrix, inverse(frame_from_crop(crop))))


def shape_scores(rendered: Floats, reliability: float, settings: ShapeSettings) -> Floats:
    """(h, w) float32 score in nats for the object, from its predicted shape."""
    soft = cv2.GaussianBlur(rendered, (0, 0), settings.blur)
    return np.float32(settings.weight * reliability) * (2 * soft - 1)


def similarity(field: Floats, at: tuple[float, float]) -> Matrix:
    """The similarity transform that an affine flow field comes closest to, exact ``at`` (x, y).

    Args:
        field: (h, w, 2) float32 (dx, dy), affine in the position.

    Returns:
        (2, 3), from (x, y) to (x + dx, y + dy).
    """
    height, width = field.shape[:2]
    across = (field[0, -1] - field[0, 0]).astype(np.float64) / max(1, width - 1)
    down = (field[-1, 0] - field[0, 0]).astype(np.float64) / max(1, height - 1)
    real, turn = 1 + (across[0] + down[1]) / 2, (across[1] - down[0]) / 2
    linear = np.array([[real, -turn], [turn, real]])
    there = field[0, 0] + across * at[0] + down * at[1] + np.asarray(at)
    return np.column_stack([linear, there - linear @ np.asarray(at)])


def frame_from_crop(crop: Crop) -> Matrix:
    """(2, 3) from pixels of the crop to those of the frame; pixel centres lie at whole numbers."""
    x, y = (crop.x1 - crop.x0) / crop.width, (crop.y1 - crop.y0) / crop.height
    return np.array([[x, 0, 0.5 * x - 0.5 + crop.x0], [0, y, 0.5 * y - 0.5 + crop.y0]])


def after(second: Matrix, first: Matrix) -> Matrix:
    """(2, 3) of two maps (2, 3), one after the other."""
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def inverse(matrix: Matrix) -> Matrix:
    """(2, 3) of the inverse map."""
    result: Matrix = cv2.invertAffineTransform(matrix)
    return result


def middle(mask: Mask) -> tuple[float, float]:
    """(x, y) of the centroid of a mask that is not empty."""
    rows: NDArray[np.int64] = mask.sum(axis=1)
    columns: NDArray[np.int64] = mask.sum(axis=0)
    total = int(rows.sum())
    return float(columns @ np.arange(columns.size) / total), float(rows @ np.arange(rows.size) / total)
