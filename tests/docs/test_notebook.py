"""The notebook of the documentation runs from top to bottom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell of code, in order; what they leave is what the text says."""
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for number, cell in enumerate(cells):
        assert not cell.get("outputs"), f"cell {number}: clear the outputs before you commit"
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert len(names["results"]) == len(names["clip"])  # type: ignore[arg-type]
    assert names["result"].source == {1: "corrected", 2: "corrected"}  # type: ignore[attr-defined]
    assert (tmp_path / "out" / "overlay.mp4").is_file()
    assert (tmp_path / "boxes.csv").is_file()
