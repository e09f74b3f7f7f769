"""What a correction is expected to mend, against the sums written out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from vos.projects.benefit import (
    REACH,
    ErrorModel,
    choose_frames,
    distances,
    doubt_gains,
    mended,
    usual_gains,
)
from vos.projects.queue import expected_errors
from vos.projects.state import Anchor, Track

MODEL = ErrorModel(usual=0.1, growth=0.3, filled=0.6, bad=0.5)
FILL = 6


def locked_at(count: int, *frames: int) -> np.ndarray:
    """(T,) as of ``locked_frames``."""
    locked = np.zeros(count, bool)
    locked[list(frames)] = True
    return locked


def errors(locked: np.ndarray) -> float:
    """The usual errors of all frames."""
    away = distances(locked)
    edges = [-1, *np.flatnonzero(locked), len(locked)]
    total = 0.0
    for before, after in pairwise(edges):
        is_filled = before >= 0 and after < len(locked) and after - before - 1 <= FILL
        share = MODEL.filled if is_filled else 1.0
        total += share * MODEL.usual * float((away[before + 1 : after] ** MODEL.growth).sum())
    return total


def test_distances_reach_to_the_nearer_end() -> None:
    """An end of the video locks nothing."""
    assert distances(locked_at(8, 1, 5)).tolist() == [1, 0, 1, 2, 1, 0, 1, 2]
    assert np.isinf(distances(np.zeros(3, bool))).all()


def test_doubts_are_mended_in_proportion_to_distance() -> None:
    """As far as the next locked frame, and :data:`REACH` at most."""
    u = np.random.default_rng(0).random(200)
    u[[20, 45]] = 0
    away = np.minimum(distances(locked_at(200, 20, 45)), REACH)
    found = doubt_gains(u, away)
    for f in (0, 19, 21, 44, 59, 120, 199):
        part = range(20) if f < 20 else range(21, 45) if f < 45 else range(46, 200)
        expected = sum(u[g] * max(0, 1 - abs(g - f) / away[g]) for g in part)
        assert found[f] == pytest.approx(expected)
        assert (u * mended(away, f)).sum() == pytest.approx(expected)
    assert found[20] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("frames", [(0,), (30,), (7, 8, 20), (0, 30)])
def test_usual_errors_fall_with_the_distance(frames: tuple[int, ...]) -> None:
    """For every frame that could be corrected."""
    locked = locked_at(31, *frames)
    found = usual_gains(locked, MODEL, FILL)
    for f in range(31):
        after = locked.copy()
        after[f] = True
        assert found[f] == pytest.approx(errors(locked) - errors(after), abs=1e-12)
    assert not usual_gains(np.zeros(31, bool), MODEL, FILL).any()


def choose(u: np.ndarray, *frames: int) -> int:
    """The first choice for one object that is anchored in some frames."""
    anchors = {frame: Anchor("anna:1", (1, "anna", 1), None) for frame in frames}
    return choose_frames({1: Track(len(u), anchors=anchors)}, {1: u}, MODEL, fill=FILL, count=1)[0][0]


def test_bad_stretches_come_before_the_middle_and_single_bad_frames_after_it() -> None:
    """Without signals the middle is best; a lost object draws the choice, a blink of one frame does not."""
    u = np.full(61, 0.05)
    assert choose(u, 0, 60) == pytest.approx(30, abs=1)
    lost, blink = u.copy(), u.copy()
    lost[45:60] = 0.9
    blink[1] = 0.9
    assert choose(lost, 0, 60) >= 45
    assert choose(blink, 0, 60) > 10


def test_the_packaged_errors_are_errors() -> None:
    """All between 0 and 1."""
    model = expected_errors()
    assert all(0 < value < 1 for value in (model.usual, model.growth, model.filled, model.bad))
