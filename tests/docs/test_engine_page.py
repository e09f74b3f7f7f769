"""The page on the classical tracker has the settings that there are."""

from __future__ import annotations

import re
from functools import reduce
from pathlib import Path

from vos.trackers.classical.settings import ClassicalSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "engine.md"


def test_the_settings_have_the_defaults_of_the_page() -> None:
    """Names and defaults of its table are those of the tracker."""
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| ([\d.]+) \|", text, flags=re.MULTILINE)
    assert len(rows) > 5
    for name, default in rows:
        assert reduce(getattr, name.split("."), ClassicalSettings()) == float(default), name
