"""The curves of a plot: confidence, area, and J where the truth is given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vos.errors import InputError
from vos.formats.reading import Annotations
from vos.formats.records import FrameRecord
from vos.frame import Frame
from vos.results import FrameResult
from vos.runs.plot import Panel, panels_of


def annotations(*maps: list[int], names: str = "abc") -> Annotations:
    """One row of pixels per frame; the confidence of an object is its id over 10, less the frame over 100."""

    def records() -> Iterator[FrameRecord]:
        for index, row in enumerate(maps):
            labels = np.array([row], np.uint8)
            confidence = {k: k / 10 - index / 100 for k in {*row} - {0}}
            frame = Frame(index, np.zeros((*labels.shape, 3), np.uint8), names[index])
            yield FrameRecord.of(frame, FrameResult(index, labels, confidence))

    return Annotations(records, "clip")


MASKS = annotations([1, 1, 2, 0], [1, 2, 2, 2], [0, 0, 0, 2])


def by_title(panels: list[Panel]) -> dict[str, dict[int, list[tuple[int, float]]]]:
    """Curves by the first word of a panel's title."""
    return {panel.title.split(",")[0]: panel.curves for panel in panels}


def test_confidence_and_area_of_every_object() -> None:
    """Frames in which it is not seen are left out; the largest area is at the upper edge."""
    confidence, area = panels_of(MASKS)
    assert area.curves == {1: [(0, 2), (1, 1)], 2: [(0, 1), (1, 3), (2, 1)]}
    assert (area.top, area.title) == (3, "area, 0 to 3 px")
    assert confidence.curves[1] == [(0, pytest.approx(0.1)), (1, pytest.approx(0.09))]
    assert confidence.top == 1


def test_j_where_the_truth_is_given() -> None:
    """Frames go together by name; an object that only one of them has is all wrong."""
    truth = annotations([1, 2, 2, 0], [0, 0, 0, 0], [1, 2, 2, 2], [3, 0, 0, 2], names="axbc")
    found = by_title(panels_of(MASKS, truth))["J"]
    assert found[1] == [(0, 0.5), (1, 1.0)]
    assert found[2] == [(0, 0.5), (1, 1.0), (2, 1.0)]
    assert found[3] == [(2, 0.0)]


def test_what_cannot_be_plotted() -> None:
    with pytest.raises(InputError, match="no object to plot"):
        panels_of(annotations([0, 0]))
    with pytest.raises(InputError, match="the truth has no frame b"):
        panels_of(MASKS, annotations([1, 1, 2, 0]))
    with pytest.raises(InputError, match="masks are 4x1, the truth 2x1"):
        panels_of(MASKS, annotations([1, 1]))
