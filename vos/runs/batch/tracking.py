"""A task done: its video tracked, its results where they belong."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...distribution import own_version
from ...errors import BusyError, OutputError
from ...files import make_folder
from ...pool import Report
from ...process import peak_memory
from ...prompting.class_names import ClassNames
from ...prompting.resize import resized_targets
from ...prompts import Target
from ...video import open_video
from ...video.sizes import parse_size
from ..folder import is_stopped
from ..layout import Layout
from ..models import build_tracker_of
from ..settings import TrackSettings
from ..summary import TrackSummary
from ..track import track_video
from .attempt import Attempt, Record
from .layout import task_folder
from .local_store import file_digest, files_below
from .pack import pack_masks
from .remote_store import RemoteStore
from .staging import TaskPlace, fetch_stopped, keep_stopped, staged
from .store import open_store
from .task import Task, identity_of_task, key_of, settings_of, targets_of, video_identity

if TYPE_CHECKING:
    from ...trackers.base import Tracker
    from ...video import Video


def track_task(attempt: Attempt, report: Report) -> Record:
    """Track the video of a task, going on where an earlier attempt was stopped.

    Raises:
        VosError: see :func:`vos.track_video`.
    """
    start = time.perf_counter()
    task = attempt.task
    given = settings_of(task, attempt.settings)
    settings = given if attempt.size is None else dataclasses.replace(given, size=parse_size(attempt.size))
    store = open_store(attempt.output, endpoint_url=attempt.endpoint_url)
    with staged(attempt, task) as place:
        known = place.facts
        local = Path(store.root, task_folder(task.id)) if store.is_local else place.scratch / "results"
        make_folder(local.parent)
        if isinstance(store, RemoteStore) and attempt.upload_checkpoints:
            fetch_stopped(store, task.id, local)
        try:
            with open_video(place.video, **settings.reading()) as video:
                fps = video.info.fps
                source = known or video_identity(video.paths, video.is_images, None)
                # Of the size that the line has, so that the task is the same one in the next run.
                identity = identity_of_task(task, place.folder, given, source)
                if settings is given:
                    targets = targets_of(task, place.folder, video, settings.start)
                else:
                    targets = _resized_targets(task, place, given, video)
                overwrite = attempt.overwrite or attempt.size is not None
                summary = _track(video, targets, local, settings, overwrite=overwrite, report=report)
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
            video_seconds=None if fps is None else round(summary.frames * settings.stride / fps, 3),
        )


def _resized_targets(
    task: Task, place: TaskPlace, given: TrackSettings, video: Video
) -> list[Target] | ClassNames:
    """What to track in ``video``: prompts are in pixels of the size that ``given`` has."""
    with open_video(place.video, **given.reading()) as full:
        before = full.info.height, full.info.width
        targets = targets_of(task, place.folder, full, given.start)
    if isinstance(targets, ClassNames):
        return targets
    return resized_targets(targets, before, (video.info.height, video.info.width))


def _track(
    video: Video,
    targets: list[Target] | ClassNames,
    folder: Path,
    settings: TrackSettings,
    *,
    overwrite: bool,
    report: Report,
) -> TrackSummary:
    """Track into ``folder``, resuming what was stopped there.

    With ``overwrite``, what is there of another run is replaced once the new results are complete; a
    replacement that was stopped is resumed.
    """
    run = partial(track_video, video, targets, folder, settings, progress=report, build=loaded_tracker)
    if not overwrite or is_stopped(Layout.of_video(folder)):
        try:
            return run(resume=True)
        except BusyError:
            raise
        except OutputError:
            if not overwrite:
                raise
    return run(overwrite=True)


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
