"""Objects of files without identities, joined by overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from annotated_clips import labels_by_index

from vos.formats.linking import link_by_iou
from vos.formats.reading import Annotations
from vos.formats.records import FrameRecord, ObjectMask
from vos.ops.rle import encode_counts

Strip = tuple[int, int, int, str]
"""Id, first and last column, category."""


def annotations(*frames: Sequence[Strip]) -> Annotations:
    """One row of 20 pixels per frame."""

    def records() -> Iterator[FrameRecord]:
        for index, strips in enumerate(frames):
            objects = []
            for object_id, first, last, _ in strips:
                mask = np.zeros((1, 20), bool)
                mask[:, first : last + 1] = True
                objects.append(ObjectMask(object_id, encode_counts(mask)))
            yield FrameRecord(index, f"{index:05d}", (1, 20), tuple(objects))

    categories = {object_id: category for strips in frames for object_id, _, _, category in strips}
    return Annotations(records, "clip", {}, categories, None, [], [], {})


def test_masks_that_overlap_are_one_object() -> None:
    """One to one, the largest sum of overlaps; what overlaps too little, or is of another class, is new."""
    found = link_by_iou(
        annotations(
            [(11, 0, 3, "cat"), (12, 10, 13, "dog")],
            [(21, 10, 12, "dog"), (22, 1, 4, "cat")],
            [(31, 4, 7, "cat"), (32, 10, 12, "cat")],
        )
    )
    row = {index: labels[0].tolist() for index, labels in labels_by_index(found).items()}
    assert row[0] == [1] * 4 + [0] * 6 + [2] * 4 + [0] * 6
    assert row[1] == [0] + [1] * 4 + [0] * 5 + [2] * 3 + [0] * 7
    assert row[2] == [0] * 4 + [3] * 4 + [0] * 2 + [4] * 3 + [0] * 7
    assert found.categories == {1: "cat", 2: "dog", 3: "cat", 4: "cat"}


def test_the_best_pairs_and_not_the_first() -> None:
    """The first mask overlaps both earlier ones, and gets the one that leaves more in all."""
    found = link_by_iou(
        annotations(
            [(1, 0, 5, "cat"), (2, 4, 11, "cat")],
            [(3, 2, 9, "cat"), (4, 0, 4, "cat")],
        )
    )
    row = labels_by_index(found)[1][0].tolist()
    assert row[7] == 2
    assert row[0] == 1
