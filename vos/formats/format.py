"""What the entry of a format says: where its code is, and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MASKS, IDS, NAMES, CATEGORIES, CONFIDENCE, FRAMES, TIMES = KEPT = (
    "masks",
    "ids",
    "names",
    "categories",
    "confidence",
    "frames",
    "times",
)
"""What a format can keep: every pixel, object ids, the objects' names and categories, their confidence,
frames without any object, and the times of frames."""


@dataclass(frozen=True)
class Format:
    """One format."""

    title: str
    """One line for the list of formats."""
    default_name: str
    """File or folder inside the output folder of a run."""
    writer: str | None = None
    """Module and class, ``"coco:CocoWriter"``; None: the format is read only."""
    reader: str | None = None
    """Module and function, ``"coco:read_coco"``; None: the format is written only."""
    keeps: tuple[str, ...] = ()
    """Of :data:`KEPT`, what reading a written file gives back exactly."""
    lost: str = ""
    """What is lost, for people; empty where everything in :data:`KEPT` comes back."""
    needs_size: bool = False
    """The file does not say how large the frames are: a reader needs the video, its images or the size."""
    names_video: bool = True
    """The video's name is in it, in that of a file or a folder or as an entry (without options, that is)."""
    needs_frames: bool = False
    """It is made of the video's frames, not of masks alone."""
    requires: tuple[str, ...] = ()
    """Modules that must be installed besides what every installation has."""
    extra: str = ""
    """The optional dependencies of this package that bring them."""
    internal: bool = False
    """Part of a run, not for export."""

    @property
    def is_folder(self) -> bool:
        """Whether the format is a folder of files."""
        return not Path(self.default_name).suffix

    @property
    def extensions(self) -> tuple[str, ...]:
        """Of its file; empty for a folder."""
        suffix = Path(self.default_name).suffix
        return (suffix,) if suffix else ()

    @property
    def exact(self) -> bool:
        """Whether masks and ids come back exactly."""
        return MASKS in self.keeps and IDS in self.keeps
