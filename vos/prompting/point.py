"""``--point ID:x,y[,+|-]``: a point on an object, or off it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..documents import shown
from ..errors import PromptError
from ..prompts import Prompt, Target
from .syntax import coordinate, split_flag

FORM = "ID:x,y on the object or ID:x,y,- off it, such as 1:320,180"
SIGNS = {"+": 1, "-": 0}


def parse_point(text: str, frame: int) -> list[Target]:
    """The target that a point flag selects.

    Raises:
        PromptError: if it is malformed.
    """
    object_id, parts = split_flag(text, FORM)
    sign = parts.pop() if len(parts) == 3 else "+"
    if len(parts) != 2 or sign not in SIGNS:
        raise PromptError(f"cannot read the point {shown(text)}; write {FORM}")
    x, y = parts
    return [Target(object_id, point_prompt([(x, y, sign)], f"in {shown(text)}"), frame)]


def point_prompt(points: list[tuple[Any, Any, str]], where: str) -> Prompt:
    """A prompt of (x, y, sign) triples, sign ``+`` or ``-``; coordinates are checked here."""
    xy = [[coordinate(x, where), coordinate(y, where)] for x, y, _ in points]
    labels = [SIGNS[sign] for _, _, sign in points]
    return Prompt(
        points=np.asarray(xy, dtype=np.float32).reshape(-1, 2), labels=np.asarray(labels, dtype=np.int64)
    )
