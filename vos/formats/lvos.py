"""LVOS: index PNGs with eight-digit names from 1, and ``<split>_meta.json`` with ranges of the objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from .appending import join_videos_by_name
from .layouts import LayoutWriter, read_layout
from .reading import Annotations, Request
from .records import Join, RecordedVideo, dumps


class LvosWriter(LayoutWriter):
    """``<split>/Annotations/<sequence>/00000001.png`` and ``<split>/<split>_meta.json``."""

    joins: ClassVar[Mapping[str, Join]] = {"*/*_meta.json": join_videos_by_name}
    digits = 8
    first = 1

    def describe(self, video: RecordedVideo, out: Path, visible: dict[int, list[str]]) -> None:
        """First and last frame of every object and how many it is visible in."""
        objects = {
            str(k): {"frame_range": {"start": stems[0], "end": stems[-1], "frame_nums": str(len(stems))}}
            for k, stems in visible.items()
        }
        meta = {"videos": {video.sequence: {"objects": objects}}}
        path = out / self.options.split / f"{self.options.split}_meta.json"
        path.write_text(dumps(meta) + "\n", encoding="ascii", newline="\n")


def read_lvos(path: Path, request: Request) -> Annotations:
    """Index PNGs; 255 is void and left out. The masks say all that the description does."""
    return read_layout(path, request, first=1)
