"""Shared fixtures. Real data is found through VOS_TEST_DATA and is never part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _folder(path: Path, what: str) -> Path:
    if not path.is_dir():
        pytest.skip(f"{what} not found at {path}; set VOS_TEST_DATA to the folder that holds it")
    return path


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder with real videos and ground truth (VOS_TEST_DATA, default ../shared/data)."""
    return _folder(Path(os.environ.get("VOS_TEST_DATA") or ROOT.parent / "shared" / "data"), "test data")


@pytest.fixture(scope="session")
def davis_root(test_data: Path) -> Path:
    """DAVIS 2016 dev sequences at 480p, with masks."""
    return _folder(test_data / "DAVIS", "DAVIS")


@pytest.fixture(scope="session")
def davis_multi_root(test_data: Path) -> Path:
    """One DAVIS 2017 sequence with 7 objects at 432x240."""
    return _folder(test_data / "DAVIS-2017-240p", "DAVIS 2017")


@pytest.fixture(scope="session")
def golden(test_data: Path) -> Path:
    """Recorded inputs and outputs of the reference implementations, beside the data."""
    return _folder(test_data.parent / "golden", "golden data")
