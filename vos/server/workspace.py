"""An open project and everything that serves it: images, prompts, jobs, and the feed of what happens."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..distribution import own_version
from ..errors import MediaError, VosError
from ..projects import Event, ObjectInfo, Project, ProjectVideo, State
from ..trackers.registry import TRACKERS
from .feed import Feed, describe_event, message
from .frame_images import FrameImages, JpegStore, is_writable, store_folder
from .jobs import Jobs
from .prompt_worker import PromptWorker
from .revisions import changed_ranges
from .timeline import Timelines

logger = logging.getLogger(__name__)

JPEG_BYTES = 2 << 30
"""Of the images kept on the disk, for each video."""
SESSION_AGE = 86400.0
"""Seconds after which what a killed server left in the cache is deleted."""
CACHE = "cache"
SUFFIX = ".vosproject"
"""Of the folder of a project that is made for a bare video."""


@dataclass(frozen=True)
class Options:
    """What was switched on at the start."""

    backbone: str = "classical"
    """A name in :data:`vos.backbones.registry.BACKBONES`: what answers clicks."""
    device: str = "cpu"
    root: Path | None = None
    """Folder below which pages may open further videos."""
    upload: bool = False
    """Whether pages may upload videos."""


class Workspace:
    """See the module. All methods may be called from any thread; :meth:`close` once.

    Args:
        project: open; it belongs to the workspace from now on.
        options: what was switched on.
    """

    def __init__(self, project: Project, options: Options | None = None) -> None:
        self.project = project
        self.options = options or Options()
        self.feed = Feed()
        cache = project.folder / CACHE
        self._temporary: Path | None = None
        if not is_writable(cache):
            self._temporary = cache = Path(tempfile.mkdtemp(prefix="vos-"))
        self.cache = cache
        _remove_old_sessions(cache)
        self.scratch = Path(tempfile.mkdtemp(prefix="session-", dir=cache))
        """For uploads and exports of this start."""
        self.exports: dict[str, Path] = {}
        """Key -> archive."""
        self.uploads: dict[str, Path] = {}
        """Key -> file."""
        self.prompt_worker = PromptWorker(
            self.options.backbone,
            self.options.device,
            lambda state: self.feed.publish("segmenter", state),
        )
        self.jobs = Jobs(self, lambda job: self.feed.publish("job", job))
        self.timelines = Timelines(project)
        self._frame_images: dict[str, FrameImages] = {}
        self._lock = threading.Lock()
        self._told: State = project.state
        self._unsubscribe = project.subscribe(self._tell)

    def close(self) -> None:
        """Stop the threads, then let go of the project."""
        self.jobs.close()
        self.prompt_worker.close()
        for images in self._frame_images.values():
            images.close()
        self._unsubscribe()
        self.project.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def cancel_images(self) -> None:
        """Cancel the images that are waited for."""
        with self._lock:
            for images in self._frame_images.values():
                images.cancel()

    def frame_images(self, key: str) -> FrameImages:
        """The images of a video.

        Raises:
            InputError: for an unknown video.
        """
        video = self.project.video(key)
        with self._lock:
            if key not in self._frame_images:
                folder = store_folder(self.cache, video.fingerprint["sha256"])
                self._frame_images[key] = FrameImages(
                    lambda: self.project.open_video(key), video.frames, JpegStore(folder, JPEG_BYTES)
                )
            return self._frame_images[key]

    def describe(self) -> dict[str, Any]:
        """The project, for pages: see ``GET /api/project``."""
        project = self.project
        counter, state = project.counter, project.state  # what comes in between is sent twice, not missed
        objects = [_describe_object(info, state) for info in state.objects.values()]
        return {
            "id": project.id,
            "name": project.folder.resolve().name.removesuffix(SUFFIX),
            "program": f"vos {own_version()}",
            "writer": project.writer,
            "read_only": project.read_only,
            "counter": counter,
            "videos": [self.describe_video(video) for video in project.videos.values()],
            "objects": sorted(objects, key=lambda entry: entry["object"]),
            "next_object": next(iter(state.free_ids), None),
            "categories": sorted({info.category for info in state.objects.values() if info.category}),
            "settings": self.settings(),
            "models": [
                {"name": name, "help": entry.help, "weights": entry.weights}
                for name, entry in TRACKERS.items()
            ],
            "segmenter": self.prompt_worker.describe(),
            "history": self.history(),
            "pending": self.pending(),
            "conflicts": [
                {"video": conflict.video, "frame": conflict.frame, "object": conflict.object_id}
                for conflict in state.conflicts.values()
            ],
            "assigned": {
                key: [[span.first, span.last, span.value] for span in spans]
                for key, spans in state.assignments.items()
            },
            "jobs": self.jobs.describe(),
            "features": {"root": self.options.root is not None, "upload": self.options.upload},
        }

    def describe_video(self, video: ProjectVideo) -> dict[str, Any]:
        """One video, for pages."""
        entry = {key: value for key, value in asdict(video).items() if key not in ("path", "fingerprint")}
        text = ""
        try:
            self.project.video_path(video.key)
        except MediaError as error:
            text = str(error)
        return {**entry, "digest": video.fingerprint["sha256"], "available": not text, "message": text}

    def settings(self) -> dict[str, Any]:
        """Those that pages may see and change."""
        settings = self.project.settings
        return {"model": settings.model, "memory": settings.memory}

    def history(self) -> dict[str, int]:
        """How many actions can be undone and redone."""
        history = self.project.history
        return {"undo": len(history.done), "redo": len(history.undone)}

    def pending(self) -> dict[str, int]:
        """Video -> number of intervals to track."""
        state = self.project.state
        counts = {
            key: sum(len(state.track(key, object_id).pending) for object_id in state.visible)
            for key in self.project.videos
        }
        return {key: count for key, count in counts.items() if count}

    def since(self, counter: int) -> list[bytes]:
        """The messages that a page needs which has seen the events up to ``counter``."""
        known, events = self.project.counter, self.project.events(counter)
        messages = [message(*self._content(events, None, known))] if events else []
        return [*messages, *(message("job", job) for job in self.jobs.describe())]

    def refresh(self) -> None:
        """Read what other processes have appended, and the videos that they have added."""
        before = self.project.videos, self.project.settings
        try:
            self.project.refresh()
            if before != (self.project.videos, self.project.settings):
                self.feed.publish("project", {})
        except (VosError, OSError) as error:
            logger.warning("cannot read what others did: %s", error)

    def _tell(self, events: Sequence[Event]) -> None:
        with self._lock:
            before, self._told = self._told, self.project.state
            changed = changed_ranges(before, self._told)
        self.feed.publish(*self._content(events, changed, self.project.counter))

    def _content(
        self, events: Sequence[Event], changed: Any, counter: int
    ) -> tuple[str, dict[str, Any], int]:
        content = {
            "counter": counter,
            "events": [describe_event(event) for event in events],
            "changed": changed,
            "history": self.history(),
            "pending": self.pending(),
        }
        return "event", content, counter


def _describe_object(info: ObjectInfo, state: State) -> dict[str, Any]:
    entry = asdict(info)
    return {"object": entry.pop("object_id"), **entry, "event": state.added.get(info.object_id)}


def _remove_old_sessions(cache: Path) -> None:
    for folder in cache.glob("session-*"):
        if time.time() - folder.stat().st_mtime > SESSION_AGE:
            shutil.rmtree(folder, ignore_errors=True)
