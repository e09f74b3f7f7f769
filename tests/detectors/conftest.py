"""Golden arrays and the models of this folder's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos.detectors.attention.blip import BlipMatcher

from .tiny_blip import Golden


@pytest.fixture(scope="session")
def attention_golden(golden: Path) -> Golden:
    """Golden arrays of the attention methods."""
    folder = golden / "attention"
    if not folder.is_dir():
        pytest.skip(f"golden attention arrays not found at {folder}")
    return Golden(folder)


@pytest.fixture(scope="session")
def golden_matcher(attention_golden: Golden) -> BlipMatcher:
    """The tiny pseudo-random BLIP; tests must not change its weights."""
    return attention_golden.matcher()
