"""Who is followed, who comes back, who is new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vos.prompting.association import assign, associate
from vos.prompting.class_names import ClassInstance
from vos.results import FrameResult

SIZE = (20, 60)


def at(x: int, name: str = "dog", width: int = 8) -> ClassInstance:
    """A box of 8 x ``width`` pixels whose left side is ``x``."""
    logits = np.full(SIZE, -1, np.float32)
    logits[6:14, x : x + width] = 1
    return ClassInstance(name, 0.9, logits)


def tracked(*places: tuple[int, int]) -> FrameResult:
    """Tracks (id, x) of the size of :func:`at`; x < 0 is out of sight."""
    labels = np.zeros(SIZE, np.uint8)
    for object_id, x in places:
        if x >= 0:
            labels[at(x).mask] = object_id
    return FrameResult(0, labels, dict.fromkeys((object_id for object_id, _ in places), 1.0))


def test_finds_go_to_tracks_by_the_largest_sum_of_iou():
    """Greedily the first find would take track 2 from the second, and leave it without one."""
    gains = np.array([[0.6, 0.7], [0.0, 0.65]])
    assert assign(gains) == [(0, 0), (1, 1)]
    result = associate([at(12), at(22)], tracked((1, 10), (2, 20)), {1: "dog", 2: "dog"}, {})
    assert result.followed == {0: 1, 1: 2}
    assert result.new == ()


def test_swapped_order_keeps_identities():
    """The order of finds does not matter."""
    result = associate([at(41), at(1)], tracked((1, 0), (2, 40)), {1: "dog", 2: "dog"}, {})
    assert result.followed == {0: 2, 1: 1}


def test_new_ones_and_other_classes():
    """Far from all tracks is new; on a track of another class, or mostly on tracks, is nothing."""
    result = associate([at(30), at(11, "cat"), at(14)], tracked((1, 10)), {1: "dog"}, {})
    assert result.new == (0,)
    assert result.followed == {2: 1}
    part = associate([at(10, width=2)], tracked((1, 10)), {1: "dog"}, {})
    assert (part.followed, part.new) == ({}, ())


def test_what_draws_attention_tells_who_is_meant():
    """A mask beside a track, of a point on it, is no new object: the mask is wrong."""
    beside = replace(at(30), point=(12, 10))
    assert associate([beside], tracked((1, 10)), {1: "dog"}, {}).new == ()
    assert associate([replace(beside, point=(32, 10))], tracked((1, 10)), {1: "dog"}, {}).new == (0,)


def test_lost_ones_come_back_to_where_they_are_nearest():
    """Two lost dogs, two finds: the smallest sum of distances; a cat is not a dog."""
    names, places = {1: "dog", 2: "dog", 3: "cat"}, {1: (5.0, 10.0), 2: (50.0, 10.0), 3: (30.0, 10.0)}
    lost = tracked((1, -1), (2, -1), (3, -1))
    result = associate([at(45), at(10), at(28)], lost, names, places)
    assert result.returned == {0: 2, 1: 1}
    assert result.new == (2,)
    off = associate([at(45)], lost, names, places, reidentify=False)
    assert (off.returned, off.new) == ({}, (0,))


def test_nobody_found_or_nobody_followed():
    """Empty on either side."""
    assert associate([], tracked((1, 10)), {1: "dog"}, {}).followed == {}
    assert associate([at(3)], tracked(), {}, {}).new == (0,)
