"""Fixtures for batches."""

from __future__ import annotations

from pathlib import Path

import pytest
from batch_fakes import FakeClock, write_clips

from vos.runs.batch.local_store import LocalStore


@pytest.fixture
def clock() -> FakeClock:
    """Time that stands still."""
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Where a batch writes."""
    return LocalStore(tmp_path / "out")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of six clips."""
    return write_clips(tmp_path_factory.mktemp("clips"), 6)
