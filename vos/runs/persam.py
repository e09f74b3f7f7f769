"""PerSAM over images: learn a target from one image and its mask, cut it out of many others.

Images do not depend on each other, so an image that cannot be read costs nothing but itself, and a run that
was stopped continues with the images that are not done. Importing this imports torch.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..backbones.base import Backbone
from ..distribution import own_version
from ..errors import MediaError
from ..evaluation.label_png import read_label_png
from ..files import make_folder, write_bytes_atomic, write_text_atomic
from ..formats.coco import CocoWriter
from ..formats.drawing import draw_overlay
from ..formats.index_png import encode_index_png
from ..frame import Frame, no_image
from ..names import check_name
from ..results import FrameResult
from .fingerprint import fingerprint_file, fingerprint_weights, versions
from .folder import PROGRAM, Layout, RunFolder, claim
from .image_run import ImageRun
from .persam_reference import PersamReference, build_backbone_of, learn_reference
from .persam_settings import PersamRunSettings
from .summary import Progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PersamSummary:
    """What a finished run did."""

    output: Path
    files: dict[str, str]
    """Output's name -> path."""
    images: int
    """Images that are done."""
    instances: int
    """Instances found in them that have pixels."""
    seconds: dict[str, float]
    """Wall-clock seconds ``learn``, ``read``, ``find``, ``write``, over all parts of a stopped run."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**dataclasses.asdict(self), "output": str(self.output)}


def persam_images(
    images: Sequence[Path],
    reference: PersamReference,
    output: str | os.PathLike[str] | Layout,
    settings: PersamRunSettings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    backbone: Backbone | None = None,
) -> PersamSummary:
    """Find the target of ``reference`` in every image and write masks, overlays, annotations and a record.

    Args:
        images: files, whose stems name the results. The reference image may be among them.
        reference: the target.
        output: folder for the results, made where absent.
        settings: everything else.
        resume: do what an earlier run of the same settings left to do: images it did not get to, could
            not read, or that have changed since.
        overwrite: replace what an earlier run left in ``output`` when the new results are complete.
        progress: called after every image.
        backbone: model to use in place of the one that the settings name.

    Raises:
        PromptError, SettingsError, OutputError, MediaError, ModelError: before the first image is done;
            nothing is left behind then.
        PartialResultError: images could not be read, all others are done; or the disk is full.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    settings = settings or PersamRunSettings()
    layout = output if isinstance(output, Layout) else image_layout(output)
    _check_names(images)
    identity = _identity(images, reference, settings, layout)
    with claim(layout, identity, resume=resume, overwrite=overwrite, inputs=images) as folder:
        run = _Run(images, reference, settings, folder, identity, progress)
        return run.go(backbone)


def image_layout(folder: str | os.PathLike[str]) -> Layout:
    """``vos persam``: everything in one folder."""
    root = Path(folder)
    paths = {
        "masks": root / "masks",
        "overlay": root / "overlay",
        "coco": root / "annotations.json",
        "run": root / "run.json",
    }
    return Layout(root, paths, root / ".work")


