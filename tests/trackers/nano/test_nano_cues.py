"""Log-odds against rivals, and what a change of them does, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vos.trackers.nano.cues import against_rivals, changed


def test_a_change_of_log_odds() -> None:
    """A change of 0 keeps probabilities; one of log 3 triples the odds of an object against the others."""
    probabilities = np.array([0.2, 0.5, 0.3], np.float32).reshape(3, 1, 1)
    change = np.zeros((2, 1, 1), np.float32)
    np.testing.assert_allclose(changed(probabilities, change), probabilities, atol=1e-5)
    change[0] = np.log(3)
    odds = changed(probabilities, change)[:, 0, 0]
    assert odds.sum() == pytest.approx(1, abs=1e-6)
    assert odds[1] / odds[0] == pytest.approx(3 * 0.5 / 0.2, rel=1e-4)
    assert odds[1] / odds[2] == pytest.approx(3 * 0.5 / 0.3, rel=1e-4)


def test_rivals_of_one_object() -> None:
    """The rival of a single object is the background, of two also the other one."""
    scores = np.log(np.array([0.2, 0.5, 0.3], np.float32)).reshape(3, 1, 1)
    found = against_rivals(scores)[:, 0, 0]
    assert found == pytest.approx(np.log([0.5 / 0.3, 0.3 / 0.5]), abs=1e-6)
    assert against_rivals(scores[:2])[0, 0, 0] == pytest.approx(np.log(0.5 / 0.2), abs=1e-6)
