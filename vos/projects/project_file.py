"""``project.json``: the videos and settings of a project. It changes by write-aside and rename only."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from ..distribution import own_version
from ..errors import InputError, MediaError, OutputError
from ..files import make_folder, output_error, write_text_atomic
from ..runs.fingerprint import fingerprint
from ..settings import override
from ..video import Video, open_video
from .events import VERSION

try:
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]

NAME = "project.json"


@dataclass(frozen=True)
class ProjectSettings:
    """How a project tracks; kept in ``project.json``."""

    model: str = "classical"
    """A tracker or backbone, see :func:`vos.trackers.registry.split_model`."""
    backbone: str | None = None
    """What PerSAM runs over, a name in :data:`vos.backbones.registry.BACKBONES`; None: the classical one."""
    device: str = "cpu"
    dtype: str = "float32"
    checkpoint: str | None = None
    """File with the model's weights, in place of the weights cache."""
    tune: bool = False
    tracker: dict = field(default_factory=dict)
    """The tracker's own settings, laid over its defaults."""
    memory: int = 4
    """Further anchors of an object that the tracker is shown before an interval; 0 to show none."""
    fill: int = 10
    """Intervals of at most this many frames between two masks are filled by optical flow from both ends
    (:mod:`vos.trackers.flow_filling`) in place of the tracker; 0 never to."""


