"""The page on memory trackers says what was measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.insert(0, str(BENCHMARKS))


def test_the_speeds_are_those_of_the_benchmark() -> None:
    """docs/memory-trackers.md has the table of memory-trackers-sizes.json."""
    from memory_trackers import PAGE, table

    rows = json.loads((BENCHMARKS / "results" / "memory-trackers-sizes.json").read_text())["rows"]
    assert table(rows) in PAGE.read_text(encoding="utf-8"), "run benchmarks/memory_trackers.py --page"
