"""What is written: JSON, CSV and the table."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from vos.errors import OutputError
from vos.evaluation.report import ObjectScores, Report

REPORT = Report(
    subset="2017/val",
    task="unsupervised",
    annotations="Annotations_unsupervised/480p",
    objects=(
        ObjectScores("dog", 2, (0, 1), np.array([1.0, 0.5]), np.array([0.9, 0.7]), proposal=1),
        ObjectScores("dog", 1, (0, 1), np.array([0.6, 0.6]), np.array([0.4, 0.4]), proposal=5),
        ObjectScores("cat", 1, (0, 1), np.array([0.0, 0.2]), np.array([0.0, 0.0])),
    ),
)


def test_json(tmp_path: Path) -> None:
    """All that is known, fractions at full precision, without NaN."""
    REPORT.write_json(tmp_path / "scores.json")
    document = json.loads((tmp_path / "scores.json").read_text())
    assert document["set"] == "2017/val"
    assert document["task"] == "unsupervised"
    assert document["annotations"] == "Annotations_unsupervised/480p"
    assert list(document["global"]) == [
        "J&F-Mean",
        "J-Mean",
        "J-Recall",
        "J-Decay",
        "F-Mean",
        "F-Recall",
        "F-Decay",
    ]
    assert document["global"]["J-Mean"] == pytest.approx((0.75 + 0.6 + 0.1) / 3)
    assert document["global"]["F-Mean"] == pytest.approx((0.8 + 0.4 + 0) / 3)
    assert document["global"]["J&F-Mean"] == pytest.approx((1.45 + 1.2) / 6)
    assert document["per_sequence"][0] == {
        "sequence": "dog",
        "object": 2,
        "proposal": 1,
        "J-Mean": 0.75,
        "J-Recall": 0.5,
        "J-Decay": 0.5,
        "F-Mean": pytest.approx(0.8),
        "F-Recall": 1.0,
        "F-Decay": pytest.approx(0.2),
        "frames": [0, 1],
        "J": [1.0, 0.5],
        "F": [0.9, 0.7],
    }
    assert document["per_sequence"][2]["proposal"] is None
    dog, cat = document["sequences"]
    assert (dog["sequence"], cat["sequence"]) == ("dog", "cat")
    assert dog["J-Mean"] == pytest.approx(0.675)
    assert cat["J&F-Mean"] == pytest.approx(0.05)


def test_csv(tmp_path: Path) -> None:
    """The official tool's names, columns and three decimals; rows are counted, not named by object."""
    paths = REPORT.write_csv(tmp_path / "new" / "folder")
    assert [p.name for p in paths] == ["global_results-val.csv", "per-sequence_results-val.csv"]
    assert paths[0].read_text() == (
        "J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay\n0.442,0.483,0.500,0.100,0.400,0.333,0.067\n"
    )
    assert paths[1].read_text() == (
        "Sequence,J-Mean,F-Mean\ndog_1,0.750,0.800\ndog_2,0.600,0.400\ncat_1,0.100,0.000\n"
    )


def test_old_csv_is_replaced(tmp_path: Path) -> None:
    """What an earlier evaluation left there is neither read nor kept."""
    for name in ("global_results-val.csv", "per-sequence_results-val.csv"):
        (tmp_path / name).write_text("stale\n")
    for path in REPORT.write_csv(tmp_path):
        assert "stale" not in path.read_text()
    assert len(os.listdir(tmp_path)) == 2


def test_table() -> None:
    """Percent by object, the mean of a sequence with several, and of all."""
    lines = [line.split() for line in REPORT.table().splitlines()]
    assert ["2017/val,", "unsupervised,", "percent"] in lines
    assert ["dog", "2", "77.5", "75.0", "50.0", "50.0", "80.0", "100.0", "20.0"] in lines
    assert ["dog", "mean", "63.8", "67.5", "75.0", "25.0", "60.0", "50.0", "10.0"] in lines
    assert not any(line[:2] == ["cat", "mean"] for line in lines)
    assert ["mean", "of", "objects", "3", "44.2", "48.3", "50.0", "10.0", "40.0", "33.3", "6.7"] in lines


def test_the_table_shows_long_names_in_full() -> None:
    """However narrow the terminal."""
    name = "a-sequence-" * 12
    row = ObjectScores(name, 1, (1,), np.ones(1), np.ones(1), proposal=1)
    assert name in Report("s", "semi-supervised", "a", (row,)).table()


def test_an_unusable_place_is_told(tmp_path: Path) -> None:
    """A file where a folder should be is an error for the user."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        REPORT.write_csv(tmp_path / "file")
    with pytest.raises(OutputError, match="does not exist"):
        REPORT.write_json(tmp_path / "absent" / "scores.json")


def test_the_documentation_names_every_key() -> None:
    """docs/evaluation.md is the schema of the JSON document."""
    page = (Path(__file__).parents[2] / "docs/evaluation.md").read_text("utf-8")
    document = REPORT.to_dict()
    keys = {*document, *document["global"], *document["sequences"][0], *document["per_sequence"][0]}
    assert [key for key in keys if f'"{key}"' not in page] == []
