"""The page on first masks says what was measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

ROWS = json.loads((ROOT / "benchmarks" / "results" / "prompts.json").read_text())["rows"]


def test_the_tables_are_those_of_the_benchmark() -> None:
    """docs/interactive.md has the tables of benchmarks/results/prompts.json and prompts-others.json."""
    from benchmarks.prompts_page import PAGE, rows_of, section

    assert section(ROWS, rows_of("prompts-others.json")) in PAGE.read_text(encoding="utf-8"), (
        "run `python -m benchmarks.prompts_page`"
    )


def test_no_first_mask_is_useless_and_hardly_a_click_harms() -> None:
    """On the first frames of the forty sequences, with motion; of 200 further clicks one may."""
    rows = [row for row in ROWS if row.get("groups") == "dev+train" and row["method"] == "interactive"]
    assert len(rows) >= 5
    for row in rows:
        assert row["catastrophes"] == 0
        assert row.get("clicks_that_made_it_worse", 0) <= 1 / 200
