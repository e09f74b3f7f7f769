"""Score against training time."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.nano import curve as curves
from vos.errors import InputError
from vos.testing import tiny_nano_checkpoint

QUICK = {"classical": {"appearance": {"views": 2, "samples": 400, "iterations": 40, "batch": 128}}}


def test_every_checkpoint_is_scored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_davis: Callable[[Path], Path]
) -> None:
    """Time 0 is the engine alone; a second call scores only what is new; the plot has a mark for each."""
    run = tmp_path / "run"
    run.mkdir()
    tiny_nano_checkpoint(run / "nano-005.00.safetensors")
    davis = small_davis(tmp_path / "davis")
    scored: list[Path] = []
    original = curves.score
    monkeypatch.setattr(curves, "score", lambda path, *rest: scored.append(path) or original(path, *rest))
    rows = curves.curve(run, davis, "2017/dev", tracker=QUICK)
    assert [row["minutes"] for row in rows] == [0, 5]
    assert rows[0]["mean"] == rows[0]["scene"] > 60
    assert len(scored) == 2
    tiny_nano_checkpoint(run / "nano-010.00.safetensors", seed=1)
    again = curves.curve(run, davis, "2017/dev", tracker=QUICK)
    assert [path.stem for path in scored[2:]] == ["nano-010.00"]
    assert [row["mean"] for row in again[:2]] == pytest.approx([row["mean"] for row in rows], abs=1e-3)
    with (run / "curve.csv").open(newline="") as file:
        assert [float(row["minutes"]) for row in csv.DictReader(file)] == [0, 5, 10]
    plot = ElementTree.parse(run / "curve.svg").getroot()
    assert len(plot.findall("{*}circle")) == 3


def test_higher_scores_are_drawn_higher() -> None:
    """Marks go from left to right, and up with the score."""
    plot = ElementTree.fromstring(curves.draw([(0.0, 70.0), (10.0, 75.0), (20.0, 72.0)]))
    marks = [(float(c.get("cx")), float(c.get("cy"))) for c in plot.findall("{*}circle")]
    assert np.all(np.diff([x for x, _ in marks]) > 0)
    assert marks[1][1] < marks[2][1] < marks[0][1]


def test_nothing_to_score(tmp_path: Path) -> None:
    """A folder without checkpoints is an error that says how to make them."""
    with pytest.raises(InputError, match=r"training\.nano\.train"):
        curves.curve(tmp_path, tmp_path, "2016/dev")
