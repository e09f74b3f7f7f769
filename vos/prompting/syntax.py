"""The small language of the flags: ``ID:numbers``."""

from __future__ import annotations

import numpy as np

from ..documents import shown
from ..errors import PromptError
from ..results import MAX_OBJECT_ID, VOID

IDS = f"ids are 1 to {MAX_OBJECT_ID} without {VOID}"
"""For messages."""
_LARGEST = float(np.finfo(np.float32).max)
"""What is larger would be infinite in a prompt."""


def split_flag(text: str, form: str) -> tuple[int, list[str]]:
    """Object id and the comma-separated rest of ``ID:a,b,...``.

    ``form`` is what the flag should look like, for messages.

    Raises:
        PromptError: without a colon, or with an id that is not in 1..65534, or is 255.
    """
    head, colon, rest = text.partition(":")
    if not colon:
        raise PromptError(f"{shown(text)} has no object id; write {form}")
    return object_id(head.strip(), f"in {shown(text)}"), [part.strip() for part in rest.split(",")]


def object_id(value: object, where: str) -> int:
    """``value`` (an int, or its digits) as an object id.

    Raises:
        PromptError: unless it is a whole number in 1..65534 other than 255.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PromptError(f"object id {shown(value)} {where} is not a whole number; {IDS}")
    try:
        number = int(value)
    except ValueError:
        raise PromptError(f"object id {shown(value)} {where} is not a whole number; {IDS}") from None
    if not 1 <= number <= MAX_OBJECT_ID or number == VOID:
        reason = {0: "0 is the background", VOID: f"{VOID} is void (no label)"}.get(number, "out of range")
        raise PromptError(f"object id {shown(number)} {where}: {reason}; {IDS}")
    return number


def coordinate(value: object, where: str) -> float:
    """``value`` (a number, or its text) as a finite coordinate in pixels, 0 or more.

    Raises:
        PromptError: for anything else.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError):
        raise PromptError(f"coordinate {shown(value)} {where} is not a number") from None
    if not 0 <= number <= _LARGEST:
        raise PromptError(
            f"coordinate {shown(value)} {where} is outside the image; the upper left pixel is 0,0"
        )
    return number
