"""Prompts of a tracked object, from a similarity map and a warped mask made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.backbones.base import FrameFeatures
from vos.trackers.persam.track_prompts import TrackPrompt, TrackPromptSettings, track_prompt

SIZE, CELL = (60, 80), 10
EMBEDDING = torch.ones(3)
WARPED = np.zeros(SIZE, np.float32)
WARPED[20:40, 30:60] = 1


def similarity() -> torch.Tensor:
    """(6, 8): 0, but 0.6 where the object is expected, 1 far from it, and -1 in a corner."""
    found = torch.zeros(SIZE[0] // CELL, SIZE[1] // CELL)
    found[2, 4], found[5, 7], found[0, 0] = 0.6, 1.0, -1.0
    return found


def ask(expected: np.ndarray | None, **settings: object) -> TrackPrompt:
    """The prompts with these settings."""
    features = FrameFeatures(torch.zeros(3, SIZE[0] // CELL, SIZE[1] // CELL), SIZE, None)
    return track_prompt(features, similarity(), EMBEDDING, expected, 0.7, TrackPromptSettings(**settings))


def cell_of(point: np.ndarray) -> tuple[int, int]:
    """Row and column of the cell that a point (x, y) is in."""
    return int(point[1]) // CELL, int(point[0]) // CELL


@pytest.mark.parametrize("expected", [None, np.zeros(SIZE, np.float32)])
def test_a_lost_object_is_searched_in_the_whole_image(expected: np.ndarray | None) -> None:
    """By points alone: where it is most likely, and off it where it is least."""
    found = ask(expected, negative_point=True)
    assert (found.first.box, found.first.mask, found.expected, found.warp_quality) == (None, None, None, 0.0)
    assert [cell_of(point) for point in found.points.points] == [(5, 7), (0, 0)]
    assert found.points.labels.tolist() == [1, 0]


def test_an_expected_object_is_searched_where_motion_says() -> None:
    """Box with its margin, mask, and the most similar place near it, though another is more similar."""
    found = ask(WARPED)
    room = round(0.1 * 25) + 6  # the mean side is 25
    assert found.first.box.tolist() == [30 - room, 20 - room, 59 + room, 39 + room]
    np.testing.assert_array_equal(found.first.mask, WARPED > 0.5)
    np.testing.assert_array_equal(found.expected, WARPED > 0.5)
    assert found.warp_quality == 0.7
    assert [cell_of(point) for point in found.points.points] == [(2, 4)]
    assert (found.points.box, found.points.mask) == (None, None)


def test_the_margin_ends_at_the_border() -> None:
    found = ask(WARPED, margin=0.0, margin_pixels=28)
    assert found.first.box.tolist() == [2, 0, 79, 59]


def test_the_negative_point_is_beside_the_object() -> None:
    """Within the box, where it is neither similar nor expected."""
    found = ask(WARPED, negative_point=True)
    x, y = found.points.points[-1]
    x0, y0, x1, y1 = found.first.box
    assert found.points.labels.tolist() == [1, 0]
    assert x0 <= x <= x1
    assert y0 <= y <= y1
    assert not WARPED[int(y), int(x)]


def test_as_published_the_box_and_its_centre() -> None:
    """Without the warped mask: the most similar place of all, and the middle of the box."""
    found = ask(WARPED, warped_mask=False)
    assert found.first.mask is None
    assert cell_of(found.points.points[0]) == (5, 7)
    assert found.points.points[1].tolist() == [44, 29]
    assert found.points.labels.tolist() == [1, 1]
    assert found.first.box.tolist() == ask(WARPED).first.box.tolist()


def test_guidance_has_what_is_switched_on() -> None:
    both = ask(WARPED).guidance
    torch.testing.assert_close(both.similarity, similarity())
    assert both.embedding is EMBEDDING
    assert ask(WARPED, guided_attention=False).guidance.similarity is None
    assert ask(WARPED, semantic_prompt=False).guidance.embedding is None
    assert ask(WARPED, guided_attention=False, semantic_prompt=False).guidance is None
