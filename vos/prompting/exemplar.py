"""``--exemplar NAME:x0,y0,x1,y1[,+|-]``: a box that shows what a class name means, or what it does not."""

from __future__ import annotations

from ..detectors.base import Exemplar
from ..documents import shown
from ..errors import PromptError
from .box import box_prompt

FORM = "NAME:x0,y0,x1,y1 (left, top, right, bottom), with ,- for a box that is none, such as dog:12,30,80,95"


def parse_exemplar(text: str) -> Exemplar:
    """The exemplar that a flag gives.

    Raises:
        PromptError: if it is malformed or inverted.
    """
    name, colon, rest = text.rpartition(":")
    parts = [part.strip() for part in rest.split(",")]
    sign = parts.pop() if parts[-1] in ("+", "-") else "+"
    if not colon or not name.strip() or len(parts) != 4:
        raise PromptError(f"the exemplar {shown(text)} cannot be read; write {FORM}")
    box = box_prompt(parts, f"in {shown(text)}").box
    assert box is not None
    x0, y0, x1, y1 = (round(float(value)) for value in box)
    return Exemplar(name.strip(), (x0, y0, x1, y1), sign == "+")
