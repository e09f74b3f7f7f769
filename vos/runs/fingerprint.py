"""What makes a run what it is: what was read, who was followed, with which programs."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backbones.weights.catalog import weights_file
from ..errors import MediaError
from ..prompting.class_names import ClassNames
from ..prompts import Target
from .folder import Layout
from .settings import TrackSettings

if TYPE_CHECKING:
    from ..trackers.base import Tracker
    from ..video import Video

CHUNK = 1 << 20
HEAD_FILES = 3
"""Of a folder of images so many are hashed whole; of the others names and sizes count."""

_PACKAGES = ("numpy", "torch", "opencv-python", "av", "pillow", "pycocotools", "transformers")


def identity_of(
    video: Video,
    targets: Sequence[Target] | ClassNames,
    settings: TrackSettings,
    tracker: Tracker,
    layout: Layout,
) -> dict[str, Any]:
    """What a run must have in common with a stopped one to go on with it."""
    info = video.info
    paths = video.paths
    is_images = video.is_images
    source = {
        "path": os.path.abspath(
            os.path.commonpath([path.parent for path in paths]) if is_images else paths[0]
        ),
        **fingerprint(video.paths, is_images=is_images),
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
    }
    made = {name: os.path.relpath(layout.paths[name], layout.folder) for name in (*settings.outputs, "run")}
    return {
        "version": own_version(),
        "settings": dataclasses.asdict(settings),
        "engine": _as_dict(tracker.info.settings),
        "weights": fingerprint_weights(settings.model, settings.checkpoint),
        "input": source,
        "targets": describe_targets(targets),
        "outputs": made,
    }


def _as_dict(settings: object) -> dict[str, Any]:
    """The fields of a settings dataclass; nothing for an engine without settings."""
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        return dataclasses.asdict(settings)
    return {}


def fingerprint(paths: Sequence[Path], *, is_images: bool) -> dict[str, Any]:
    """What tells this input from another: see :func:`fingerprint_file` and :func:`fingerprint_images`."""
    return fingerprint_images(paths) if is_images else fingerprint_file(paths[0])


def fingerprint_weights(model: str, checkpoint: str | None) -> dict[str, Any] | None:
    """Size and SHA-256 of the file with a model's weights; None for a model without any."""
    path = weights_file(model, checkpoint)
    return None if path is None else fingerprint_file(path)


def fingerprint_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file.

    Raises:
        MediaError: if it cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise MediaError(f"cannot read {path}: {error.strerror or error}") from error
    return {"kind": "file", "size": size, "sha256": digest.hexdigest(), "of": "the whole file"}


def fingerprint_images(paths: Sequence[str | os.PathLike[str]]) -> dict[str, Any]:
    """Count, total size and SHA-256 of the names and sizes of all images and the content of the first few.

    Raises:
        MediaError: if one cannot be read.
    """
    digest = hashlib.sha256()
    total = 0
    for number, path in enumerate(map(Path, paths)):
        try:
            size = path.stat().st_size
            digest.update(f"{path.name}\0{size}\0".encode())
            if number < HEAD_FILES:
                digest.update(path.read_bytes())
        except OSError as error:
            raise MediaError(f"cannot read {path}: {error.strerror or error}") from error
        total += size
    of = f"names and sizes of all images, content of the first {HEAD_FILES}"
    return {"kind": "images", "files": len(paths), "size": total, "sha256": digest.hexdigest(), "of": of}


def describe_targets(targets: Iterable[Target] | ClassNames) -> dict[str, Any]:
    """The targets as JSON, by ``<id> at frame <n>``; a mask is its size, area and SHA-256. Or class names."""
    if isinstance(targets, ClassNames):
        return {"classes": list(targets.names)}
    described: dict[str, Any] = {}
    for target in targets:
        prompt = target.prompt
        entry: dict[str, Any] = {}
        if target.name is not None:
            entry["name"] = target.name
        if prompt.points is not None and prompt.labels is not None:
            entry["points"] = prompt.points.tolist()
            entry["labels"] = prompt.labels.tolist()
        if prompt.box is not None:
            entry["box"] = prompt.box.tolist()
        for name, array in (("mask", prompt.mask), ("low_res", prompt.low_res)):
            if array is not None:
                entry[name] = {
                    "size": list(array.shape),
                    "area": int((array > 0).sum()),
                    "sha256": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest(),
                }
        key = f"{target.object_id} at frame {target.frame_index}"
        while key in described:
            key += ", again"
        described[key] = entry
    return described


def versions() -> dict[str, str]:
    """Versions of this program, Python and the packages that results can depend on."""
    found = {"vos": own_version(), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def own_version() -> str:
    """Version of this program."""
    return metadata.version("vos")
