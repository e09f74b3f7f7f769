"""Which tasks a worker goes for, in which order, and which are done or given up already."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence

from ...errors import MediaError, OutputError, PromptError, SettingsError
from ..folder import differences
from .attempt import Attempt
from .layout import done_name, fail_name, parse, parse_marker
from .manifest import Manifest
from .options import BatchOptions
from .shards import deal_by_weight, split_share
from .staging import current_identity
from .store import Store
from .task import Task, key_of, mark_of, with_listed_files

logger = logging.getLogger(__name__)

SHOWN = 5
"""Differences that a message lists."""


def share_of(manifest: Manifest, options: BatchOptions, generator: random.Random) -> list[str]:
    """The ids that a worker goes for, in order.

    Raises:
        SettingsError: tasks are to be dealt by weight, and one has none.
    """
    ids = manifest.ids
    if options.dynamic:
        return _heaviest_first(manifest, ids, generator)
    if options.by_weight:
        weights = [(k, float(w)) for k, w in zip(ids, manifest.weights, strict=True)]
        unknown = next((task_id for task_id, weight in weights if weight != weight), None)
        if unknown is not None:
            raise SettingsError(
                f"--shard-by weight needs a weight in every line, and that of {unknown} has none: "
                "vos batch check --write-weights FILE adds them"
            )
        own = deal_by_weight(weights, options.shard.count)[options.shard.index]
        mine = set(own)
        others = [task_id for task_id in ids if task_id not in mine]
    else:
        own, others = split_share(ids, options.shard)
    return own + (_heaviest_first(manifest, others, generator) if options.steal else [])


def _heaviest_first(manifest: Manifest, ids: list[str], generator: random.Random) -> list[str]:
    """By weight, from a place of this worker's own, so that workers seldom want the same task."""
    ordered = sorted(ids, key=lambda task_id: (-manifest.weight(task_id), task_id))
    first = generator.randrange(max(len(ordered), 1))
    return ordered[first:] + ordered[:first]


def is_done(store: Store, task: Task, attempt: Attempt, *, overwrite: bool) -> bool:
    """Whether the done marker is of the task as it is now.

    A task whose video or prompts cannot be read any more stays done: they may be removed once they are not
    needed.

    Raises:
        OutputError: it is of another task, and ``overwrite`` was not given; the message says what differs.
    """
    data = store.read(done_name(task.id))
    marker = parse_marker(data)
    if marker is None:
        if data is not None:  # damaged: the results are checked, or made again
            store.remove(done_name(task.id))
        return False
    try:
        before = with_listed_files(marker["identity"], task, attempt.folder)
        key, now = current_identity(task, attempt, before["video"])
    except (MediaError, PromptError) as error:
        logger.warning("task %s is done, and is not compared with its video and prompts: %s", task.id, error)
        return True
    if key in (marker["key"], key_of(before)):
        return True
    if not overwrite:
        found = list(differences(before, now, free=("video.mtime_ns",)))
        raise OutputError(
            f"task {task.id} in {store.root} is done, but as another task: {'; '.join(found[:SHOWN])}. "
            "Give --overwrite to do such tasks again, or another -o"
        )
    return False


def forgive(store: Store, task: Task, attempt: Attempt, fails: Sequence[int]) -> None:
    """Clear the failed attempts of a task that was corrected since: its line, a file, or a setting."""
    last = parse(store.read(fail_name(task.id, fails[-1]))) or {}
    now = mark_of(task, attempt.folder, attempt.settings)
    if last.get("mark", now) != now:
        logger.info("task %s has changed since it failed: it is tried again", task.id)
        for number in reversed(fails):
            store.remove(fail_name(task.id, number))


def kinds_of(store: Store, task_id: str) -> list[str]:
    """Kinds of the failed attempts so far that count, in order."""
    kinds: list[str] = []
    while (data := store.read(fail_name(task_id, len(kinds) + 1))) is not None:
        kinds.append(str((parse(data) or {}).get("kind", "crash")))
    return kinds
