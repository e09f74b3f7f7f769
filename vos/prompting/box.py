"""``--box ID:x0,y0,x1,y1``: a box around an object, with inclusive pixel indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..documents import shown
from ..errors import PromptError
from ..prompts import Prompt, Target
from .syntax import coordinate, split_flag

FORM = "ID:x0,y0,x1,y1 (left, top, right, bottom), such as 1:120,80,310,400"


def parse_box(text: str, frame: int) -> list[Target]:
    """The target that a box flag selects.

    Raises:
        PromptError: if it is malformed or inverted.
    """
    object_id, parts = split_flag(text, FORM)
    if len(parts) != 4:
        raise PromptError(f"the box {shown(text)} has {len(parts)} coordinates, not 4; write {FORM}")
    return [Target(object_id, box_prompt(parts, f"in {shown(text)}"), frame)]


def box_prompt(values: Sequence[object], where: str) -> Prompt:
    """A prompt of the four coordinates of a box.

    Raises:
        PromptError: if it is inverted.
    """
    x0, y0, x1, y1 = (coordinate(value, where) for value in values)
    if x1 < x0 or y1 < y0:
        right = f"{min(x0, x1):g},{min(y0, y1):g},{max(x0, x1):g},{max(y0, y1):g}"
        raise PromptError(
            f"the box {where} is inverted: {x0:g},{y0:g} must be its upper left corner; did you mean {right}?"
        )
    return Prompt(box=np.asarray([x0, y0, x1, y1], dtype=np.float32))
