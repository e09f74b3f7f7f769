"""``run.json``: what was done, with what, on what, and how it went frame by frame."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import replacing
from ..frame import Frame
from ..results import FrameResult
from .base import Blocks, VideoFacts, Writer


class RunWriter(Writer):
    """``run.json``: the fields of :attr:`header`, then ``frames``, then the fields of :attr:`footer`.

    Each frame has ``index``, ``name``, ``time``, ``file_name`` of an image file, and ``objects``: by id,
    ``score``, ``area`` in pixels and ``source``.

    Args:
        path: the file.
        work: folder for pieces until :meth:`close`; None keeps them in memory.
        facts: not needed.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, work: Path | None = None, facts: VideoFacts | None = None
    ) -> None:
        self.path = Path(path)
        self.header: Mapping[str, Any] = {}
        self.footer: Mapping[str, Any] = {}
        self._blocks = Blocks(work, ".jsonl")
        self._lines: list[str] = []

    def write(self, frame: Frame, segmentation: FrameResult) -> None:
        """Add what is known of the frame's objects."""
        areas = segmentation.areas()
        objects = {
            str(object_id): {
                "confidence": round(float(segmentation.confidence[object_id]), 6),
                "area": areas[object_id],
                "source": segmentation.source[object_id].value,
            }
            for object_id in segmentation.ids
        }
        line = {
            "index": frame.index,
            "name": frame.name,
            "time": frame.time,
            "file_name": frame.file_name,
            "objects": objects,
        }
        self._lines.append(json.dumps(line))

    def checkpoint(self) -> dict[str, Any]:
        """Close the current piece."""
        if self._lines:
            self._blocks.append("".join(line + "\n" for line in self._lines).encode("ascii"))
            self._lines.clear()
        return {"blocks": self._blocks.count}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue after the pieces counted in ``state``."""
        self._blocks.count = state["blocks"]
        self._lines.clear()

    def close(self) -> None:
        """Put the pieces together, between header and footer, one frame a line."""
        self.checkpoint()
        with replacing(self.path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as file:
            file.write("{\n")
            for key, value in self.header.items():
                file.write(f"{json.dumps(key)}: {json.dumps(value, indent=2)},\n")
            file.write('"frames": [')
            separator = "\n"
            for block in self._blocks:
                for line in block.decode("ascii").splitlines():
                    file.write(separator + line)
                    separator = ",\n"
            file.write("\n]")
            for key, value in self.footer.items():
                file.write(f",\n{json.dumps(key)}: {json.dumps(value, indent=2)}")
            file.write("\n}\n")
