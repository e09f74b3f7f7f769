"""docs/formats.md and docs/cut-outs.md say what the registry says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vos.formats.format import KEPT
from vos.formats.records import NoOptions, option_names
from vos.formats.registry import FORMATS, writer_class

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"


def test_the_table_of_what_is_kept() -> None:
    """One row per format that is read, with yes where its entry keeps something."""
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| ((?:yes)?(?: \| ?(?:yes)?)*) ?\|$", text, flags=re.MULTILINE)
    found = {name: tuple(cell.strip() for cell in cells.split("|")) for name, cells in rows}
    wanted = {
        name: tuple("yes" if kept in f.keeps else "" for kept in KEPT)
        for name, f in FORMATS.items()
        if f.reader and not f.internal
    }
    assert {name: cells for name, cells in found.items() if len(cells) == len(KEPT)} == wanted


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if f.writer and not f.internal])
def test_formats_and_options_are_documented(name: str) -> None:
    """Every format and every option of one is named on its page."""
    page = PAGE.with_name("cut-outs.md") if FORMATS[name].needs_frames and name != "overlay" else PAGE
    text = page.read_text(encoding="utf-8")
    assert f"`{name}`" in text or name == "overlay"
    for package in FORMATS[name].requires:
        pytest.importorskip(package)
    for option in option_names(getattr(writer_class(name), "Options", NoOptions)):
        flag = option.replace("_", "-")
        assert re.search(rf"`(?:.*[`, ])?{flag}=|`--{flag}\b", text), option
