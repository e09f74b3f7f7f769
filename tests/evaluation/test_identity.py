"""Identity swaps."""

from __future__ import annotations

import numpy as np

from vos.evaluation.identity import identities


def maps(*rows: list[int]) -> list[np.ndarray]:
    """Label maps of one row of pixels each."""
    return [np.array([row], np.uint8) for row in rows]


def test_swaps_are_changes_of_the_covered_object() -> None:
    """Object 1 goes over to 2 and comes back: two swaps, and the frames between are on another object."""
    truth = maps([1, 1, 2, 2, 0], [1, 1, 2, 2, 0], [1, 1, 2, 2, 0], [1, 1, 2, 2, 0])
    found = maps([1, 1, 2, 2, 0], [0, 1, 1, 1, 2], [2, 0, 1, 1, 0], [1, 1, 2, 2, 0])
    result = identities(zip(truth, found, strict=True), (1, 2))
    assert result[1].covered == (1, 2, 2, 1)
    assert (result[1].swaps, result[1].frames_on_others) == (2, 2)
    assert result[2].covered == (2, 0, 1, 2)
    assert (result[2].swaps, result[2].frames_on_others) == (2, 1)


def test_background_void_and_absence_are_no_swaps() -> None:
    """Frames in which an object is nowhere, or on background or void only, are passed over."""
    truth = maps([1, 2, 0, 255], [1, 2, 0, 255], [1, 2, 0, 255], [1, 2, 0, 255])
    found = maps([1, 2, 0, 0], [0, 0, 1, 2], [0, 0, 2, 1], [1, 2, 0, 0])
    result = identities(zip(truth, found, strict=True), (1, 2))
    assert [result[k].swaps for k in (1, 2)] == [0, 0]
    assert result[1].covered == (1, 0, 0, 1)


def test_a_tie_is_no_swap() -> None:
    """Half on its own object and half on another it is still itself."""
    (truth,), (found,) = maps([1, 2, 2, 0]), maps([2, 2, 0, 0])
    assert identities([(truth, found)], (2,))[2].swaps == 0
