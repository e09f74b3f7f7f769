"""docs/parity.md has the table of what segment-anything costs beside our networks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "benchmarks") not in sys.path:
    sys.path.insert(0, str(ROOT / "benchmarks"))


def test_the_table_is_that_of_the_benchmark() -> None:
    """Written by ``benchmarks/sam_reference.py --table docs/parity.md``."""
    pytest.importorskip("segment_anything")
    from sam_reference import RESULTS, table

    found = json.loads((RESULTS / "sam-reference.json").read_text())
    page = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
    assert table(found) in page, "run `python benchmarks/sam_reference.py --table docs/parity.md`"
