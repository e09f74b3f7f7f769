"""Prompts in pixels of resized frames."""

from __future__ import annotations

import numpy as np

from vos.prompting.resize import resized_targets
from vos.prompts import Prompt, Target


def test_half_the_size() -> None:
    """Points stay in place, a box covers what it covered, a mask keeps what it half covers."""
    mask = np.zeros((4, 8), bool)
    mask[0:2, 2:5] = True
    prompt = Prompt(points=[[0, 0], [4, 3], [7, 3]], labels=[1, 0, 1], box=(2, 1, 4, 2), mask=mask)
    (target,) = resized_targets([Target(3, prompt, 5, name="dog")], (4, 8), (2, 4))
    assert (target.object_id, target.frame_index, target.name) == (3, 5, "dog")
    found = target.prompt
    assert found.points is not None
    assert found.box is not None
    assert found.mask is not None
    assert found.labels is not None
    np.testing.assert_allclose(found.points, [[0, 0], [1.75, 1], [3, 1]])
    assert found.labels.tolist() == [1, 0, 1]
    assert found.box.tolist() == [1, 0, 2, 1]
    assert found.mask.tolist() == [[False, True, True, False], [False] * 4]


def test_sides_by_different_factors() -> None:
    """A larger frame, wider than before; what is not given stays so."""
    mask = np.array([[True, False], [True, False]])
    (target,) = resized_targets([Target(1, Prompt(box=(0, 0, 0, 1), mask=mask))], (2, 2), (4, 8))
    assert target.prompt.points is None
    assert target.prompt.box is not None
    assert target.prompt.box.tolist() == [0, 0, 3, 3]
    assert target.prompt.mask is not None
    assert target.prompt.mask.tolist() == [[True] * 4 + [False] * 4] * 4
