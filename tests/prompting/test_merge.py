"""All that is said of one object in one frame becomes one target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vos.errors import PromptError
from vos.prompting.merge import merge_targets
from vos.prompts import Prompt, Target

BOX = Target(1, Prompt(box=np.array([1, 2, 9, 8], np.float32)), 5)
MASK = Target(1, Prompt(mask=np.eye(12, dtype=bool)), 5)


def point(x: float, label: int, name: str | None = None) -> Target:
    """One point of object 1 in frame 5."""
    return Target(1, Prompt(points=np.array([[x, 3]], np.float32), labels=np.array([label])), 5, name)


def test_points_add_up_in_order_beside_a_box_and_a_mask() -> None:
    (merged,) = merge_targets([point(4, 1), BOX, point(6, 0), MASK])
    assert merged.prompt.points.tolist() == [[4, 3], [6, 3]]
    assert merged.prompt.labels.tolist() == [1, 0]
    assert merged.prompt.box is BOX.prompt.box
    assert merged.prompt.mask is MASK.prompt.mask


def test_targets_are_sorted_by_frame_and_id() -> None:
    given = [replace(BOX, frame_index=7), replace(BOX, object_id=3), BOX, replace(point(2, 1), object_id=3)]
    merged = merge_targets(given)
    assert [(target.frame_index, target.object_id) for target in merged] == [(5, 1), (5, 3), (7, 1)]
    assert merged[1].prompt.points is not None
    assert merged[0].prompt.points is None


@pytest.mark.parametrize("names", [("dog", None), (None, "dog"), ("dog", "dog")])
def test_a_name_need_be_given_once(names: tuple[str | None, str | None]) -> None:
    (merged,) = merge_targets([point(k, 1, name) for k, name in enumerate(names)])
    assert merged.name == "dog"


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((MASK, MASK), "two masks for object 1 in frame 5"),
        ((BOX, BOX), "two boxes for object 1 in frame 5"),
        ((point(1, 1, "cat"), point(2, 1, "dog")), "two names for object 1 in frame 5: 'cat' and 'dog'"),
    ],
)
def test_what_cannot_be_said_twice(pair: tuple[Target, Target], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        merge_targets(pair)
