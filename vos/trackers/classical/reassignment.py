"""A region that comes into view belongs to one object.

Where look-alikes are hidden together, a classifier of pixels shares out the first one that comes out. So an
object that was lost does not reappear as a part of a region that may be another one on its way out: the
region as a whole goes to the object that looks and moves most like it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...ops.crop import Crop
from ...ops.overlap import argmax_rows
from .state import ObjectState

PARTLY = 0.7
"""An object of less than this share of its usual area is still coming into view."""
LEAST = 1e-6
"""Added to a probability before its logarithm is taken."""
MOTION = 1.5
"""Weight in nats of where a region is on an object's way."""
ROOM = 1.1
"""A region up to this multiple of an object's usual area may be that object alone."""


def one_owner(
    probabilities: Floats,
    warped: Floats,
    objects: Sequence[ObjectState],
    usual: Sequence[float],
    crop: Crop,
) -> Floats:
    """Label probabilities in which no lost object reappears as a part of another one that comes into view.

    Args:
        probabilities: (1 + K, h, w) float32 label probabilities in the crop; not changed.
        warped: (K, h, w) float32, the objects' previous masks, warped to this image.
        objects: the K objects after the previous frame.
        usual: usual area of each object in pixels of the crop.
        crop: the working crop.
    """
    labels = argmax_rows(probabilities)
    found = [k for k, o in enumerate(objects, start=1) if o.frames_lost and (labels == k).any()]
    coming = [
        k
        for k, (o, mask, area) in enumerate(zip(objects, warped, usual, strict=True), start=1)
        if o.frames_lost or mask.sum() < PARTLY * area
    ]
    if not found or len(coming) < 2:
        return probabilities
    together = np.isin(labels, coming).astype(np.uint8)
    _, regions = cv2.connectedComponents(cv2.dilate(together, np.ones((3, 3), np.uint8)))
    regions[together == 0] = 0
    result = probabilities.copy()
    for number in np.unique(regions[np.isin(labels, found)]):
        region = regions == number
        here = [k for k in coming if (labels[region] == k).any()]
        rows, columns = np.nonzero(region)
        centre = crop.x0 + columns.mean() / crop.scale, crop.y0 + rows.mean() / crop.scale

        def fits(k: int, region: NDArray[np.bool_] = region, centre: tuple[float, float] = centre) -> float:
            one = objects[k - 1]
            ahead = one.trajectory.ahead(centre, one.usual_area) if one.trajectory else 0.0
            return float(np.log(probabilities[k][region].mean() + LEAST)) + MOTION * ahead

        owner = max([k for k in here if not objects[k - 1].frames_lost] or here, key=fits)
        if np.count_nonzero(region) > ROOM * usual[owner - 1]:
            continue
        for k in here:
            if k != owner and objects[k - 1].frames_lost:
                result[owner][region] += result[k][region]
                result[k][region] = 0
    return result
