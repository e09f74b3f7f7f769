"""A task done: its video tracked, its results where they belong."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ...distribution import own_version
from ...files import make_folder
from ...pool import Report
from ...process import peak_memory
from ...video import open_video
from ..models import build_tracker_of
from ..settings import TrackSettings
from ..track import track_video
from .attempt import Attempt, Record
from .layout import task_folder
from .local_store import file_digest, files_below
from .pack import pack_masks
from .remote_store import RemoteStore
from .staging import fetch_stopped, keep_stopped, staged
from .store import open_store
from .task import identity_of_task, key_of, settings_of, targets_of, video_identity

if TYPE_CHECKING:
    from ...trackers.base import Tracker


def track_task(attempt: Attempt, report: Report) -> Record:
    """Track the video of a task, going on where an earlier attempt was stopped.

    Raises:
        VosError: see :func:`vos.track_video`.
    """
    start = time.perf_counter()
    task = attempt.task if attempt.size is None else dataclasses.replace(attempt.task, size=attempt.size)
    settings = settings_of(task, attempt.settings)
    store = open_store(attempt.output, endpoint_url=attempt.endpoint_url)
    with staged(attempt, task) as place:
        known = place.facts
        local = Path(store.root, task_folder(task.id)) if store.is_local else place.scratch / "results"
        make_folder(local.parent)
        if isinstance(store, RemoteStore) and attempt.upload_checkpoints:
            fetch_stopped(store, task.id, local)
        overwrite = attempt.overwrite or attempt.size is not None
        try:
            with open_video(place.video, **settings.reading()) as video:
                source = known or video_identity(video.paths, video.is_images, None)
                identity = identity_of_task(task, place.folder, settings, source)
                targets = targets_of(task, place.folder, video, settings.start)
                summary = track_video(
                    video,
                    targets,
                    local,
                    settings,
                    resume=not overwrite,
                    overwrite=overwrite,
                    progress=report,
                    tracker=loaded_tracker(settings),
                )
        except BaseException:
            if isinstance(store, RemoteStore) and attempt.upload_checkpoints and local.exists():
                keep_stopped(store, task.id, local)
            raise
        if attempt.pack is not None:
            pack_masks(local, task.id)
        name = task_folder(task.id)
        if isinstance(store, RemoteStore):
            name = f"{name}/.attempt-{attempt.generation}"
            store.upload(local, name)
        return Record(
            key=key_of(identity),
            identity=identity,
            place=name,
            frames=summary.frames,
            objects=list(summary.objects),
            seconds={**summary.seconds, "task": round(time.perf_counter() - start, 3)},
            warnings=list(summary.warnings),
            files={
                path.relative_to(local).as_posix(): {"size": path.stat().st_size, "sha256": file_digest(path)}
                for path in files_below(local)
            },
            peak_memory=peak_memory(),
            version=own_version(),
            size=attempt.size,
        )


_loaded: dict[str, Tracker] = {}
"""The tracker of this process by the settings it was built from, once there is one."""


NOT_OF_THE_TRACKER = frozenset(
    ("start", "end", "stride", "size", "reader", "outputs", "overlay", "classes", "checkpoint_every")
)
"""Settings that the tracker is not built from."""


def loaded_tracker(settings: TrackSettings) -> Tracker:
    """The tracker that the settings name; the one of the task before where it is the same."""
    key = repr({name: value for name, value in vars(settings).items() if name not in NOT_OF_THE_TRACKER})
    if key not in _loaded:
        _loaded.clear()  # one model is in memory at a time
        _loaded[key] = build_tracker_of(settings)
    return _loaded[key]
