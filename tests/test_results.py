from __future__ import annotations

import numpy as np
import pytest

from vos.errors import PromptError
from vos.frame import Frame
from vos.ops.overlap import paint
from vos.prompts import Prompt, Target
from vos.results import FrameResult, Source, label_dtype, labels_to_masks, object_ids

LABELS = np.array([[0, 7, 7], [255, 7, 3]], dtype=np.uint8)


def test_ids_leave_out_background_and_void() -> None:
    """0 and 255 are not objects."""
    assert object_ids(LABELS) == (3, 7)


def test_labels_and_masks_are_two_views_of_the_same() -> None:
    """Splitting into masks and joining again keeps every object pixel, in any row order."""
    masks = labels_to_masks(LABELS, (7, 3))
    assert masks.shape == (2, 2, 3)
    assert masks[0].sum() == 3
    joined = paint(masks, (7, 3))
    assert np.array_equal(joined, np.where(LABELS == 255, 0, LABELS))


def test_a_segmentation_may_know_objects_that_are_not_visible() -> None:
    """ids come from the scores, not from the pixels."""
    segmentation = FrameResult(4, LABELS * (LABELS != 255), {9: 0.1, 3: 0.8, 7: 0.9})
    assert segmentation.ids == (3, 7, 9)
    assert not segmentation.mask(9).any()
    assert "3x2" in repr(segmentation)


@pytest.mark.parametrize("bad", [0, 255, -1, 65535])
def test_object_ids_are_1_to_65534_without_255(bad: int) -> None:
    """0 is background and 255 void; neither can be an object."""
    with pytest.raises(ValueError, match=str(bad)):
        FrameResult(0, LABELS, {bad: 1.0})
    with pytest.raises(PromptError, match=str(bad)):
        Target(bad, Prompt(box=np.zeros(4, np.float32)))


def test_ids_beyond_254_make_16_bit_labels() -> None:
    """A label map has 8 bit as long as its ids fit; 255 is void in either."""
    assert label_dtype([1, 254]) is np.uint8
    assert label_dtype([1, 300]) is np.uint16
    wide = np.array([[300, 0]], np.uint16)
    assert FrameResult(0, wide, {300: 1.0}).mask(300).tolist() == [[True, False]]
    with pytest.raises(ValueError, match="uint8 or uint16"):
        FrameResult(0, wide.astype(np.int32), {300: 1.0})


def test_probabilities_are_computed_when_asked_for() -> None:
    """A function is called once, and only when its values are wanted; without one the masks are hard."""
    hard = FrameResult(0, LABELS * (LABELS != 255), {3: 1.0, 7: 1.0})
    assert hard.probabilities.tolist() == [[[0, 0, 0], [0, 0, 1]], [[0, 1, 1], [0, 1, 0]]]
    calls = []

    def soft() -> np.ndarray:
        calls.append(1)
        return np.full((1, 2, 3), 0.4, np.float32)

    result = FrameResult(0, np.zeros((2, 3), np.uint8), {1: 0.5}, probabilities=soft)
    assert not calls
    assert result.probabilities is result.probabilities
    assert len(calls) == 1
    with pytest.raises(ValueError, match="probabilities must be"):
        FrameResult(0, LABELS, {3: 1.0}, probabilities=np.zeros((2, 2, 3), np.float32)).probabilities  # noqa: B018


def test_every_object_has_a_source() -> None:
    """One source stands for all; a mapping names each."""
    assert FrameResult(0, LABELS, {3: 1.0, 7: 0.5}).source == {3: Source.TRACKED, 7: Source.TRACKED}
    with pytest.raises(ValueError, match="source has ids"):
        FrameResult(0, LABELS, {3: 1.0, 7: 0.5}, source={3: Source.USER})


def test_a_frame_is_shown_without_its_pixels() -> None:
    """The repr shows the size; what is refused is tested in ``test_frame.py``."""
    frame = Frame(3, np.zeros((2, 5, 3), np.uint8), "00003", 0.1)
    assert frame.size == (2, 5)
    assert "5x2" in repr(frame)


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
        with pytest.raises(PromptError, match=r"."):
            Prompt(**bad)


def test_a_result_takes_lists_and_names() -> None:
    """Labels as nested lists have no type of 8 or 16 bits and are refused; a source may be its name."""
    with pytest.raises(ValueError, match=r"labels must be \(H, W\) uint8 or uint16, got \(1, 2\) int64"):
        FrameResult(0, [[0, 1]], {1: 0.5})  # type: ignore[arg-type]
    assert FrameResult(0, LABELS, {3: 0.5}, source="user").source == {3: Source.USER}
    with pytest.raises(ValueError, match="me"):
        FrameResult(0, LABELS, {3: 0.5}, source="me")
