"""The shape of an object as a whole, moved by one motion: what a pixel alone cannot know.

Labels that are carried pixel by pixel lose a part when its colours change, or when something hides it, and
gain a part of a neighbour when flow is wrong along their contour. The shape does not: it is a soft mask in
coordinates of the object, which go from frame to frame by the similarity (shift, turn and scale) that
explains the object's flow best. Where other objects hide it, it is not changed, and where they hid it from
the start it is unknown: an object comes out from behind them with the part that went in.

How far that holds is measured: of a toy car the shape predicts the mask of the next frame well, of a dancer
it does not. The score counts as far as the prediction has been right so far, and where it is wrong the shape
follows the mask quickly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ...ops.boxes import tight_box
from ...ops.crop import Crop

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Matrix = NDArray[np.float64]

UNKNOWN = 0.5
"""Value of the shape where something hid it."""
LARGEST = 160
"""Rows and columns of a patch at most."""
ROOM = 0.25
"""Room in the patch around the object, as a fraction of its longest side."""
LOST = 0.3
"""Agreement below which a shape begins anew."""


@dataclass(frozen=True)
class ShapeSettings:
    """How the shape counts and changes."""

    weight: float = 7.0
    """Score in nats inside the predicted shape, and against the object outside. 0 switches it off."""
    fewest: int = 2
    """Shapes are kept where there are at least so many objects: they settle what belongs to which."""
    background: float = 0.7
    """Part of the score inside that the background gets, too: something that is no object may hide it."""
    fading: float = 0.95
    """Factor on the score per frame out of sight: the shape goes on moving, ever less surely."""
    blur: float = 1.5
    """Pixels: along the contour the shape decides nothing."""
    poor: float = 0.6
    """Agreement of predictions and masks (IoU) up to which the shape says nothing."""
    good: float = 0.9
    """Agreement from which on it counts in full."""
    expected: float = 0.5
    """Agreement from which on the object may be anywhere in its shape, though that was hidden before."""
    memory: float = 0.8
    """Part of the agreement that is kept from frame to frame."""
    slow: float = 0.05
    """Rate at which a shape that predicts well follows the mask."""
    fast: float = 0.5
    """The same for one that does not."""
    hidden: float = 0.5
    """Share of the shape beside other objects below which nothing is learned; from there to 1 the more."""
    sudden: float = 0.15
    """Agreement in one frame that is lower by this than before comes of something that hides the object: its
    shape and velocity stay as they were."""
    pull: float = 0.3
    """Part of the distance between the shape and the mask by which the shape is moved after each frame."""


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
    """How far the object was to be seen in the newest frame, see :meth:`visible_share`."""

    def moved(self, motion: Matrix, crop: Crop) -> Shape:
        """The shape one frame later.

        Args:
            motion: (2, 3), from pixels of the crop to where they were in the frame before.
            crop: of this frame.
        """
        to_frame = frame_from_crop(crop)
        return replace(self, matrix=after(self.matrix, after(to_frame, after(motion, inverse(to_frame)))))

    def drawn(self, crop: Crop) -> Floats:
        """(h, w) float32 in 0..1: the shape in the crop."""
        matrix, flags = after(self.matrix, frame_from_crop(crop)), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        result: Floats = cv2.warpAffine(self.patch, matrix, (crop.width, crop.height), flags=flags)
        return result

    def trust(self, settings: ShapeSettings) -> float:
        """How far it counts, in 0..1."""
        return min(1.0, max(0.0, (self.agreement - settings.poor) / (settings.good - settings.poor)))

    def seen(self, drawn: Floats, belief: Floats, others: Mask, crop: Crop, settings: ShapeSettings) -> Shape:
        """The shape after the mask of a frame is known.

        Args:
            drawn: (h, w) float32, what was predicted.
            belief: (h, w) float32, what was found.
            others: (h, w) bool, where other objects were found.
        """
        found = (belief > 0.5) & ~others
        visible = self.visible_share(drawn, others, settings)
        predicted = (drawn > UNKNOWN) & ~others
        union = np.count_nonzero(predicted | found)
        if union == 0 or visible == 0:
            return replace(self, visible=visible)
        overlap = np.count_nonzero(predicted & found) / union
        change = (1 - settings.memory) * visible
        agreement = (1 - change) * self.agreement + change * overlap
        if overlap < self.agreement - settings.sudden:
            visible = 0.0  # something that is no object hides a part of it
        result = replace(self, agreement=float(agreement), visible=visible)
        if not found.any() or visible == 0:
            return result
        if agreement < LOST:
            return shape_of(belief, others, crop) or result
        if predicted.any():
            (x, y), (u, v) = middle(found), middle(predicted)
            pull = settings.pull * visible
            result = result.moved(np.array([[1, 0, -pull * (x - u)], [0, 1, -pull * (y - v)]]), crop)
        rate = visible * (settings.slow + (settings.fast - settings.slow) * (1 - result.trust(settings)))
        matrix = after(result.matrix, frame_from_crop(crop))
        size = self.patch.shape[::-1]
        now = cv2.warpAffine(belief, matrix, size)
        seen = cv2.warpAffine((~others).astype(np.float32), matrix, size)
        patch = self.patch + np.float32(rate) * seen * (now - self.patch)
        return replace(result, patch=patch)

    def visible_share(self, drawn: Floats, others: Mask, settings: ShapeSettings) -> float:
        """How far the object can be seen beside the others, in 0..1: with the most of it hidden there is
        nothing to learn of its shape and its motion."""
        whole = int(np.count_nonzero(drawn > UNKNOWN))
        share = int(np.count_nonzero((drawn > UNKNOWN) & ~others)) / max(1, whole)
        return float(min(1.0, max(0.0, (share - settings.hidden) / (1 - settings.hidden))))

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


def shape_scores(drawn: Floats, trust: float, settings: ShapeSettings) -> Floats:
    """(h, w) float32 score in nats for the object, from its predicted shape."""
    soft = cv2.GaussianBlur(drawn, (0, 0), settings.blur)
    return np.float32(settings.weight * trust) * (2 * soft - 1)


def similarity(field: Floats, at: tuple[float, float]) -> Matrix:
    """The shift, turn and scale that an affine flow field comes closest to, exact ``at`` (x, y).

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
