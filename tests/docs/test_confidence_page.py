"""The page on confidence says what was measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def test_the_table_is_that_of_the_benchmark() -> None:
    """docs/confidence.md has the table of benchmarks/results/confidence.json."""
    from benchmarks.confidence import PAGE, table

    rows = json.loads((ROOT / "benchmarks" / "results" / "confidence.json").read_text())["rows"]
    assert table(rows) in PAGE.read_text(encoding="utf-8"), "run `python -m benchmarks.confidence`"


@pytest.mark.parametrize("start", ["mask", "all"])
@pytest.mark.parametrize("tracker", ["classical", "nano"])
def test_the_goals_are_met(tracker: str, start: str) -> None:
    """What is shipped finds bad masks, from true first masks and from all together, and is calibrated."""
    rows = json.loads((ROOT / "benchmarks" / "results" / "confidence.json").read_text())["rows"]
    (row,) = [r for r in rows if (r["model"], r["masks"]) == (tracker, f"tracked, start: {start}")]
    assert row["auroc_j50"] >= 0.85
    assert row["auroc_j75"] >= 0.80
    assert row["ece"] <= 0.08
