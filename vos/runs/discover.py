"""Objects found in an image, or in every n-th frame of a video, without class names.

Importing this imports torch.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ..backbones.registry import build_backbone, has_weights
from ..detectors.attention.registry import build_language_model, language_models
from ..detectors.vl_sam.discovery import DiscoverSettings, Discovery, discover
from ..distribution import own_version
from ..files import make_folder, write_bytes_atomic, write_text_atomic
from ..formats.discoveries import image_entry, write_discoveries
from ..formats.drawing import draw_overlay
from ..frame import Frame
from ..names import check_name
from ..ops.overlap import paint
from ..results import MAX_OBJECTS, FrameResult
from .fingerprint import fingerprint, versions
from .folder import PROGRAM, Layout, claim
from .runner import ItemRun
from .summary import Progress

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..detectors.vl_sam.vlm import VisionLanguageModel
    from ..video import Video

ANNOTATIONS = "annotations.json"
OVERLAYS = "overlays"


@dataclass(frozen=True)
class DiscoverRunSettings:
    """Settings of :func:`discover_video`; the names are those of flags and of keys of a recipe.

    Raises:
        ValueError: for a value out of range.
    """

    detector: str = "vlm"
    """The model that names the objects: a generative one in
    :data:`vos.detectors.attention.registry.LANGUAGE_MODELS`."""
    weights: str | None = None
    """Folder with its weights; None: the local cache."""
    model: str = "classical"
    """The backbone that turns points into masks: a name in :data:`vos.backbones.registry.BACKBONES`."""
    device: str = "cpu"
    """Where both models run."""
    temperature: float = 0.8
    """Of sampling answers (the paper's); 0 takes the likeliest word."""
    top_p: float = 0.1
    """Of sampling answers (the paper's)."""
    max_new_tokens: int = 256
    """Length of an answer at most."""
    overlays: bool = True
    """Draw what was found over the images."""
    discover: DiscoverSettings = field(default_factory=DiscoverSettings)
    """The method's own."""

    def __post_init__(self) -> None:
        known = language_models("generative")
        if self.detector not in known:
            raise ValueError(f"unknown detector {self.detector!r}; choose one of {', '.join(known)}")
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
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    model: VisionLanguageModel | None = None,
    backbone: Backbone | None = None,
) -> DiscoverSummary:
    """Find the objects in every frame of ``video`` and write annotations, images and a record.

    Args:
        video: an image, images, or the frames of a video; see :func:`vos.open_video`.
        output: folder for the results, made where absent.
        settings: everything else.
        resume: do what an earlier run of the same settings left to do.
        overwrite: replace an earlier result when the new one is complete.
        progress: called after every question and every image.
        model, backbone: to use in place of those the settings name.

    Raises:
        OutputError: if there is a result already, or the folder cannot be used.
        ModelError: if weights are missing or are of another kind.
        InterruptedRunError: Ctrl-C or SIGTERM; what was done is on disk.
        PartialResultError: a frame cannot be read, or the disk is full, after the first image.
    """
    layout = discover_layout(output, overlays=settings.overlays)
    if video.is_images:
        for path in video.paths:
            check_name(path.stem, "image name", room=len(".png"))
    identity = _identity(video, settings, layout)
    with claim(layout, identity, resume=resume, overwrite=overwrite, inputs=video.paths) as folder:
        items = ItemRun(
            folder,
            noun="image",
            results="annotations",
            parts=("total",),
            total=video.info.num_frames,
            progress=progress,
        )
        with items.guarded():
            try:
                if folder.finished is None:
                    _find_in_all(video, settings, items, model, backbone)
            finally:
                if items.done and folder.finished is None:
                    info = {"program": PROGRAM, **identity, "versions": versions()}
                    entries = [entry["image"] for entry in items.done.values()]
                    path = folder.layout.paths["annotations"]
                    make_folder(path.parent)
                    write_discoveries(path, info, entries)
            return _finish(items, identity, settings)


