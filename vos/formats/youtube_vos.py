"""YouTube-VOS: index PNGs and ``meta.json`` with the category of every object."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from .appending import join_videos_by_name
from .layouts import LayoutWriter, read_layout
from .reading import Annotations, Request, load_json
from .records import Join, RecordedVideo, dumps


class YouTubeVosWriter(LayoutWriter):
    """``<split>/Annotations/<sequence>/00000.png`` and ``<split>/meta.json``."""

    joins: ClassVar[Mapping[str, Join]] = {"*/meta.json": join_videos_by_name}

    def describe(self, video: RecordedVideo, out: Path, visible: dict[int, list[str]]) -> None:
        """The frames of every object."""
        objects = {str(k): {"category": video.category(k), "frames": stems} for k, stems in visible.items()}
        meta = {"videos": {video.sequence: {"objects": objects}}}
        (out / self.options.split / "meta.json").write_text(
            dumps(meta) + "\n", encoding="ascii", newline="\n"
        )


def read_youtube_vos(path: Path, request: Request) -> Annotations:
    """Index PNGs, and the categories where there is a ``meta.json``."""
    found = read_layout(path, request)
    for meta in (path / "meta.json", *sorted(path.glob("*/meta.json"))):
        if meta.is_file():
            objects = load_json(meta)["videos"].get(found.sequence, {}).get("objects", {})
            found.categories |= {int(k): str(o["category"]) for k, o in objects.items() if "category" in o}
    return found
