"""The model of this folder's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos.testing import tiny_sam2_checkpoint
from vos.trackers.memory.loading import load_network
from vos.trackers.memory.network import MemoryNetwork


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SAM 2.1 in the original format, for 256x256, that nobody trained."""
    return tiny_sam2_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.pt")


@pytest.fixture(scope="session")
def network(checkpoint: Path) -> MemoryNetwork:
    """Its network, shared by trackers: it holds no state."""
    return load_network("sam2.1-tiny", checkpoint)