def discover_layout(output: str | os.PathLike[str], *, overlays: bool) -> Layout:
    """``vos discover``: everything in one folder."""
    root = Path(output)
    paths = {"annotations": root / ANNOTATIONS, "run": root / "run.json"}
    return Layout(root, paths | ({OVERLAYS: root / OVERLAYS} if overlays else {}), root / ".work")


def _find_in_all(
    video: Video,
    settings: DiscoverRunSettings,
    items: ItemRun,
    model: VisionLanguageModel | None,
    backbone: Backbone | None,
) -> None:
    """The frames that are not done yet."""
    asking = model or build_discoverer_of(settings)
    masking = backbone or build_backbone_of(settings)
    overlays = items.layout.paths.get(OVERLAYS)
    for frame in video:
        if frame.name in items.done:
            continue
        with items.timed("total"):
            found = discover(
                frame.image,
                asking,
                masking,
                settings.discover,
                progress=lambda done, of: items.report(Progress("questions", done, of)),
            )
            if overlays is not None:
                items.folder.note(OVERLAYS, f"{frame.name}.png")
                _draw(overlays / f"{frame.name}.png", frame, found)
            file_name = video.paths[frame.index].name if video.is_images else f"{frame.name}.png"
            objects = [(entry.name, entry.score, entry.mask) for entry in found]
            image = image_entry(file_name, frame.size, objects, frame_index=frame.index)
        items.add(frame.name, {"name": frame.name, "image": image})


def _finish(items: ItemRun, identity: dict[str, Any], settings: DiscoverRunSettings) -> DiscoverSummary:
    """The record, and what was found."""
    folder, finished = items.folder, items.folder.finished
    if finished is None:
        names = Counter(o["name"] for entry in items.done.values() for o in entry["image"]["objects"])
        finished = {
            "program": PROGRAM,
            **identity,
            "versions": versions(),
            "frames": [{"name": name} for name in items.done],
            "folders": {OVERLAYS: [f"{name}.png" for name in items.done]} if settings.overlays else {},
            "names": dict(names.most_common()),
            "timings": items.timings(),
        }
        text = json.dumps(finished, indent=2) + "\n"
        make_folder(items.layout.paths["run"].parent)
        write_text_atomic(items.layout.paths["run"], text)
        folder.finish()
    names_found: dict[str, int] = finished["names"]
    return DiscoverSummary(
        folder.final.folder,
        {name: str(path) for name, path in folder.final.paths.items() if name in finished["outputs"]},
        len(finished["frames"]),
        sum(names_found.values()),
        names_found,
        finished["timings"]["total"],
    )


def build_backbone_of(settings: DiscoverRunSettings) -> Backbone:
    """The backbone that turns points into masks.

    Raises:
        ModelError: unknown, or its weights are missing.
    """
    options = {"device": settings.device} if has_weights(settings.model) else {}
    return build_backbone(settings.model, **options)


def build_discoverer_of(settings: DiscoverRunSettings) -> VisionLanguageModel:
    """The model that names the objects.

    Raises:
        ModelError: if its weights are missing, or it does not read images as tokens.
    """
    model: VisionLanguageModel = build_language_model(
        settings.detector,
        checkpoint=settings.weights,
        device=settings.device,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_new_tokens=settings.max_new_tokens,
    )
    return model


def _identity(video: Video, settings: DiscoverRunSettings, layout: Layout) -> dict[str, Any]:
    """What a run must have in common with a stopped one to resume it."""
    source = {"path": video.location, **fingerprint(video.paths, is_images=video.is_images)}
    return {
        "version": own_version(),
        "settings": dataclasses.asdict(settings),
        "selection": video.selection,
        "input": source,
        "outputs": {name: os.path.relpath(path, layout.folder) for name, path in layout.paths.items()},
    }


def _draw(path: Path, frame: Frame, found: Sequence[Discovery]) -> None:
    """The image with the best detections drawn over it, as many as a label map holds, the best on top."""
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
