"""The clip that comes with the library: tracked, and scored against its exact masks."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import make_folder, output_error, write_bytes_atomic, write_text_atomic
from ..prompts import Target
from .benchmark_targets import first_targets
from .folder import Layout
from .settings import TrackSettings
from .summary import Progress, TrackSummary
from .track import track_video

if TYPE_CHECKING:
    from ..evaluation.report import Report

QUICK_FRAMES = 12
"""Frames of a quick run."""


@dataclass(frozen=True)
class BundledClip:
    """A clip that comes with the library, in ``vos/assets/<sequence>``."""

    sequence: str
    """Name of the sequence in the layout of DAVIS 2017."""
    names: dict[int, str]
    """Object id -> what it is."""
    num_frames: int

    @property
    def subset(self) -> str:
        """The list of sequences that the clip's masks are under."""
        return f"2017/{self.sequence}"

    @property
    def annotations(self) -> Path:
        """The folder of the masks, relative to the root of the layout."""
        return Path("Annotations", "480p", self.sequence)

    @property
    def image_set(self) -> Path:
        """The file of :attr:`subset`, relative to the root of the layout."""
        return Path("ImageSets", f"{self.subset}.txt")


CLIPS = {
    "toys": BundledClip(
        "demo", {1: "car", 2: "second car", 3: "caterpillar", 4: "ball", 5: "spinning top"}, 96
    ),
    "train": BundledClip("train", {1: "duck", 2: "mug", 3: "engine"}, 48),
}
"""The clips by name: a stress test, and the easy one of the tutorial."""


@dataclass(frozen=True)
class DemoClip:
    """The clip's files in a folder."""

    about: BundledClip

    video: Path
    first_mask: Path
    """Index PNG of frame 0, with all objects."""
    truth: Path
    """A root in the layout of DAVIS with the list ``about.subset``: exact masks of the frames."""


@dataclass(frozen=True, eq=False)
class Demo:
    """A finished demonstration."""

    summary: TrackSummary
    report: Report
    clip: DemoClip
    masks: Path
    """Folder of results, ``<masks>/demo/<frame>.png``: what ``vos evaluate`` takes."""
    scores: Path
    """The report as JSON."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **self.summary.as_dict(),
            "scores": self.report.to_dict()["global"],
            "scores_file": str(self.scores),
        }


@contextmanager
def demo_clip(name: str = "toys") -> Iterator[DemoClip]:
    """The clip of this name in :data:`CLIPS` as it is installed; the paths are good inside the block.

    Example:
        >>> with demo_clip() as clip:
        ...     print(clip.video.name)
        clip.mp4
    """
    about = CLIPS[name]
    with resources.as_file(resources.files("vos").joinpath("assets", about.sequence)) as folder:
        yield _in_folder(about, folder)


def _in_folder(about: BundledClip, folder: Path) -> DemoClip:
    return DemoClip(about, folder / "clip.mp4", folder / "first_mask.png", folder)


def demo_targets(clip: DemoClip) -> list[Target]:
    """The objects of the first frame, with their names."""
    targets = first_targets(clip.first_mask, one_object=False)
    return [dataclasses.replace(target, name=clip.about.names[target.object_id]) for target in targets]


def write_clip(output: str | os.PathLike[str], name: str = "toys") -> DemoClip:
    """Copy a clip with its true masks to the folder ``output``.

    Raises:
        OutputError: if the folder cannot be written.
    """
    with demo_clip(name) as installed:
        return _unpack(installed, Path(output), installed.about.num_frames)


def track_demo(
    output: str | os.PathLike[str],
    settings: TrackSettings | None = None,
    *,
    name: str = "toys",
    quick: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Demo:
    """Follow all objects of the clip from their first masks, and score the result.

    Masks go to ``output/masks/SEQUENCE``, the scores to ``output/scores.json``, the other results to where
    :func:`vos.track_video` puts them, and the clip with its true masks to ``output/input``.

    Args:
        output: folder, made where absent.
        settings: of the run; all frames are read, at the size they have.
        name: of the clip, in :data:`CLIPS`.
        quick: only the first :data:`QUICK_FRAMES` frames.
        resume: continue a run that was stopped.
        overwrite: replace an earlier run.
        progress: called after every frame.

    Raises:
        VosError: see :func:`vos.track_video`.
    """
    from ..evaluation.davis import evaluate_davis
    from ..video import open_video

    about = CLIPS[name]
    count = QUICK_FRAMES if quick else about.num_frames
    settings = dataclasses.replace(
        settings or TrackSettings(), start=0, end=count if quick else None, stride=1, size=None
    )
    layout = _layout(Path(output), about.sequence)
    with demo_clip(name) as installed:
        with open_video(installed.video, **settings.reading()) as video:
            summary = track_video(
                video,
                demo_targets(installed),
                layout,
                settings,
                resume=resume,
                overwrite=overwrite,
                progress=progress,
            )
        clip = _unpack(installed, layout.folder / "input", count)
    masks = layout.paths["masks"].parent
    report = evaluate_davis(masks, clip.truth, about.subset)
    scores = layout.folder / "scores.json"
    report.write_json(scores)
    return Demo(summary, report, clip, masks, scores)


def _layout(folder: Path, sequence: str) -> Layout:
    """That of ``vos track``, but with the masks in a folder of the sequence's name, as DAVIS has results."""
    layout = Layout.of_video(folder)
    return dataclasses.replace(layout, paths={**layout.paths, "masks": layout.paths["masks"] / sequence})


def _unpack(clip: DemoClip, folder: Path, count: int) -> DemoClip:
    """Copy the clip, and the true masks of its first ``count`` frames, to ``folder``."""
    about, copy = clip.about, _in_folder(clip.about, folder)
    names = [f"{index:05d}.png" for index in range(count)]
    make_folder(folder / about.annotations)
    make_folder((folder / about.image_set).parent)
    for path in (folder / about.annotations).glob("*.png"):
        if path.name not in names:  # of a longer run that was here before
            try:
                path.unlink()
            except OSError as error:
                raise output_error(path, error) from error
    for name in names:
        _copy(clip.truth / about.annotations / name, folder / about.annotations / name)
    _copy(clip.video, copy.video)
    _copy(clip.first_mask, copy.first_mask)
    write_text_atomic(folder / about.image_set, f"{about.sequence}\n")
    return copy


def _copy(source: Path, target: Path) -> None:
    write_bytes_atomic(target, source.read_bytes())
