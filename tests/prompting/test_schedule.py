"""Which prompts belong to a frame, and which frames can have some."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from vos.errors import PromptError
from vos.frame import Frame
from vos.prompting.schedule import UserPrompts
from vos.prompts import Prompt, Target


def box(object_id: int, frame: int, name: str | None = None) -> Target:
    """A box of an object in a frame."""
    return Target(object_id, Prompt(box=np.array([1, 1, 5, 5], np.float32)), frame, name)


def frame(index: int) -> Frame:
    """Its image does not matter."""
    return Frame(index, np.zeros((8, 8, 3), np.uint8), f"{index:05d}")


def test_prompts_by_frame_and_the_first_of_each_object_backward() -> None:
    """Later prompts of an object are corrections: it is tracked backward from the first alone."""
    given = [box(2, 9, "dog"), box(1, 4), box(2, 4), box(1, 9)]
    prompts = UserPrompts(given)
    assert prompts.frame_indices == (4, 9)
    assert prompts.forward(frame(9)) == [given[0], given[3]]
    assert prompts.forward(frame(5)) == []
    assert prompts.backward(frame(4)) == [given[1], given[2]]
    assert prompts.backward(frame(9)) == []
    assert prompts.last_start() == 4
    assert UserPrompts(given, backward=False).last_start() == -1
    assert prompts.names == {2: "dog"}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (range(10, 40, 5), r"frame 23, but the frames read are 10 to 35, every 5: .* such as 25,"),
        (range(30, sys.maxsize), "frame 23, but the frames read are 30 on: .* such as 30,"),
        (range(0, 20), "frame 23, but the frames read are 0 to 19: .* such as 19,"),
    ],
)
def test_a_prompt_for_a_frame_that_is_not_read(wanted: range, message: str) -> None:
    """The nearest that is read is named."""
    prompts = UserPrompts([box(1, 23)])
    with pytest.raises(PromptError, match=message):
        prompts.check(wanted)
    prompts.check(range(3, 40, 5))


def test_prompts_after_the_last_frame_are_reported() -> None:
    prompts = UserPrompts([box(1, 3), box(1, 12)])
    assert prompts.warnings(12) == []
    assert prompts.warnings(11) == ["a prompt is for frame 12, after the last frame 11: it was not used"]
