"""What a run reports while it works, and when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .folder import Layout


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    stage: str
    """``search`` (for class names), ``backward`` (frames before a prompt, last to first) or ``forward``."""
    done: int
    """Frames of this stage that are done."""
    total: int | None
    """Frames of this stage, as far as it is known; for a file it may be an estimate."""


@dataclass(frozen=True)
class TrackSummary:
    """What a finished run did.

    Args:
        output: folder of the results.
        files: output's name -> path.
        frames: how many were tracked.
        objects: their ids.
        seconds: wall-clock seconds ``read``, ``track``, ``write`` and ``total``, over all parts of a
            stopped run.
        warnings: what the run warned of.
        losses: those of the warnings that say what is lost of a damaged video.
        names: names of the objects that have one, by id.
    """

    output: Path
    files: dict[str, str]
    frames: int
    objects: tuple[int, ...]
    seconds: dict[str, float]
    warnings: tuple[str, ...]
    losses: tuple[str, ...] = ()
    names: dict[int, str] = field(default_factory=dict)

    @property
    def seconds_per_frame(self) -> float:
        """Reading, tracking and writing."""
        return self.seconds["total"] / max(self.frames, 1)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "output": str(self.output),
            "files": self.files,
            "frames": self.frames,
            "objects": list(self.objects),
            "names": {str(object_id): name for object_id, name in self.names.items()},
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "seconds_per_frame": round(self.seconds_per_frame, 4),
            "warnings": list(self.warnings),
        }

    @classmethod
    def of_record(cls, layout: Layout, record: Mapping[str, Any]) -> TrackSummary:
        """The summary of the run that left ``record`` as its ``run.json``."""
        return cls(
            output=layout.folder,
            files={name: str(layout.paths[name]) for name in record["outputs"]},
            frames=record["counts"]["frames"],
            objects=tuple(record["counts"]["objects"]),
            seconds=dict(record["timings"]),
            warnings=tuple(record["warnings"]),
            losses=tuple(record.get("losses", ())),
            names={int(object_id): name for object_id, name in record.get("names", {}).items()},
        )
