"""Dense optical flow between two images."""

from __future__ import annotations

import cv2
import numpy as np

from ..arrays import Floats, Image

SMALLEST_FLOW = 32
"""DIS needs some room for its patches: smaller images are padded to this many rows and columns."""


def dense_flow(source: Image, target: Image) -> Floats:
    """(h, w, 2) float32 (dx, dy) by DIS (Kroeger et al., 2016): pixel (x, y) of the source is (x + dx, y +
    dy) of the target."""
    height, width = source.shape
    down, right = max(0, SMALLEST_FLOW - height), max(0, SMALLEST_FLOW - width)
    if down or right:
        source = cv2.copyMakeBorder(source, 0, down, 0, right, cv2.BORDER_REPLICATE)
        target = cv2.copyMakeBorder(target, 0, down, 0, right, cv2.BORDER_REPLICATE)
    # A solver per call: it keeps no flow from one call to the next, and results do not depend on history.
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow: Floats = solver.calc(source, target, None)
    return np.ascontiguousarray(flow[:height, :width])


def round_trip_error(flow: Floats, back: Floats) -> tuple[Floats, Floats, Floats]:
    """(h, w) column and row in the other image that each pixel flows to, and the squared distance in pixels
    from it at which ``back``, the flow of the other image, returns."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    returned = flow + cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    returned *= returned
    return x, y, returned[..., 0] + returned[..., 1]
