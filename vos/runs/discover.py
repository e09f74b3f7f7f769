"""Objects found in an image, or in every n-th frame of a video, without class names.

Importing this imports torch.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ..backbones.registry import build_backbone, check_checkpoint, has_weights
from ..detectors.attention.registry import build_language_model, language_models
from ..detectors.vl_sam.discovery import DiscoverSettings, Discovery, discover
from ..distribution import own_version
from ..errors import InputError, MediaError
from ..files import make_folder, write_bytes_atomic, write_text_atomic
from ..formats.discoveries import image_entry, write_discoveries
from ..formats.drawing import draw_overlay
from ..frame import Frame
from ..ops.overlap import paint
from ..results import MAX_OBJECTS, FrameResult
from ..video.selection import select
from .fingerprint import fingerprint, fingerprint_weights, versions
from .folder import PROGRAM, Layout, claim
from .image_run import ImageRun, check_names
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
    """Settings of :func:`discover_video` and :func:`discover_images`; the names are those of flags and of
    keys of a recipe.

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
    checkpoint: str | None = None
    """File with the backbone's weights; None: the weights cache."""
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
        check_checkpoint(self.model, self.checkpoint)


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
    """Find the objects in every frame of ``video`` and write annotations, overlays and a record.

    Args:
        video: see :func:`vos.open_video`.
        output: folder for the results, made where absent.
        settings: everything else.
        resume: do what an earlier run of the same settings left to do.
        overwrite: replace an earlier result when the new one is complete.
        progress: called after every question and every frame.
        model, backbone: to use in place of those the settings name.

    Raises:
        OutputError: if there is a result already, or the folder cannot be used.
        ModelError: if weights are missing or are of another kind.
        InterruptedRunError: Ctrl-C or SIGTERM; what was done is on disk.
        PartialResultError: a frame cannot be read, or the disk is full, after the first image.
    """
    layout = discover_layout(output, overlays=settings.overlays)
    source = {"path": video.location, **fingerprint(video.paths, is_images=video.is_images)}
    identity = _identity(source, video.selection, settings, layout)
    with claim(layout, identity, resume=resume, overwrite=overwrite, inputs=video.paths) as folder:
        items = ItemRun(
            folder,
            noun="image",
            results="annotations",
            parts=("total",),
            total=video.info.num_frames,
            progress=progress,
        )
        remaining = ((frame, None) for frame in video if frame.name not in items.done)
        run = _Run(items, identity, settings)
        return run.go(remaining if folder.finished is None else None, model, backbone)


def discover_images(
    images: Sequence[Path],
    output: str | os.PathLike[str],
    settings: DiscoverRunSettings = DiscoverRunSettings(),
    *,
    start: int = 0,
    end: int | None = None,
    stride: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    model: VisionLanguageModel | None = None,
    backbone: Backbone | None = None,
) -> DiscoverSummary:
    """As :func:`discover_video`, in image files of any sizes; one that cannot be read stops no other.

    Args:
        images: files, whose stems name the results.
        start, end, stride: which of them, see :func:`vos.open_video`.
        resume: do what an earlier run of the same settings left to do: images it did not get to, could
            not read, or that have changed since.
        output, settings, overwrite, progress, model, backbone: see :func:`discover_video`.

    Raises:
        InputError: if nothing can be selected like this.
        OutputError: two images of one name; or there is a result already, or the folder cannot be used.
        ModelError: if weights are missing or are of another kind.
        MediaError: no image can be read.
        InterruptedRunError: Ctrl-C or SIGTERM; what was done is on disk.
        PartialResultError: images could not be read, all others are done; or the disk is full.
    """
    if not images:
        raise InputError("no images were given")
    numbers = select(len(images), start, end, stride)
    check_names([images[index] for index in numbers])
    chosen = {images[index]: index for index in numbers}
    layout = discover_layout(output, overlays=settings.overlays)
    path = os.path.commonpath([os.path.abspath(image.parent) for image in images])
    source = {"path": path, "images": [image.stem for image in images]}
    identity = _identity(source, {"start": start, "end": end, "stride": stride}, settings, layout)
    with claim(layout, identity, resume=resume, overwrite=overwrite, inputs=images) as folder:
        items = ImageRun(
            folder,
            list(chosen),
            results="annotations",
            pngs=OVERLAYS if settings.overlays else None,
            parts=("total",),
            progress=progress,
        )

        def read(paths: Sequence[Path]) -> Iterator[tuple[Frame, str]]:
            for path in paths:
                found = items.read(path)
                if found is not None:
                    yield Frame(chosen[path], found[0], path.stem, file_name=path.name), found[1]

        remaining = items.remaining()
        frames = read(remaining) if remaining or folder.finished is None else None
        summary = _Run(items, identity, settings).go(frames, model, backbone)
        items.raise_failed()
        return summary


