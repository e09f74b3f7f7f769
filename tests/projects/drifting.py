"""A tracker whose results tell what they were tracked from, and projects over small clips to use it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vos.frame import Frame
from vos.projects import Engine, Project
from vos.results import FrameResult, Labels
from vos.testing import scene, write_images
from vos.trackers.base import TrackerInfo
from vos.trackers.mask_tracker import MaskPrompts, MaskTracker

SIZE = (24, 32)
FRAMES = 12


@dataclass(frozen=True, eq=False)
class Drift:
    """State of a :class:`DriftingTracker`."""

    ids: tuple[int, ...]
    steps: int
    labels: Labels


class DriftingTracker(MaskTracker[Drift]):
    """Moves every mask one pixel to the right per frame, whatever the image shows, and loses confidence."""

    @property
    def info(self) -> TrackerInfo:
        """Masks only; no settings."""
        return TrackerInfo(None)

    def _learn(self, state: Drift | None, frame: Frame, prompts: MaskPrompts) -> Drift:
        if state is None:
            return Drift(prompts.ids, 0, prompts.labels)
        return Drift(tuple(sorted({*state.ids, *prompts.ids})), state.steps, prompts.over(state.labels))

    def _advance(self, state: Drift, frame: Frame) -> Drift:
        return Drift(state.ids, state.steps + 1, np.roll(state.labels, 1, axis=1))

    def _without(self, state: Drift, object_id: int) -> Drift:
        labels = np.where(state.labels == object_id, 0, state.labels).astype(state.labels.dtype)
        return Drift(tuple(k for k in state.ids if k != object_id), state.steps, labels)

    def _known(self, state: Drift) -> tuple[int, ...]:
        return state.ids

    def _result(self, state: Drift, frame: Frame) -> FrameResult:
        return FrameResult(frame.index, state.labels.copy(), dict.fromkeys(state.ids, 0.9**state.steps))

    def _to_dict(self, state: Drift) -> dict[str, Any]:
        return {"ids": list(state.ids), "steps": state.steps, "labels": state.labels}

    def _from_dict(self, state: dict[str, Any]) -> Drift:
        return Drift(tuple(state["ids"]), int(state["steps"]), state["labels"])


def drifting() -> Engine:
    """The engine that tests track with."""
    tracker = DriftingTracker()
    return Engine(lambda: tracker, {"name": "drifting", "version": "0", "settings": "", "weights": None})


def clip(folder: Path, name: str = "clip") -> Path:
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
    project = Project.create(folder / "project", annotator=annotator)
    project.add_video(clip(folder))
    project.add_object("one")
    project.add_object("two")
    return project
