"""Finding what is in an image, or in every so-manieth frame of a video, and writing it down.

Importing this imports torch.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from ..backbones.registry import build_backbone
from ..detectors.attention.registry import build_language_model
from ..detectors.vl_sam.discovery import DiscoverSettings, Discovery, discover
from ..detectors.vl_sam.vlm import CHECKPOINT
from ..errors import InterruptedRunError, OutputError
from ..files import make_folder, write_bytes_atomic
from ..formats.discoveries import DiscoveriesWriter
from ..formats.drawing import draw_overlay
from ..frame import Frame
from ..ops.overlap import paint
from ..results import MAX_OBJECTS, FrameResult
from .fingerprint import fingerprint, versions
from .folder import PROGRAM
from .summary import Progress

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..detectors.vl_sam.vlm import VisionLanguageModel
    from ..video import Video

ANNOTATIONS = "annotations.json"
PICTURES = "pictures"


@dataclass(frozen=True)
class DiscoverRunSettings:
    """Settings of :func:`discover_video`: the words are those of the flags and of the keys of a recipe.

    Raises:
        ValueError: for a value out of range.
    """

    detector: Literal["vlm"] = "vlm"
    """What says what there is: a generative model in
    :data:`vos.detectors.attention.registry.LANGUAGE_MODELS`."""
    weights: str | None = None
    """Folder with its weights; None: the local cache."""
    model: str = "classical"
    """What makes masks of points: a name in :data:`vos.backbones.registry.BACKBONES`."""
    device: str = "cpu"
    """Where both run."""
    temperature: float = 0.8
    """Of sampling answers (the paper's); 0 takes the likeliest word."""
    top_p: float = 0.1
    """Of sampling answers (the paper's)."""
    max_new_tokens: int = 256
    """Length of an answer at most."""
    pictures: bool = True
    """Draw what was found over the images."""
    discover: DiscoverSettings = field(default_factory=DiscoverSettings)
    """The method's own."""

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"temperature must be 0 or more and top_p above 0 and at most 1, "
                f"got {self.temperature} and {self.top_p}"
            )
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be 1 or more, got {self.max_new_tokens}")


@dataclass(frozen=True)
class DiscoverSummary:
    """What was found."""

    output: Path
    files: dict[str, str]
    """Output's name -> path."""
    images: int
    objects: int
    names: dict[str, int]
    """Name -> how often, most often first."""
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**dataclasses.asdict(self), "output": str(self.output), "seconds": round(self.seconds, 3)}


def discover_video(
    video: Video,
    output: str | os.PathLike[str],
    settings: DiscoverRunSettings = DiscoverRunSettings(),
    *,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    model: VisionLanguageModel | None = None,
    backbone: Backbone | None = None,
) -> DiscoverSummary:
    """Find the objects in every frame of ``video`` and write ``annotations.json`` and pictures.

    The annotations are complete for all frames done so far at any moment.

    Args:
        video: an image, images, or the frames of a video; see :func:`vos.open_video`.
        output: folder for the results, made where absent.
        settings: everything else.
        overwrite: replace an earlier result.
        progress: called after every question and every image.
        model, backbone: to use in place of those the settings name.

    Raises:
        OutputError: if there is a result already, or the folder cannot be used.
        ModelError: if weights are missing or are of another kind.
        InterruptedRunError: Ctrl-C or SIGTERM; what was done is on disk.
    """
    folder = Path(output)
    path = folder / ANNOTATIONS
    if path.exists() and not overwrite:
        raise OutputError(f"{path} is already there; choose another folder, or --overwrite")
    asking = model or build_discoverer_of(settings)
    masking = backbone or build_backbone(
        settings.model, **({} if settings.model == "classical" else {"device": settings.device})
    )
    make_folder(folder)
    writer = DiscoveriesWriter(path, _info(video, settings))
    report = progress or (lambda progress: None)
    since, images, names = time.perf_counter(), 0, Counter[str]()
    total = video.info.num_frames
    try:
        for frame in video:
            found = discover(
                frame.image,
                asking,
                masking,
                settings.discover,
                asked=lambda done, of: report(Progress("questions", done, of)),
            )
            if settings.pictures:
                _draw(folder / PICTURES / f"{frame.name}.png", frame, found)
            file_name = video.paths[frame.index].name if video.is_images else f"{frame.name}.png"
            objects = [(entry.name, entry.score, entry.mask) for entry in found]
            writer.add(file_name, frame.size, objects, frame_index=frame.index)
            images += 1
            names.update(entry.name for entry in found)
            report(Progress("images", images, total))
    except KeyboardInterrupt as error:
        count = "1 image is" if images == 1 else f"{images} images are"
        where = f"{count} done and in {path}" if images else "no image was done"
        raise InterruptedRunError(f"interrupted: {where}") from error
    files = {"annotations": str(path)} | ({PICTURES: str(folder / PICTURES)} if settings.pictures else {})
    seconds = time.perf_counter() - since
    return DiscoverSummary(folder, files, images, names.total(), dict(names.most_common()), seconds)


def build_discoverer_of(settings: DiscoverRunSettings) -> VisionLanguageModel:
    """The model that says what there is.

    Raises:
        ModelError: if its weights are missing, or it does not read images as tokens.
    """
    model: VisionLanguageModel = build_language_model(
        settings.detector,
        checkpoint=CHECKPOINT if settings.weights is None else settings.weights,
        device=settings.device,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_new_tokens=settings.max_new_tokens,
    )
    return model


def _info(video: Video, settings: DiscoverRunSettings) -> dict[str, Any]:
    source = {"path": os.path.abspath(video.paths[0]), **fingerprint(video.paths, is_images=video.is_images)}
    return {
        "program": PROGRAM,
        "settings": dataclasses.asdict(settings),
        "input": source,
        "versions": versions(),
    }


def _draw(path: Path, frame: Frame, found: Sequence[Discovery]) -> None:
    """The image with the best finds drawn over it, as many as a label map holds, the best on top."""
    shown = list(enumerate(found[:MAX_OBJECTS], start=1))[::-1]
    labels = np.zeros(frame.size, dtype=np.uint8)
    if shown:
        labels = paint(np.stack([entry.mask for _, entry in shown]), [number for number, _ in shown])
    segmentation = FrameResult(frame.index, labels, {number: entry.score for number, entry in shown})
    drawn = draw_overlay(
        frame.image,
        segmentation,
        names={number: entry.name for number, entry in shown},
    )
    _, data = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    make_folder(path.parent)
    write_bytes_atomic(path, data.tobytes())
