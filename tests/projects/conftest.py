"""The project of this folder's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos.projects import Project, track_project

from .drifting import CLIP, drifting, new_project, square


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two objects given in frame 0, tracked by an engine that loses confidence with distance."""
    project = new_project(tmp_path)
    project.anchor(CLIP, 0, 1, square(2, 2))
    project.anchor(CLIP, 0, 2, square(14, 2))
    track_project(project, engine=drifting())
    return project
