"""Checks of prompts against the frames that they are for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import PromptError
from ..frame import UPRIGHT, Turn
from ..prompts import Prompt, Target


def turn_masks(targets: Iterable[Target], turn: Turn) -> list[Target]:
    """The targets with masks that were drawn on the stored pixels turned as the frames are when read."""
    return [
        target
        if target.prompt.mask is None
        else replace(
            target, prompt=replace(target.prompt, mask=np.ascontiguousarray(turn.apply(target.prompt.mask)))
        )
        for target in targets
    ]


def check_targets(targets: Iterable[Target], size: tuple[int, int], turn: Turn = UPRIGHT) -> None:
    """Refuse prompts that do not fit frames of ``size`` (H, W), which were turned by ``turn`` when read.

    Raises:
        PromptError: a mask of another size or without a pixel; a point or a box outside the image.
    """
    for target in targets:
        where = f"object {target.object_id} in frame {target.frame_index}"
        prompt = target.prompt
        if prompt.mask is not None:
            check_mask_size(prompt.mask.shape, size, f"the mask of {where}", "the frames as read are", turn)
            if not prompt.mask.any():
                raise PromptError(f"the mask of {where} is empty: no pixel is set")
        if prompt.points is not None:
            _check_points(prompt.points, size, where)
        if prompt.box is not None:
            _check_box(prompt.box, size, target, where)


def check_mask_size(
    shape: tuple[int, ...], size: tuple[int, int], what: str, against: str, turn: Turn = UPRIGHT
) -> None:
    """Refuse a mask of another size than its image.

    Args:
        shape: (H, W) of the mask.
        size: (H, W) of the image as read.
        what: what the mask is called in the message.
        against: what the image is called, with a verb: ``the frames as read are``.
        turn: how the image was turned when it was read.

    Raises:
        PromptError: naming the turn where that explains it.
    """
    if shape == size:
        return
    (height, width), (rows, columns) = size, shape
    message = f"{what} is {columns}x{rows} pixels, but {against} {width}x{height}"
    if turn.degrees in (90, 270) and (rows, columns) == (width, height):
        raise PromptError(
            f"{message}: they are stored as {columns}x{rows} and {turn} when read, and the mask was drawn on "
            "the stored pixels. Give --turn-masks to rotate it as well, or draw it on the upright image"
        )
    if (rows, columns) == (width, height):
        raise PromptError(
            f"{message}: it lies on its side. Turn it by 90 degrees, one way or the other, or draw it on the "
            "image as it is read"
        )
    is_scaled = abs(columns * height - rows * width) <= max(width, height)  # but for rounding
    is_video = against.startswith("the frames")
    turned = f" ({turn} when read)" if turn != UPRIGHT else ""
    raise PromptError(
        f"{message}{turned}; make the mask {width}x{height} (nearest neighbour)"
        + (
            ""
            if turned or not is_video or not is_scaled
            else f", or read the video with --size {columns}x{rows}"
        )
    )


def _check_points(points: NDArray[np.float32], size: tuple[int, int], where: str) -> None:
    height, width = size
    if _are_fractions(points):
        x, y = points[0]
        raise PromptError(
            f"the point {x:g},{y:g} of {where} is in the first pixel: coordinates are pixels, not fractions "
            f"of the image; did you mean {x * width:g},{y * height:g}?"
        )
    for x, y in points:
        if not (0 <= x < width and 0 <= y < height):
            raise PromptError(
                f"the point {x:g},{y:g} of {where} is outside the image; "
                f"the frames as read are {width}x{height}: x is 0 to {width - 1}, y is 0 to {height - 1}"
            )


def _are_fractions(coordinates: NDArray[np.float32]) -> bool:
    """Whether these are coordinates of an image whose sides are 1."""
    return bool((coordinates % 1).any() and ((coordinates >= 0) & (coordinates <= 1)).all())


def _check_box(box: NDArray[np.float32], size: tuple[int, int], target: Target, where: str) -> None:
    height, width = size
    x0, y0, x1, y1 = (float(v) for v in box)
    if _are_fractions(box):
        raise PromptError(
            f"the box {x0:g},{y0:g},{x1:g},{y1:g} of {where} is in the first pixels: coordinates are pixels, "
            "not fractions of the image; did you mean "
            f"{target.object_id}:{x0 * width:g},{y0 * height:g},{x1 * width:g},{y1 * height:g}?"
        )
    if x1 < x0 or y1 < y0:
        raise PromptError(
            f"the box {x0:g},{y0:g},{x1:g},{y1:g} of {where} is inverted: {x0:g},{y0:g} must be its "
            "upper left corner"
        )
    # One pixel of grace: many tools give the exclusive end.
    if min(x0, y0) >= 0 and x1 <= width and y1 <= height and x0 <= width - 1 and y0 <= height - 1:
        return
    raise PromptError(
        f"the box {x0:g},{y0:g},{x1:g},{y1:g} of {where} reaches outside the image; "
        f"the frames as read are {width}x{height}{_inside(x0, y0, x1, y1, size, target.object_id)}"
    )


def _inside(x0: float, y0: float, x1: float, y1: float, size: tuple[int, int], object_id: int) -> str:
    """The part of the box in the image, as something to try; nothing if there is hardly any."""
    right, bottom = min(x1, size[1] - 1), min(y1, size[0] - 1)
    if not (x0 <= right and y0 <= bottom):  # nan, too
        return ""
    return f"; did you mean {object_id}:{x0:g},{y0:g},{right:g},{bottom:g}?"


def refuse_only_negative(targets: Iterable[Target]) -> None:
    """Refuse an object whose first prompts are points off it, and nothing else.

    Raises:
        PromptError: all that is not there would be the object.
    """
    seen: set[int] = set()
    for target in sorted(targets, key=lambda target: target.frame_index):
        if target.object_id not in seen and is_only_negative(target.prompt):
            raise PromptError(
                f"object {target.object_id} has only points off it (-) in frame {target.frame_index} "
                "and is not known there yet; add a point on it (+), a box or a mask"
            )
        seen.add(target.object_id)


def is_only_negative(prompt: Prompt) -> bool:
    """Whether a prompt has negative points alone."""
    only_points = prompt.box is None and prompt.mask is None and prompt.low_res is None
    return only_points and prompt.labels is not None and not prompt.labels.any()
