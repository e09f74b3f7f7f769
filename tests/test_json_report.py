"""Results as one JSON document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vos.json_report import JsonReport


class Found(JsonReport):
    """One number."""

    def __init__(self, value: float) -> None:
        self.value = value

    def to_dict(self) -> dict[str, Any]:
        """See the base class."""
        return {"value": self.value}


def test_one_document_that_ends_its_line(tmp_path: Path) -> None:
    Found(0.5).write_json(tmp_path / "found.json")
    text = (tmp_path / "found.json").read_text()
    assert text == Found(0.5).to_json()
    assert text.endswith("}\n")
    assert json.loads(text) == {"value": 0.5}


def test_what_is_no_json_is_not_written(tmp_path: Path) -> None:
    """The earlier document stays."""
    Found(0.5).write_json(tmp_path / "found.json")
    with pytest.raises(ValueError, match="not JSON compliant"):
        Found(float("nan")).write_json(tmp_path / "found.json")
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]
    assert json.loads((tmp_path / "found.json").read_text()) == {"value": 0.5}
