"""What makes a run what it is: what was read, who was followed, with which programs."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backbones.weights.location import weights_file
from ..distribution import own_version
from ..errors import MediaError
from ..prompting.class_names import ClassNames
from ..prompting.reference import References
from ..prompts import Target
from .layout import STATES, Layout
from .settings import TrackSettings

if TYPE_CHECKING:
    from ..trackers.base import Tracker
    from ..video import Video

CHUNK = 1 << 20

_PACKAGES = ("numpy", "torch", "opencv-python", "av", "pillow", "pycocotools", "transformers")


def identity_of(
    video: Video,
    targets: Sequence[Target] | ClassNames | References,
    settings: TrackSettings,
    tracker: Tracker,
    layout: Layout,
    watch: InputWatch,
) -> dict[str, Any]:
    """What a run must have in common with a stopped one to resume it."""
    info = video.info
    source = {
        "path": video.location,
        **watch.fingerprint,
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
    }
    tuned = settings.classes.tuned if isinstance(targets, ClassNames) else None
    names = (*settings.outputs, *([STATES] if settings.keep_states else []), "run")
    made = {name: os.path.relpath(layout.paths[name], layout.folder) for name in names}
    return {
        "version": own_version(),
        "settings": dataclasses.asdict(settings),
        "engine": _as_dict(tracker.info.settings),
        "weights": fingerprint_weights(settings.model, settings.checkpoint),
        **({} if tuned is None else {"tuned": fingerprint_file(tuned)}),
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


def digest_images(paths: Sequence[Path]) -> dict[Path, tuple[int, bytes]]:
    """Size in bytes and SHA-256 of every file.

    Raises:
        MediaError: if one cannot be read.
    """
    digests = {}
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise MediaError(f"cannot read {path}: {error.strerror or error}") from error
        digests[path] = len(data), hashlib.sha256(data).digest()
    return digests


def fingerprint_images(paths: Sequence[Path]) -> dict[str, Any]:
    """Count, total size, and SHA-256 of the names, sizes and SHA-256 of all images, in order.

    Raises:
        MediaError: if one cannot be read.
    """
    return _summed_up(digest_images(paths))


def _summed_up(digests: Mapping[Path, tuple[int, bytes]]) -> dict[str, Any]:
    total = hashlib.sha256()
    for path, (size, digest) in digests.items():
        total.update(os.fsencode(path.name) + f"\0{size}\0".encode() + digest)
    size = sum(size for size, _ in digests.values())
    of = "names and content of all images"
    return {"kind": "images", "files": len(digests), "size": size, "sha256": total.hexdigest(), "of": of}


class InputWatch:
    """The input as it was when the run began; what is read later has to be the same.

    Raises:
        MediaError: if it cannot be read.
    """

    def __init__(self, video: Video) -> None:
        self._path = video.paths[0]
        self._digests: dict[Path, tuple[int, bytes]] = {}
        self._before = self._facts()
        if video.is_images:
            self._digests = digest_images(video.paths)
            self.fingerprint = _summed_up(self._digests)
            video.observe(self.check)
        else:
            self.fingerprint = fingerprint_file(self._path)

    def check(self, path: Path, data: bytes) -> None:
        """MediaError if an image that was just read is not what it was."""
        size, digest = self._digests[path]
        if len(data) != size or hashlib.sha256(data).digest() != digest:
            raise MediaError(f"{path} has changed while the run was going on")

    def check_file(self) -> None:
        """MediaError if the video file has been written to since."""
        if not self._digests and self._facts() != self._before:
            raise MediaError(f"{self._path} has changed while the run was going on")

    def _facts(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns


def describe_targets(targets: Iterable[Target] | ClassNames | References) -> dict[str, Any]:
    """The targets as JSON, by ``<id> at frame <n>``; a mask is its size, area and SHA-256. Or class names."""
    if isinstance(targets, ClassNames):
        classes: dict[str, Any] = {"classes": list(targets.names)}
        if targets.exemplars:
            classes["exemplars"] = [
                dataclasses.asdict(exemplar) | {"box": list(exemplar.box)} for exemplar in targets.exemplars
            ]
            classes["exemplar_frame"] = targets.frame_index
        return classes
    if isinstance(targets, References):
        return {
            "references": [
                {"name": view.name, "source": view.source, "image": _describe_array(view.image)}
                | {"mask": _describe_array(view.mask)}
                for view in targets.views
            ]
        }
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
                entry[name] = _describe_array(array)
        key = f"{target.object_id} at frame {target.frame_index}"
        while key in described:
            key += ", again"
        described[key] = entry
    return described


def _describe_array(array: np.ndarray) -> dict[str, Any]:
    """Its size, area above 0 and SHA-256."""
    return {
        "size": list(array.shape),
        "area": int((array > 0).sum()),
        "sha256": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest(),
    }


def versions() -> dict[str, str]:
    """Versions of this program, Python and the packages that results can depend on."""
    found = {"vos": own_version(), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
