"""Files of a task on this machine: where they are, or copies of what is in an object store."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import PromptError
from ...files import make_folder
from ...video.source import find_source
from .attempt import Attempt
from .layout import task_folder
from .remote_store import RemoteStore, download, remote_facts
from .store import is_url, join
from .task import Task, files_of, identity_of_task, key_of, settings_of, video_identity


def current_identity(
    task: Task, attempt: Attempt, known: dict[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """Key and identity of a task as it is now; ``known`` is the identity of its video when it was done.

    Raises:
        VosError: the video or a prompt cannot be read.
    """
    settings = settings_of(task, attempt.settings)
    video = join(attempt.folder, task.video)
    if is_url(video):
        source = remote_facts(video, attempt.endpoint_url)
        with staged(attempt, task, with_video=False) as place:
            identity = identity_of_task(task, place.folder, settings, source)
        return key_of(identity), identity
    found = find_source(video)
    source = video_identity(found.paths, found.is_images, known)
    identity = identity_of_task(task, attempt.folder, settings, source)
    return key_of(identity), identity


@dataclass(frozen=True)
class TaskPlace:
    """Where a task finds its files on this machine."""

    video: str
    folder: str
    scratch: Path
    facts: dict[str, Any] | None
    """Size and ETag of a video that was copied here."""


@contextlib.contextmanager
def staged(attempt: Attempt, task: Task, *, with_video: bool = True) -> Iterator[TaskPlace]:
    """Copy what is in an object store to this machine, and remove it afterwards."""
    video = join(attempt.folder, task.video)
    remote_folder = is_url(attempt.folder)
    if not (is_url(video) or remote_folder or is_url(attempt.output)):
        yield TaskPlace(video, attempt.folder, Path(attempt.folder), None)
        return
    if attempt.scratch is not None:
        make_folder(attempt.scratch)
    scratch = Path(tempfile.mkdtemp(prefix="vos-batch-", dir=attempt.scratch))
    try:
        facts = None
        folder = attempt.folder
        if remote_folder or any(is_url(name) for name in files_of(task, folder)):
            folder = str(scratch / "prompts")
            _fetch_prompts(attempt, task, Path(folder))
        if is_url(video) and with_video:
            local = scratch / os.path.basename(video.rstrip("/"))
            facts = download(video, local, endpoint_url=attempt.endpoint_url)
            video = str(local)
        yield TaskPlace(video, folder, scratch, facts)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetch_prompts(attempt: Attempt, task: Task, folder: Path) -> None:
    """Copy the prompt files of a task under the names that the line has for them."""
    names = set(files_of(task, attempt.folder))
    while names:
        for name in sorted(names):
            if is_url(name):
                raise PromptError(f"task {task.id}: give {name} relative to the manifest, not as a URL")
            target = folder / name
            if not target.exists():
                make_folder(target.parent)
                download(join(attempt.folder, name), target, endpoint_url=attempt.endpoint_url)
        # A prompt file that is here now may name masks.
        names = {name for name in files_of(task, str(folder)) if not (folder / name).exists()}


def _stopped_name(task_id: str) -> str:
    return f"{task_folder(task_id)}/.stopped.tar"


def keep_stopped(store: RemoteStore, task_id: str, local: Path) -> None:
    """Keep what a stopped run has, so that another machine can continue it."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.add(local, arcname=".")
        file.seek(0)
        store.write(_stopped_name(task_id), file.read())


def fetch_stopped(store: RemoteStore, task_id: str, local: Path) -> None:
    data = store.read(_stopped_name(task_id))
    if data is None:
        return
    make_folder(local)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(local, filter="data")