def discover_layout(output: str | os.PathLike[str], *, overlays: bool) -> Layout:
    """``vos discover``: everything in one folder."""
    root = Path(output)
    paths = {"annotations": root / ANNOTATIONS, "run": root / "run.json"}
    return Layout(root, paths | ({OVERLAYS: root / OVERLAYS} if overlays else {}), root / ".work")


class _Run:
    """One run in progress."""

    def __init__(self, items: ItemRun, identity: dict[str, Any], settings: DiscoverRunSettings) -> None:
        self.items = items
        self.layout = items.layout
        self.identity = identity
        self.settings = settings

    def go(
        self,
        remaining: Iterable[tuple[Frame, str | None]] | None,
        model: VisionLanguageModel | None,
        backbone: Backbone | None,
    ) -> DiscoverSummary:
        """Run to the end.

        Args:
            remaining: frames that are not done yet, each with the SHA-256 of its file where it is an image;
                None where the run is finished.
            model, backbone: None: those that the settings name.
        """
        with self.items.guarded():
            if remaining is not None:
                try:
                    self._find_in_all(remaining, model, backbone)
                finally:
                    if self.items.done:
                        self._write_annotations()
                self._finish()
            return self._summary()

    def _find_in_all(
        self,
        remaining: Iterable[tuple[Frame, str | None]],
        model: VisionLanguageModel | None,
        backbone: Backbone | None,
    ) -> None:
        asking = model or build_discoverer_of(self.settings)
        masking = backbone or build_backbone_of(self.settings)
        overlays = self.layout.paths.get(OVERLAYS)
        for frame, digest in remaining:
            with self.items.timed("total"):
                try:
                    found = discover(
                        frame.image,
                        asking,
                        masking,
                        self.settings.discover,
                        progress=lambda done, of: self.items.report(Progress("questions", done, of)),
                    )
                except MediaError as error:  # of a shape that the model does not read
                    if not isinstance(self.items, ImageRun):
                        raise
                    path = next(path for path in self.items.images if path.stem == frame.name)
                    self.items.fail(path, MediaError(f"{path}: {error}"))
                    continue
                if overlays is not None:
                    self.items.folder.note(OVERLAYS, f"{frame.name}.png")
                    _draw(overlays / f"{frame.name}.png", frame, found)
                file_name = frame.file_name or f"{frame.name}.png"
                objects = [(entry.name, entry.score, entry.mask) for entry in found]
                image = image_entry(file_name, frame.size, objects, frame_index=frame.index)
            self.items.add(frame.name, {"name": frame.name, "sha256": digest, "image": image})

    def _write_annotations(self) -> None:
        info = {"program": PROGRAM, **self.identity, "versions": versions()}
        path = self.layout.paths["annotations"]
        make_folder(path.parent)
        write_discoveries(path, info, (entry["image"] for entry in self.items.entries()))

    def _finish(self) -> None:
        """The record, and everything in its final place."""
        entries = self.items.entries()
        failures = self.items.failures() if isinstance(self.items, ImageRun) else None
        record = {
            "program": PROGRAM,
            **self.identity,
            "versions": versions(),
            # What was found in images is needed again, where some of them are done again.
            "frames": [{"name": entry["name"]} for entry in entries] if failures is None else entries,
            "folders": (
                {OVERLAYS: [f"{entry['name']}.png" for entry in entries]} if self.settings.overlays else {}
            ),
            "names": self._names(),
            **({} if failures is None else {"failed": failures}),
            "timings": self.items.timings(),
        }
        path = self.layout.record
        make_folder(path.parent)
        write_text_atomic(path, json.dumps(record, indent=2) + "\n")
        self.items.folder.finish()

    def _names(self) -> dict[str, int]:
        """Name -> how often it was found, most often first."""
        finished = self.items.folder.finished
        if finished is not None and not isinstance(self.items, ImageRun):
            return dict(finished["names"])
        names = Counter(o["name"] for entry in self.items.entries() for o in entry["image"]["objects"])
        return dict(names.most_common())

    def _summary(self) -> DiscoverSummary:
        final, names = self.items.folder.final, self._names()
        files = {name: str(path) for name, path in final.paths.items()}
        seconds = self.items.seconds["total"]
        return DiscoverSummary(final.folder, files, self.items.count, sum(names.values()), names, seconds)


def build_backbone_of(settings: DiscoverRunSettings) -> Backbone:
    """The backbone that turns points into masks.

    Raises:
        ModelError: unknown, or its weights are missing.
    """
    options = {"device": settings.device} if has_weights(settings.model) else {}
    if settings.checkpoint is not None:
        options["checkpoint"] = settings.checkpoint
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


def _identity(
    source: dict[str, Any], selection: dict[str, int | None], settings: DiscoverRunSettings, layout: Layout
) -> dict[str, Any]:
    """What a run must have in common with a stopped one to resume it."""
    return {
        "version": own_version(),
        "settings": dataclasses.asdict(settings),
        "weights": fingerprint_weights(settings.model, settings.checkpoint),
        "selection": selection,
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
