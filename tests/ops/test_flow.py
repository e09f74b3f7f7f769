"""Optical flow between images whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vos.ops.flow import dense_flow, round_trip_error


def texture(height: int, width: int) -> NDArray[np.uint8]:
    """A smooth random image."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.mark.parametrize("size", [(60, 90), (24, 40)])
def test_a_shift_is_found(size: tuple[int, int]) -> None:
    """(dx, dy) of the source's pixels, also in images smaller than the method's patches allow."""
    whole = texture(size[0] + 8, size[1] + 8)
    source, target = whole[4:-4, 4:-4], whole[2:-6, 1:-7]  # right by 3, down by 2
    flow = dense_flow(np.ascontiguousarray(source), np.ascontiguousarray(target))
    assert flow.shape == (*size, 2)
    assert np.median(flow[4:-4, 4:-4], axis=(0, 1)) == pytest.approx([3, 2], abs=0.2)


def test_where_the_way_back_ends_elsewhere() -> None:
    """Pixels that return have no error; the others that of the distance, squared."""
    there = np.zeros((6, 8, 2), np.float32)
    there[..., 0], there[..., 1] = 2, 1
    back = np.zeros((6, 8, 2), np.float32)
    back[..., 0], back[..., 1] = -2, -1
    back[3, 5] = (-2 + 3, -1 + 4)  # where pixel (column 3, row 2) goes
    x, y, error = round_trip_error(there, back)
    assert (x[2, 3], y[2, 3]) == (5, 3)
    assert error[2, 3] == pytest.approx(3**2 + 4**2)
    error[2, 3] = 0
    assert not error.any()
