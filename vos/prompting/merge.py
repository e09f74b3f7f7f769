"""All prompts for one object in one frame, as one target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..errors import PromptError
from ..prompts import Prompt, Target

T = TypeVar("T")


def merge_targets(targets: Iterable[Target]) -> list[Target]:
    """One target per object and frame, by frame and then id.

    Points add up; a box and points go together; a mask with points or a box is a rough mask to be corrected.

    Raises:
        PromptError: for two masks, two boxes or two names of one object in one frame.
    """
    merged: dict[tuple[int, int], Target] = {}
    for target in targets:
        key = target.frame_index, target.object_id
        merged[key] = _merge(merged[key], target) if key in merged else target
    return [merged[key] for key in sorted(merged)]


def _merge(one: Target, other: Target) -> Target:
    a, b = one.prompt, other.prompt
    where = f"object {one.object_id} in frame {one.frame_index}"
    if a.mask is not None and b.mask is not None:
        raise PromptError(
            f"two masks for {where}; give each object an id of its own: "
            "an index PNG with all of them, or a folder with one image per object"
        )
    if a.box is not None and b.box is not None:
        raise PromptError(f"two boxes for {where}; give one box that holds all of it, or points")
    if one.name and other.name and one.name != other.name:
        raise PromptError(f"two names for {where}: {one.name!r} and {other.name!r}")
    points, labels = _either(a.points, b.points), _either(a.labels, b.labels)
    if a.points is not None and b.points is not None and a.labels is not None and b.labels is not None:
        points, labels = np.concatenate([a.points, b.points]), np.concatenate([a.labels, b.labels])
    prompt = Prompt(
        points=points,
        labels=labels,
        box=_either(a.box, b.box),
        mask=_either(a.mask, b.mask),
    )
    return replace(one, prompt=prompt, name=one.name or other.name)


def _either(one: T | None, other: T | None) -> T | None:
    return other if one is None else one
