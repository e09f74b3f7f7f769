"""DAVIS 2017 (index PNGs) and DAVIS 2016 (one foreground, 0 and 255)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from .appending import join_lines
from .layouts import LayoutOptions, LayoutWriter, encode_grey_png, foreground, read_layout
from .reading import Annotations, Request
from .records import Join, RecordedVideo


@dataclass(frozen=True)
class DavisOptions(LayoutOptions):
    """Options of both."""

    resolution: str = "480p"
    """Folder below ``JPEGImages`` and ``Annotations``."""


class DavisWriter(LayoutWriter):
    """``Annotations/480p/<sequence>/00000.png`` and ``ImageSets/2017/<split>.txt``."""

    Options = DavisOptions
    joins: ClassVar[Mapping[str, Join]] = {"ImageSets/*/*.txt": join_lines}
    year: ClassVar[str] = "2017"

    def masks_folder(self) -> Path:
        """Below ``Annotations``."""
        return Path("Annotations", self.options.resolution, self.facts.sequence)

    def images_folder(self) -> Path:
        """Below ``JPEGImages``."""
        return Path("JPEGImages", self.options.resolution, self.facts.sequence)

    def describe(self, video: RecordedVideo, out: Path, visible: dict[int, list[str]]) -> None:
        """The list of sequences of the split."""
        folder = out / "ImageSets" / self.year
        folder.mkdir(parents=True)
        (folder / f"{self.options.split}.txt").write_text(
            f"{video.sequence}\n", encoding="utf-8", newline="\n"
        )


class Davis2016Writer(DavisWriter):
    """As DAVIS 2017, with the union of the objects as 255 in 8-bit grey."""

    year = "2016"

    def encode(self, labels: np.ndarray, wide: bool) -> bytes:
        """Foreground is 255."""
        return encode_grey_png(np.where(labels > 0, 255, 0).astype(np.uint8))

    def describe(self, video: RecordedVideo, out: Path, visible: dict[int, list[str]]) -> None:
        """The list; objects that became one are counted."""
        super().describe(video, out, visible)
        if len(visible) > 1:
            self.losses["objects_joined"] = len(visible)


def read_davis(path: Path, request: Request) -> Annotations:
    """Index PNGs; 255 is void and left out."""
    return read_layout(path, request)


def read_davis2016(path: Path, request: Request) -> Annotations:
    """Whatever is not 0 is object 1."""
    return read_layout(path, request, values=foreground)
