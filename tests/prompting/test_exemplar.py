"""Boxes that show what a class name means, or what it does not."""

from __future__ import annotations

import pytest

from vos.detectors.base import Exemplar
from vos.errors import PromptError
from vos.prompting.exemplar import parse_exemplar


@pytest.mark.parametrize(
    ("text", "exemplar"),
    [
        ("dog:12,30,80,95", Exemplar("dog", (12, 30, 80, 95))),
        ("dog:12,30,80,95,+", Exemplar("dog", (12, 30, 80, 95))),
        (" red car : 1.4, 2.6, 30, 40 , -", Exemplar("red car", (1, 3, 30, 40), positive=False)),
        ("a:b:1,2,3,4", Exemplar("a:b", (1, 2, 3, 4))),
    ],
)
def test_a_name_a_box_and_a_sign(text: str, exemplar: Exemplar) -> None:
    """The name may hold colons and blanks; coordinates are rounded to pixels."""
    assert parse_exemplar(text) == exemplar


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3,4", "cannot be read; write NAME"),
        (":1,2,3,4", "cannot be read"),
        ("dog:1,2,3", "cannot be read"),
        ("dog:1,2,3,4,5", "cannot be read"),
        ("dog:9,2,3,4", "inverted"),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        parse_exemplar(text)
