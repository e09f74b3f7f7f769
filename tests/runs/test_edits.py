"""Edits of label maps, by hand; the command that makes them is tested in ``tests/cli/test_tracks.py``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vos.formats.reading import Annotations
from vos.formats.records import FrameRecord
from vos.frame import Frame
from vos.results import FrameResult, Source
from vos.runs.edits import (
    changed_record,
    edited,
    renumbered,
    summarize,
    without,
    without_holes,
    without_specks,
)
from vos.runs.edits_over_time import fill_gaps, signed_distance

ALWAYS = range(1000)


def rows(*lines: str) -> np.ndarray:
    """A label map of digits."""
    return np.array([[int(digit) for digit in line] for line in lines], np.uint8)


def annotations(*maps: np.ndarray) -> Annotations:
    """One frame per label map; every visible object has a confidence of its id over 10."""

    def records() -> Iterator[FrameRecord]:
        for index, labels in enumerate(maps):
            ids = [int(k) for k in np.unique(labels) if k]
            result = FrameResult(
                index, labels, {k: k / 10 for k in ids}, source=dict.fromkeys(ids, Source.TRACKED)
            )
            blank = np.zeros((*labels.shape, 3), np.uint8)
            yield FrameRecord.of(Frame(index, blank, f"{index:05d}"), result)

    return Annotations(records, "clip")


def test_ids_change_all_at_once() -> None:
    """Swapped, merged, removed, and beyond what eight bits hold; other frames stay."""
    labels = rows("1122", "3000")
    assert renumbered({1: 2, 2: 1}, ALWAYS)(0, labels).tolist() == rows("2211", "3000").tolist()
    assert renumbered({2: 1, 3: 0}, ALWAYS)(0, labels).tolist() == rows("1111", "0000").tolist()
    assert renumbered({3: 300}, ALWAYS)(0, labels).tolist() == [[1, 1, 2, 2], [300, 0, 0, 0]]
    assert renumbered({1: 2}, range(1, 3))(0, labels) is labels
    with pytest.raises(ValueError, match="255"):
        renumbered({1: 255}, ALWAYS)


def test_objects_are_removed_in_frames_or_outside_of_them() -> None:
    labels = rows("1122", "3000")
    assert without([1, 3], range(2, 4))(2, labels).tolist() == rows("0022", "0000").tolist()
    assert without([1, 3], range(2, 4), keep=True)(3, labels).tolist() == rows("1100", "3000").tolist()
    assert not without(None, range(2, 4), inside=False)(1, labels).any()
    assert without(None, range(2, 4), inside=False)(3, labels) is labels


def test_specks_are_pieces_below_a_size() -> None:
    """Pixels that touch at a corner are one piece; one of just the size stays."""
    labels = rows("110001", "000010", "200000", "202200")
    assert without_specks(2)(0, labels).tolist() == labels.tolist()
    assert without_specks(3)(0, labels).tolist() == rows("000000", "000000", "000000", "000000").tolist()
    large = rows("1110", "0000", "0002")
    assert without_specks(3)(0, large).tolist() == rows("1110", "0000", "0000").tolist()


def test_holes_within_one_object_are_filled() -> None:
    """Not those that hold another object, reach the border, or are as large as the limit."""
    labels = rows("1111111", "1011111", "1111111", "1000111", "1111111", "1110111")
    found = without_holes(3)(0, labels)
    assert found[3].tolist() == labels[3].tolist()
    assert found[5].tolist() == labels[5].tolist()
    assert found[1].tolist() == [1] * 7
    both = rows("11111", "10201", "11111")  # background and another object in one hole
    assert without_holes(9)(0, both).tolist() == both.tolist()
    assert without_holes(4)(0, labels)[3].tolist() == [1] * 7


def test_confidence_is_that_of_the_object_most_pixels_were() -> None:
    """Painted background has none, and counts as corrected."""
    before = FrameResult(
        3, rows("1222", "0000"), {1: 0.1, 2: 0.2}, source={1: Source.USER, 2: Source.TRACKED}
    )
    frame = Frame(3, np.zeros((2, 4, 3), np.uint8), "00003")
    record = changed_record(frame, before, rows("5555", "0007"))
    found = {one.object_id: (one.confidence, one.source) for one in record.objects}
    assert found == {5: (0.2, Source.TRACKED.value), 7: (0.0, Source.CORRECTED.value)}


def test_what_changes_is_counted() -> None:
    """By object, gained and lost; frames that stay are not named."""
    before = annotations(rows("1100"), rows("1100"), rows("0022"))
    summary = summarize(before, edited(before, renumbered({2: 1}, ALWAYS)))
    assert (summary.frames, summary.gained, summary.lost) == ([2], {1: 2}, {2: 2})


def test_a_gap_is_filled_on_the_way_between() -> None:
    """A square that moves is where it is half way; a gap that is too long, or an occupied place, stays."""

    def square(column: int) -> np.ndarray:
        labels = np.zeros((12, 30), np.uint8)
        labels[3:9, column : column + 6] = 1
        return labels

    empty = np.zeros((12, 30), np.uint8)
    empty[5, 12] = 2
    given = annotations(square(2), empty, square(14))
    (filled,) = np.nonzero((fill_gaps(given, 1)(1, empty) == 1).any(axis=0))
    assert (filled.min(), filled.max()) == (8, 13)
    assert fill_gaps(given, 1)(1, empty)[5, 12] == 2
    longer = annotations(square(2), empty, empty, square(14))
    assert not (fill_gaps(longer, 1)(1, empty) == 1).any()
    assert (fill_gaps(longer, 2)(1, empty) == 1).any()


def test_distances_to_the_outline_are_signed() -> None:
    """Half a pixel on either side of it."""
    mask = np.zeros((1, 40), bool)
    mask[:, :4] = True
    found = signed_distance(np.repeat(mask, 50, axis=0))[25]
    assert found[:6].tolist() == pytest.approx([3.5, 2.5, 1.5, 0.5, -0.5, -1.5], abs=0.05)
    assert found[39] == -32
