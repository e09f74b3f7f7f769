"""Inputs that once ended in an exception of another family, or in none for hours."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from parsers import PARSERS, fails_well

from vos.errors import InputError
from vos.video import parse_size

CASES = (
    Path(os.environ.get("VOS_TEST_CASES") or Path(__file__).resolve().parents[3] / "shared" / "cases")
    / "fuzz"
)
KINDS = {
    "checkpoint": ["weights", "checkpoint of a run"],
    "coco": ["coco"],
    "mask image": ["mask image", "index png", "image", "image header"],
    "npy": ["npy"],
    "prompt.json": ["prompts"],
    "snapshot": ["checkpoint of a run"],
    "yaml": ["recipe"],
}


@pytest.mark.parametrize("kind", [*KINDS, "size"])
def test_recorded_inputs(kind: str, tmp_path: Path) -> None:
    """Each is read, or refused in the family's words."""
    paths = sorted(CASES.glob(f"hit*-{kind}-*")) if CASES.is_dir() else []
    if not paths:
        pytest.skip(f"no recorded inputs in {CASES}; set VOS_TEST_CASES to the folder that holds them")
    for path in paths:
        if kind == "size":
            with pytest.raises(InputError):
                parse_size(path.read_text(encoding="utf-8", errors="replace"))
            continue
        for name in KINDS[kind]:
            fails_well(PARSERS[name], tmp_path / PARSERS[name].file_name, path.read_bytes())
    assert all(re.match(r"hit\d*-", path.name) for path in paths)
