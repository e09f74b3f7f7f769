from __future__ import annotations

import numpy as np
import pytest

from vos.frame import Frame
from vos.masks import (
    MaskSet,
    Segmentation,
    labels_to_masks,
    masks_to_labels,
    object_ids,
    tight_box,
)
from vos.prompt import Prompt, Target

LABELS = np.array([[0, 7, 7], [255, 7, 3]], dtype=np.uint8)


def test_ids_leave_out_background_and_void() -> None:
    """0 and 255 are not objects."""
    assert object_ids(LABELS) == (3, 7)


def test_labels_and_masks_are_two_views_of_the_same() -> None:
    """Splitting into masks and joining again keeps every object pixel, in any row order."""
    masks = labels_to_masks(LABELS, (7, 3))
    assert masks.shape == (2, 2, 3)
    assert masks[0].sum() == 3
    joined = masks_to_labels(masks, (7, 3))
    assert np.array_equal(joined, np.where(LABELS == 255, 0, LABELS))


def test_the_later_row_wins_where_masks_overlap() -> None:
    """Row order decides, so the caller sorts by what should be on top."""
    masks = np.ones((2, 1, 2), dtype=bool)
    masks[1, 0, 0] = False
    assert masks_to_labels(masks, (1, 2)).tolist() == [[1, 2]]


def test_a_tight_box_has_inclusive_corners() -> None:
    """One pixel at column 2, row 1 is the box 2, 1, 2, 1; nothing has no box."""
    mask = np.zeros((3, 4), dtype=bool)
    assert tight_box(mask) is None
    mask[1, 2] = True
    assert tight_box(mask) == (2, 1, 2, 1)
    mask[2, 0] = True
    assert tight_box(mask) == (0, 1, 2, 2)


def test_a_segmentation_may_know_objects_that_are_not_visible() -> None:
    """ids come from the scores, not from the pixels."""
    segmentation = Segmentation(4, LABELS * (LABELS != 255), {9: 0.1, 3: 0.8, 7: 0.9})
    assert segmentation.ids == (3, 7, 9)
    assert not segmentation.mask(9).any()
    assert "3x2" in repr(segmentation)


@pytest.mark.parametrize("bad", [0, 255, -1, 300])
def test_object_ids_are_1_to_254(bad: int) -> None:
    """0 is background and 255 void; neither can be an object."""
    with pytest.raises(ValueError, match=str(bad)):
        Segmentation(0, LABELS, {bad: 1.0})
    with pytest.raises(ValueError, match=str(bad)):
        Target(bad, Prompt(box=np.zeros(4, np.float32)))


def test_a_mask_set_checks_its_rows() -> None:
    """As many rows as ids, and every id once."""
    logits, scores = np.zeros((2, 2, 2), np.float32), np.ones(2, np.float32)
    assert MaskSet((1, 2), logits, scores).ids == (1, 2)
    with pytest.raises(ValueError, match="3 ids need"):
        MaskSet((1, 2, 3), logits, scores)
    with pytest.raises(ValueError, match="occurs twice"):
        MaskSet((1, 1), logits, scores)


def test_a_frame_checks_its_image() -> None:
    """Only (H, W, 3) uint8 is a frame; the repr shows the size and not the pixels."""
    frame = Frame(3, np.zeros((2, 5, 3), np.uint8), "00003", 0.1)
    assert frame.size == (2, 5)
    assert "5x2" in repr(frame)
    with pytest.raises(ValueError, match="uint8"):
        Frame(0, np.zeros((2, 5, 3), np.float32), "0")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="uint8"):
        Frame(0, np.zeros((2, 5), np.uint8), "0")
    with pytest.raises(ValueError, match="index"):
        Frame(-1, np.zeros((2, 5, 3), np.uint8), "0")


def test_a_prompt_says_something_and_its_parts_fit() -> None:
    """Nothing at all, points without labels and wrong shapes are refused."""
    points = np.array([[1.0, 2.0]], np.float32)
    assert Prompt(points=points, labels=np.array([1])).box is None
    for bad in (
        {},
        {"points": points},
        {"points": points, "labels": np.array([1, 0])},
        {"points": points, "labels": np.array([2])},
        {"box": np.zeros(3, np.float32)},
        {"mask": np.zeros((2, 2))},
        {"low_res": np.zeros(4, np.float32)},
    ):
        with pytest.raises(ValueError, match=r"."):
            Prompt(**bad)
