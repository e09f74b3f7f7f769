"""Which of several lost objects a region is that comes into view."""

from __future__ import annotations

import numpy as np

from vos.ops.crop import Crop
from vos.trackers.classical.confidence import ReferenceStatistics
from vos.trackers.classical.reappearance import Trajectory
from vos.trackers.classical.reassignment import one_owner
from vos.trackers.classical.state import ObjectState

CROP = Crop(0, 0, 40, 60, 40, 60)
REGION = np.s_[10:20, 30:38]


def an_object(object_id: int, *, x: float, dx: float, lost: int = 3) -> ObjectState:
    """One of 200 pixels, last seen at ``x`` in row 15."""
    reference = ReferenceStatistics(1.0, 200.0, 0.0, np.ones(1, np.float32))
    return ObjectState(object_id, 0.5, lost, 200.0, reference, 5, Trajectory((x, 15.0), (dx, 0.0)))


def shared(left: float = 0.9) -> np.ndarray:
    """(3, 40, 60): object 1 has the left half of a region with ``left``, object 2 the right half with 0.9."""
    probabilities = np.zeros((3, 40, 60), np.float32)
    probabilities[0] = 1
    probabilities[:, 10:20, 30:38] = np.array([0, 0.1, 0.9], np.float32)[:, None, None]
    probabilities[:, 10:20, 30:34] = np.array([0, left, 1 - left], np.float32)[:, None, None]
    return probabilities


def owners(probabilities: np.ndarray) -> set[int]:
    """Labels in the region."""
    return {int(k) for k in np.unique(probabilities.argmax(axis=0)[REGION])}


def reassigned(probabilities: np.ndarray, warped: np.ndarray, objects: tuple[ObjectState, ...]) -> np.ndarray:
    """What becomes of them in a crop of the whole frame at its own size."""
    return one_owner(probabilities, warped, objects, [o.usual_area for o in objects], CROP)


NOTHING = np.zeros((2, 40, 60), np.float32)


def test_the_region_is_the_object_that_moves_there() -> None:
    """Two look-alikes are lost; what comes out on the right is the one that moved to the right."""
    right, left = an_object(1, x=25, dx=3), an_object(2, x=25, dx=-3)
    assert owners(reassigned(shared(), NOTHING, (right, left))) == {1}
    right, left = an_object(1, x=25, dx=-3), an_object(2, x=25, dx=3)
    given = shared()
    assert owners(reassigned(given, NOTHING, (right, left))) == {2}
    assert owners(given) == {1, 2}, "what is given is not changed"


def test_looks_decide_where_they_differ() -> None:
    """A region that is nearly all one object's by its looks is that object, wherever it moved."""
    probabilities = shared()
    probabilities[:, 10:20, 30:38] = np.array([0, 0.01, 0.99], np.float32)[:, None, None]
    probabilities[:, 10:12, 30:31] = np.array([0, 0.9, 0.1], np.float32)[:, None, None]
    against = an_object(1, x=25, dx=3), an_object(2, x=25, dx=-3)
    assert owners(reassigned(probabilities, NOTHING, against)) == {2}


def test_an_object_that_is_coming_out_keeps_its_region() -> None:
    """The lost one does not take a part of it, though it moves that way."""
    seen = NOTHING.copy()
    seen[1][10:20, 34:38] = 1
    lost, coming = an_object(1, x=25, dx=3), an_object(2, x=36, dx=-1, lost=0)
    assert owners(reassigned(shared(), seen, (lost, coming))) == {2}


def test_a_region_too_large_for_one_object_is_shared() -> None:
    """Two that come out side by side are both found."""
    small = tuple(
        ObjectState(o.object_id, o.score, o.frames_lost, 50.0, o.reference, 5, o.trajectory)
        for o in (an_object(1, x=25, dx=3), an_object(2, x=25, dx=-3))
    )
    assert owners(reassigned(shared(), NOTHING, small)) == {1, 2}


def test_an_object_comes_out_from_behind_one_in_full_view() -> None:
    """The other is no object on its way out, so nothing is taken from the lost one."""
    full = NOTHING.copy()
    full[1][10:30, 34:44] = 1
    probabilities = shared()
    probabilities[:, 10:30, 38:44] = np.array([0, 0.1, 0.9], np.float32)[:, None, None]
    lost, seen = an_object(1, x=25, dx=-3), an_object(2, x=38, dx=0, lost=0)
    assert owners(reassigned(probabilities, full, (lost, seen))) == {1, 2}


def test_apart_regions_are_left_alone() -> None:
    """Each of two lost objects comes out on its own side."""
    probabilities = shared()
    probabilities[:, 10:20, 32:36] = np.array([1, 0, 0], np.float32)[:, None, None]
    both = an_object(1, x=25, dx=-3), an_object(2, x=25, dx=3)
    assert np.array_equal(reassigned(probabilities, NOTHING, both), probabilities)
