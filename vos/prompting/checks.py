"""Whether prompts fit the frames they speak of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..errors import PromptError
from ..prompts import Target


def check_targets(targets: Iterable[Target], size: tuple[int, int]) -> None:
    """Refuse prompts that do not fit frames of ``size`` (H, W).

    Raises:
        PromptError: a mask of another size or without a pixel; a point or a box outside the image.
    """
    for target in targets:
        where = f"object {target.object_id} in frame {target.frame_index}"
        prompt = target.prompt
        if prompt.mask is not None:
            _check_mask(prompt.mask, size, where)
        if prompt.points is not None:
            _check_points(prompt.points, size, where)
        if prompt.box is not None:
            _check_box(prompt.box, size, target, where)


def _check_mask(mask: NDArray[np.bool_], size: tuple[int, int], where: str) -> None:
    if mask.shape != size:
        (height, width), (rows, columns) = size, mask.shape
        raise PromptError(
            f"the mask of {where} is {columns}x{rows} pixels, but the frames as read are {width}x{height}; "
            f"make the mask {width}x{height} (nearest neighbour), "
            f"or read the video with --size {columns}x{rows}"
        )
    if not mask.any():
        raise PromptError(f"the mask of {where} is empty: no pixel is set")


def _check_points(points: NDArray[np.float32], size: tuple[int, int], where: str) -> None:
    height, width = size
    for x, y in points:
        if not (0 <= x < width and 0 <= y < height):
            raise PromptError(
                f"the point {x:g},{y:g} of {where} is outside the image; "
                f"the frames as read are {width}x{height}: x is 0 to {width - 1}, y is 0 to {height - 1}"
            )


def _check_box(box: NDArray[np.float32], size: tuple[int, int], target: Target, where: str) -> None:
    height, width = size
    x0, y0, x1, y1 = (float(v) for v in box)
    # One pixel of grace: many tools give the exclusive end.
    if min(x0, y0) >= 0 and x1 <= width and y1 <= height and x0 < width - 1 and y0 < height - 1:
        return
    raise PromptError(
        f"the box {x0:g},{y0:g},{x1:g},{y1:g} of {where} reaches outside the image; "
        f"the frames as read are {width}x{height}{_inside(x0, y0, x1, y1, size, target.object_id)}"
    )


def _inside(x0: float, y0: float, x1: float, y1: float, size: tuple[int, int], object_id: int) -> str:
    """The part of the box in the image, as something to try; nothing if there is none to speak of."""
    right, bottom = min(x1, size[1] - 1), min(y1, size[0] - 1)
    if right - x0 < 1 or bottom - y0 < 1:
        return ""
    return f"; did you mean {object_id}:{x0:g},{y0:g},{right:g},{bottom:g}?"