@dataclass(frozen=True)
class ProjectVideo:
    """A video of a project."""

    key: str
    """Its name in the project."""
    path: str
    """Where it is, relative to the project's folder or absolute."""
    width: int
    height: int
    frames: int
    fps: float | None
    fingerprint: Mapping[str, Any]
    """Size and SHA-256, see :func:`vos.runs.fingerprint.fingerprint`."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width


def free_key(name: str, taken: Container[str]) -> str:
    """``name``, or the first of ``name-2``, ``name-3``, ... that is not taken.

    >>> free_key("clip", {"clip", "clip-2"})
    'clip-3'
    """
    numbered = (f"{name}-{number}" for number in count(2))
    return next(key for key in chain([name], numbered) if key not in taken)


class ProjectFile:
    """``project.json`` of a project.

    Raises:
        InputError: if there is none, or it is damaged or of a later version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self._checked: dict[str, list[tuple[int, int]]] = {}
        """Video -> what its files were when their content was checked."""
        self.load()

    @classmethod
    def create(cls, folder: Path, settings: ProjectSettings | None = None) -> ProjectFile:
        """A new one, in a folder that is made or empty.

        Raises:
            OutputError: if the folder is a project or not empty, or cannot be made.
        """
        if (folder / NAME).exists():
            raise OutputError(
                f"{folder} is a project already: `vos project add` adds to it; or choose a new folder"
            )
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputError(f"{folder} is not empty; choose a new folder for the project")
        make_folder(folder)
        content = {
            "version": VERSION,
            "id": secrets.token_hex(16),
            "created_by": f"vos {own_version()}",
            "settings": asdict(settings or ProjectSettings()),
            "videos": {},
        }
        write_text_atomic(folder / NAME, json.dumps(content, indent=2) + "\n")
        return cls(folder)

    def refresh(self) -> bool:
        """Read the file again if another process has written it; whether it has."""
        with contextlib.suppress(OSError):
            if self._read_at != self._stamp():
                self.load()
                return True
        return False

    def _stamp(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_ino, status.st_mtime_ns

    def load(self) -> None:
        """Read what is there now."""
        try:
            self._read_at = self._stamp()
            content = json.loads(self.path.read_text(encoding="utf-8"))
            version, self.id = content["version"], str(content["id"])
            self.videos = {key: ProjectVideo(key, **entry) for key, entry in content["videos"].items()}
        except FileNotFoundError as error:
            raise InputError(
                f"{self.folder} is not a project: it holds no {NAME}; make one with vos project new"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{self.path} is not the file of a project: {error}") from error
        if version > VERSION:
            raise InputError(
                f"{self.path} is of version {version}, this program reads {VERSION}: install a later one"
            )
        self.settings = override(ProjectSettings(), content.get("settings", {}))
        self._content: dict[str, Any] = content

    def video(self, key: str | None = None) -> ProjectVideo:
        """The video of that key; without one, the only video there is.

        Raises:
            InputError: naming the videos there are.
        """
        if key is None and len(self.videos) == 1:
            return next(iter(self.videos.values()))
        if key is None or key not in self.videos:
            known = ", ".join(self.videos) or "none: add one first"
            asked = "say which video is meant" if key is None else f"there is no video {key!r}"
            raise InputError(f"{asked}; the project has {known}")
        return self.videos[key]

    def add_video(self, source: str | os.PathLike[str], key: str | None = None) -> ProjectVideo:
        """See :meth:`vos.projects.Project.add_video`."""
        with open_video(source) as opened:
            info, frames = opened.info, opened.count_frames()
            found = fingerprint(opened.paths, is_images=opened.is_images)
        path = Path(source).resolve()
        name = key or re.sub(r"[^\w-]+", "-", path.stem if path.is_file() else path.name).strip("-").lower()
        if not re.fullmatch(r"[\w-]{1,100}", name):
            raise InputError(f"video key {name!r}: use letters, digits, - and _")
        root = self.folder.resolve()
        text = os.path.relpath(path, root) if path.is_relative_to(root.parent) else str(path)
        video = ProjectVideo(name, text, info.width, info.height, frames, info.fps, found)
        with self.changed() as content:
            if key in self.videos:
                raise InputError(f"the project has a video {key!r} already; give another key")
            video = replace(video, key=key or free_key(name, self.videos))
            entry = asdict(video)
            content["videos"][entry.pop("key")] = entry
        return video

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """See :meth:`vos.projects.Project.change_settings`."""
        with self.changed() as content:
            content["settings"] = asdict(override(self.settings, changes))

    def video_path(self, key: str | None = None) -> Path:
        """See :meth:`vos.projects.Project.video_path`."""
        video = self.video(key)
        path = Path(os.path.normpath(self.folder.resolve() / video.path))
        if not path.exists():
            raise MediaError(
                f"the video {video.key!r} is no longer at {path}; put it back, or correct its path "
                f"in {self.path}"
            )
        return path

    def open_video(self, key: str | None = None) -> Video:
        """See :meth:`vos.projects.Project.open_video`."""
        video, path = self.video(key), self.video_path(key)
        opened = open_video(path)
        try:
            sizes = sum(size for size, _ in _facts(opened.paths))
            files = video.fingerprint.get("files", 1)
            if (opened.info.height, opened.info.width) != video.size:
                raise _is_another(video, path)
            if sizes != video.fingerprint["size"] or len(opened.paths) != files:
                raise _is_another(video, path)
        except BaseException:
            opened.close()
            raise
        return opened

    def check_video(self, key: str) -> None:
        """See :meth:`vos.projects.Project.check_video`."""
        with self.open_video(key) as opened:
            facts = _facts(opened.paths)
            if self._checked.get(key) == facts:
                return
            video = self.video(key)
            found = fingerprint(opened.paths, is_images=opened.is_images)
            if found["sha256"] != video.fingerprint["sha256"]:
                raise _is_another(video, self.video_path(key))
            self._checked[key] = facts

    @contextlib.contextmanager
    def changed(self) -> Iterator[dict[str, Any]]:
        """What the file holds, to be changed; one process at a time does that.

        Raises:
            OutputError: if it cannot be written.
        """
        lock = self.folder / ".lock"
        try:
            file = lock.open("w")
        except OSError as error:
            raise output_error(lock, error) from error
        with file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            self.load()
            yield self._content
            write_text_atomic(self.path, json.dumps(self._content, indent=2) + "\n")
            self.load()


def _facts(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Size in bytes and time of the last change of files.

    Raises:
        MediaError: if one cannot be read.
    """
    try:
        found = [path.stat() for path in paths]
    except OSError as error:
        raise MediaError(f"cannot read {error.filename}: {error.strerror}") from error
    return [(status.st_size, status.st_mtime_ns) for status in found]


def _is_another(video: ProjectVideo, path: Path) -> MediaError:
    return MediaError(
        f"{path} has other frames than the video {video.key!r} of the project had: put that back, or make a "
        "project of this one"
    )
