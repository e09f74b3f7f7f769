"""The page on batches says what was measured."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def test_the_costs_are_those_of_the_benchmarks() -> None:
    """docs/batch.md has the table of benchmarks/results."""
    from benchmarks.costs import PAGE, batch_table, costs, estimates, table

    text = PAGE.read_text(encoding="utf-8")
    assert table(costs()) in text, "run `python -m benchmarks.costs`"
    assert estimates() in text, "run `python -m benchmarks.costs`"
    assert batch_table() in text, "run `python -m benchmarks.costs`"


def test_an_hour_of_video() -> None:
    """Hours are seconds per frame times frames per second."""
    from benchmarks.costs import Cost

    assert Cost("m", "x", 0.1, "f.json").hours == 2.5
