"""Prompts and targets as they are made in Python, and what is said of mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vos
from vos.errors import PromptError
from vos.prompts import Prompt, Target, check_targets_given, mask_targets

IMAGE = np.zeros((20, 30, 3), np.uint8)
LABELS = np.zeros((20, 30), np.uint8)
LABELS[5:10, 5:10] = 1
TARGETS = mask_targets(LABELS)
BOX = Prompt(box=(1, 2, 3, 4))


def test_numbers_become_arrays() -> None:
    """Lists and tuples are as good as arrays, and arrays of other types; those of the right one stay."""
    prompt = Prompt(points=[(1, 2), (3, 4)], labels=(1, 0), box=(1, 2, 3, 4))
    assert prompt.points is not None
    assert prompt.points.dtype == np.float32
    assert prompt.points.tolist() == [[1, 2], [3, 4]]
    assert (prompt.labels.tolist(), prompt.labels.dtype) == ([1, 0], np.int64)
    assert (prompt.box.tolist(), prompt.box.dtype) == ([1, 2, 3, 4], np.float32)
    box = np.array([1, 2, 3, 4], np.float32)
    assert Prompt(box=box).box is box
    assert Prompt(box=box.astype(np.int64)).box.dtype == np.float32
    assert Prompt(points=np.ones((2, 2)), labels=np.ones(2)).points.dtype == np.float32


MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (lambda: Prompt(), "needs points, a box, a mask"),
    (lambda: Prompt(box=(1, 2, 3)), r"box must be \(4,\), x0, y0, x1, y1, got \(3,\)"),
    (lambda: Prompt(box="1,2,3,4"), "box must be numbers, got '1,2,3,4'"),
    (lambda: Prompt(box=[(1, 2), 3]), "box must be numbers"),
    (lambda: Prompt(points=(1, 2), labels=[1]), r"points must be \(P, 2\)"),
    (lambda: Prompt(points=[(1, 2)]), "points and labels go together"),
    (lambda: Prompt(points=[(1, 2)], labels=[2]), r"labels must be 0 or 1, got \[2\]"),
    (lambda: Prompt(points=[(1, 2)], labels=[0.5]), r"labels must be 0 or 1, got \[0.5\]"),
    (lambda: Prompt(mask=LABELS), r"mask must be \(H, W\) bool, got .* uint8.*labels == id"),
    (lambda: Target(255, BOX), "255 void"),
    (lambda: Target("1", BOX), "object id '1' is not a whole number"),
    (lambda: Target(True, BOX), "object id True is not a whole number"),
    (lambda: Target(1, (1, 2, 3, 4)), r"must be a vos.Prompt, got tuple"),
    (lambda: Prompt(points=np.zeros((0, 2)), labels=[]), r"one or more, got \(0, 2\)"),
    (lambda: Prompt(points=[(1, 2)], labels=1), r"labels must be \(1,\), one per point, got \(\)"),
    (lambda: Target(1, BOX, -1), "frame_index must be a whole number >= 0, got -1"),
    (lambda: Target(1, BOX, 1.5), "frame_index must be a whole number >= 0, got 1.5"),
    (lambda: Target(1, BOX, "1"), "frame_index must be a whole number >= 0, got '1'"),
    (lambda: Target(1, BOX, confidence="1"), r"confidence must be in 0..1, got '1'"),
    (lambda: Target(1, BOX, confidence=np.nan), r"confidence must be in 0..1, got nan"),
    (lambda: Target(1, BOX, source="me"), "source must be one of user, .* got 'me'"),
    (lambda: mask_targets([[1], [1, 2]]), r"a label map is \(H, W\)"),
    (lambda: mask_targets(LABELS * 255), "no object: its only value besides 0 is 255.*take mask > 0"),
    (lambda: mask_targets(np.array([[0, 0.5]])), r"whole numbers, got \(1, 2\) float64.*mask > 0.5"),
    (lambda: mask_targets(np.array([[0, -1]])), r"are 0\.\.65534, got -1\.\.0"),
    (lambda: mask_targets(np.array([[0, 70000]])), r"got 0\.\.70000"),
    (lambda: mask_targets(np.zeros((2, 4, 4), bool)), r"a label map is \(H, W\).*got \(2, 4, 4\)"),
    (lambda: list(vos.track([IMAGE], LABELS)), r"got an array \(20, 30\) uint8; vos.mask_targets"),
    (lambda: list(vos.track([IMAGE], "1:1,2,3,4")), "got '1:1,2,3,4'; vos.load_prompts"),
    (lambda: list(vos.track([IMAGE], [(1, 2, 3, 4)])), r"one of them is \(1, 2, 3, 4\)"),
    (lambda: list(vos.track([IMAGE], [])), "no object to track"),
    (lambda: vos.segment_image(IMAGE, LABELS), "vos.mask_targets"),
    (lambda: vos.load_prompts(boxes=[(1, 2, 3, 4)]), r"the object id first.*3 coordinates, not 4"),
    (lambda: vos.load_prompts(boxes=[7]), "boxes holds 7; give text such as ID:x0,y0,x1,y1"),
    (lambda: vos.load_prompts(boxes=7), "boxes must be a list, got 7"),
    (lambda: vos.load_prompts(boxes=None), "boxes must be a list, got None"),
    (lambda: vos.load_prompts(boxes="1:1,2,3,4", frame=1.5), "frame 1.5 is not a whole number"),
    (lambda: vos.load_prompts(boxes="1:1,2,3,4", video="a.mp4"), "what vos.open_video gives, got 'a.mp4'"),
    (lambda: list(vos.track([IMAGE], [Target(1, Prompt(box=(9, 9, 3, 4)))])), "inverted: 9,9 must be"),
    (lambda: list(vos.track([IMAGE], [Target(1, Prompt(box=(9, np.nan, 13, 4)))])), "the box 9,nan,13,4"),
    (lambda: list(vos.track([IMAGE], mask_targets(LABELS, 7))), "mask of object 7 in frame 0 is empty"),
    (lambda: vos.persam(IMAGE, LABELS), r"mask must be \(H, W\) bool, got .* uint8"),
    (lambda: vos.load_prompts(masks=[LABELS]), "no path; of masks in memory vos.mask_targets"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_natural_mistakes(mistake: Callable[[], Any], message: str) -> None:
    """Each is one of our errors, which says what is allowed."""
    with pytest.raises(PromptError, match=message):
        mistake()


def test_tuples_are_prompts_as_flags_are() -> None:
    """The object id first, then the coordinates; one flag need not be in a list."""
    targets = vos.load_prompts(points=[(1, 3, 4), (1, 5, 6, "-")], boxes=[np.array([2.0, 1, 2, 8, 9])])
    assert [target.object_id for target in targets] == [1, 2]
    assert targets[0].prompt.points.tolist() == [[3, 4], [5, 6]]
    assert targets[0].prompt.labels.tolist() == [1, 0]
    assert targets[1].prompt.box.tolist() == [1, 2, 8, 9]
    for alone in ("3:1,2,8,9", (3, 1, 2, 8, 9), [3, 1, 2, 8, 9], np.array([3, 1, 2, 8, 9])):
        (single,) = vos.load_prompts(boxes=alone)
        assert (single.object_id, single.prompt.box.tolist()) == (3, [1, 2, 8, 9])
    (single,) = vos.load_prompts(points=(3, 4, 5))
    assert (single.object_id, single.prompt.points.tolist()) == (3, [[4, 5]])


def test_one_target_is_a_list_of_one() -> None:
    """As a caller with one object writes it; any iterable will do."""
    assert check_targets_given(TARGETS[0]) == TARGETS
    assert check_targets_given(iter(TARGETS)) == TARGETS
    assert [target.object_id for target in mask_targets(LABELS, ids=1)] == [1]
    assert [t.object_id for t in vos.load_prompts(boxes=iter(["2:1,2,3,4", "1:1,2,3,4"]))] == [1, 2]


def test_ids_are_plain_numbers() -> None:
    """So that they can be written; those of NumPy are taken."""
    for target in (*mask_targets(LABELS, ids=np.unique(LABELS)[1:]), *mask_targets(LABELS)):
        assert type(target.object_id) is int


def test_void_of_16_bits_is_no_object() -> None:
    """As 255 is none."""
    wide = LABELS.astype(np.uint16)
    wide[0], wide[1] = 65535, 255
    given = LABELS.copy()
    given[:2] = 0
    for target, expected in zip(mask_targets(wide), mask_targets(given), strict=True):
        assert target.object_id == expected.object_id
        assert np.array_equal(target.prompt.mask, expected.prompt.mask)


def test_a_boolean_map_is_one_object() -> None:
    """True is id 1."""
    (target,) = mask_targets(LABELS > 0)
    assert target.object_id == 1
    assert np.array_equal(target.prompt.mask, LABELS > 0)