class _Run:
    """One run in progress."""

    def __init__(
        self,
        images: Sequence[Path],
        reference: PersamReference,
        settings: PersamRunSettings,
        folder: RunFolder,
        identity: dict[str, Any],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.images = images
        self.reference = reference
        self.settings = settings
        self.folder = folder
        self.layout = folder.layout
        self.identity = identity
        self.items = ImageRun(
            folder,
            images,
            results="masks",
            pngs="masks",
            parts=("learn", "read", "find", "write"),
            progress=progress,
        )

    def go(self, backbone: Backbone | None) -> PersamSummary:
        """Run to the end."""
        with self.items.guarded():
            remaining = self.items.remaining()
            if remaining:
                self._find_in_all(remaining, backbone or build_backbone_of(self.settings))
            elif self.folder.finished is not None:
                logger.info("the run in %s was finished already", self.layout.folder)
            return self._finish()

    def _find_in_all(self, remaining: list[Path], backbone: Backbone) -> None:
        with self.items.timed("learn"):
            find = learn_reference(self.reference, self.settings, backbone)
        for name in ("masks", "overlay"):
            if name in self.settings.outputs:
                make_folder(self.layout.paths[name])
        for path in remaining:
            with self.items.timed("read"):
                read = self.items.read(path)
            if read is None:
                continue
            image, digest = read
            with self.items.timed("find"):
                segmentation = find(self.images.index(path), image)
            with self.items.timed("write"):
                self._write(path, image, segmentation, digest)

    def _write(self, path: Path, image: NDArray[np.uint8], segmentation: FrameResult, digest: str) -> None:
        """Results of one image; the mask last, for where it is the others are."""
        self.folder.note("masks", f"{path.stem}.png")
        if "overlay" in self.settings.outputs:
            self.folder.note("overlay", f"{path.stem}.jpg")
            drawn = draw_overlay(image, segmentation)
            write_bytes_atomic(self.layout.paths["overlay"] / f"{path.stem}.jpg", _encode_jpeg(drawn))
        mask = self.layout.paths["masks"] / f"{path.stem}.png"
        write_bytes_atomic(mask, encode_index_png(segmentation.labels))
        areas = segmentation.areas()
        entry = {
            "index": segmentation.frame_index,
            "name": path.stem,
            "path": os.path.abspath(path),
            "sha256": digest,
            "objects": {
                str(number): {"score": round(score, 6), "area": areas[number]}
                for number, score in segmentation.confidence.items()
            },
        }
        self.items.add(path.stem, entry)

    def _finish(self) -> PersamSummary:
        """Annotations and record of all that is done; then the images that are not are an error."""
        entries = self.items.entries()
        if "coco" in self.settings.outputs:
            with self.items.timed("write"):
                self._write_annotations(entries)
        instances = sum(o["area"] > 0 for entry in entries for o in entry["objects"].values())
        record = {
            "program": PROGRAM,
            **self.identity,
            "versions": versions(),
            "frames": entries,
            "folders": (
                {"overlay": [f"{entry['name']}.jpg" for entry in entries]}
                if "overlay" in self.settings.outputs
                else {}
            ),
            "counts": {"images": len(entries), "instances": instances},
            "failed": self.items.failures(),
            "timings": self.items.timings(),
        }
        make_folder(self.layout.record.parent)
        write_text_atomic(self.layout.record, json.dumps(record, indent=2) + "\n")
        self.folder.finish()
        self.items.raise_failed()
        files = {name: str(self.folder.final.paths[name]) for name in (*self.settings.outputs, "run")}
        seconds = dict(record["timings"])
        return PersamSummary(self.folder.final.folder, files, len(entries), instances, seconds)

    def _write_annotations(self, entries: list[dict[str, Any]]) -> None:
        """``annotations.json``, from the masks on disk: it cannot say anything else than they do."""
        make_folder(self.layout.paths["coco"].parent)
        with CocoWriter(self.layout.paths["coco"]) as writer:
            for entry in entries:
                labels = read_label_png(self.layout.paths["masks"] / f"{entry['name']}.png")
                scores = {int(number): o["score"] for number, o in entry["objects"].items()}
                # Annotations are made of labels alone.
                frame = Frame(entry["index"], no_image(labels.shape), entry["name"])
                writer.write(frame, FrameResult(entry["index"], labels, scores))


def _identity(
    images: Sequence[Path], reference: PersamReference, settings: PersamRunSettings, layout: Layout
) -> dict[str, Any]:
    """What a run must have in common with a stopped one to resume it."""
    folders = {os.path.dirname(os.path.abspath(path)) for path in images}
    return {
        "version": own_version(),
        "settings": dataclasses.asdict(settings),
        "weights": fingerprint_weights(settings.model, settings.checkpoint),
        "reference": {
            "image": fingerprint_file(reference.image),
            "mask": fingerprint_file(reference.mask),
            "object_id": reference.object_id,
        },
        "input": {
            "path": os.path.commonpath(folders) if folders else None,
            "images": [path.stem for path in images],
        },
        "outputs": {
            name: os.path.relpath(layout.paths[name], layout.folder) for name in (*settings.outputs, "run")
        },
    }


def _check_names(images: Sequence[Path]) -> None:
    if not images:
        raise MediaError("no images were given")
    seen: dict[str, Path] = {}
    for path in images:
        check_name(path.stem, "image name", room=len(".png"))
        if path.stem in seen:
            raise MediaError(
                f"{seen[path.stem]} and {path} have the same name {path.stem!r}, which would name "
                "the results of both; rename one, or leave it out"
            )
        seen[path.stem] = path


def _encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB as JPEG."""
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return data.tobytes()
