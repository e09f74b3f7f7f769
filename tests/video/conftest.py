"""Clips that several test files read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from video_clips import make_clip


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clips are kept for the session."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture
def clip(clip_folder: Path) -> Callable[[str], Path]:
    """Path of a clip by its name in ``video_clips.CLIPS``."""
    return lambda name: make_clip(name, clip_folder)
