"""A tracker whose results tell what they were tracked from, and projects over small clips to use it on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vos.frame import Frame
from vos.projects import Engine, Project, ProjectSettings
from vos.results import FrameResult
from vos.testing import ScriptedTracker, scene, write_images
from vos.testing.scripted import ScriptedState

SIZE = (24, 32)
FRAMES = 12
CLIP = "clip"
"""Key of the video."""


class DriftingTracker(ScriptedTracker):
    """Moves every mask one pixel to the right per frame, whatever the image shows, and loses confidence."""

    def __init__(self) -> None:
        super().__init__(np.zeros((FRAMES, *SIZE), np.uint8))

    def _advance(self, state: ScriptedState, frame: Frame) -> ScriptedState:
        return replace(state, steps=state.steps + 1, labels=np.roll(state.labels, 1, axis=1))

    def _result(self, state: ScriptedState, frame: Frame) -> FrameResult:
        return FrameResult(frame.index, state.labels.copy(), dict.fromkeys(state.ids, 0.9**state.steps))


def drifting() -> Engine:
    """The engine that tests track with."""
    tracker = DriftingTracker()
    return Engine(lambda: tracker, {"name": "drifting", "version": "0", "settings": "", "weights": None})


def clip(folder: Path, name: str = CLIP) -> Path:
    """A clip of small images."""
    write_images(scene("crossing", num_frames=FRAMES, size=SIZE), folder / name)
    return folder / name


def square(row: int, column: int, side: int = 6) -> np.ndarray:
    """A (H, W) mask."""
    mask = np.zeros(SIZE, bool)
    mask[row : row + side, column : column + side] = True
    return mask


def new_project(folder: Path, annotator: str = "anna") -> Project:
    """A project over :func:`clip` with the objects 1 and 2."""
    project = Project.create(folder / "project", annotator=annotator, settings=ProjectSettings(fill=0))
    project.add_video(clip(folder))
    project.add_object("one")
    project.add_object("two")
    return project
